"""The experiment tracker and the model registry.

`tracker` and `store` are the modules that know the tools; `protocols.py` lists what they have.
Steps call `tracker`, and `registry.py`, which holds what is alike in every registry.
"""

from . import {{{ [cookiecutter.__registry ~ "_registry", cookiecutter.tracker ~ "_tracker"] | sort | join(", ") }}}
from .protocols import Registry, Tracker

tracker: Tracker = {{{ cookiecutter.tracker }}}_tracker
store: Registry = {{{ cookiecutter.__registry }}}_registry
