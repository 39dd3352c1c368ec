"""The template's questions: their source, and the commands that generate files from it."""
