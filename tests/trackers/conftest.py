"""Tests that a rendered project runs, in its environment, are not ours."""

collect_ignore = ["inside"]
