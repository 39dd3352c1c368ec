"""Keep pytest from collecting `inside/`: those tests run in a rendered project's environment."""

collect_ignore = ["inside"]
