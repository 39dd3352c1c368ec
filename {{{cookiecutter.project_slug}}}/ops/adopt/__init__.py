"""`make adopt`: the first draft of a team's own modules, in place of the sample's.

`table.py` reads the team's table, `profile.py` and `leaks.py` describe it. `draft.py` fills the
templates in `room/`. `project.py` puts all that in the sample's place, or leaves all as it is.
"""
