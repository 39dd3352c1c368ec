"""The command line: `python -m {{{ cookiecutter.package_name }}} --help`."""

from .runtime.cli import main

if __name__ == "__main__":
    main()
