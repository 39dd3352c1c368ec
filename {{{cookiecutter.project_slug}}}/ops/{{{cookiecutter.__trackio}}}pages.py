"""Serve trackio's pages{{{ ": `make ui`, and the stack" if cookiecutter.__has_image else ": `make ui`" }}}. Ctrl-C ends them.

Their port is `TRACKIO_PORT` (7860), and the address that they listen on `TRACKIO_HOST` (127.0.0.1).
"""

import os

from {{{ cookiecutter.package_name }}}.runtime.errors import exit_if_refused
from {{{ cookiecutter.package_name }}}.runtime.registry.trackio_client import load_trackio

if __name__ == "__main__":
    with exit_if_refused():
        load_trackio().show(
            open_browser=False,
            host=os.environ.get("TRACKIO_HOST", "127.0.0.1"),
            server_port=int(os.environ.get("TRACKIO_PORT", "7860")),
        )
