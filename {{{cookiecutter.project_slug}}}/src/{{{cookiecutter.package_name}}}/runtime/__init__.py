"""The machinery of the pipeline. The template owns it: `copier update` brings its changes.

It knows no domain. What it calls in the team's modules, one folder up, is listed in `room.py`.
Change those instead: an edit in here becomes a conflict at the next update.
"""

PROJECT = "{{{ cookiecutter.project_slug }}}"
"""The name of the project: in the subjects of alerts, and of what is deployed."""
