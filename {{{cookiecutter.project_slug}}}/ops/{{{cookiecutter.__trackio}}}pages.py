"""Serve trackio's pages: `make ui`, and the stack. Ctrl-C ends them.

`TRACKIO_PORT` is their port (7860), `TRACKIO_HOST` the address that they listen on (127.0.0.1).
"""
