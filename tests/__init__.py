"""The tests: a package, so that an installed one of the same name does not hide it."""
