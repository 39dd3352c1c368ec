"""A rendered project, as text."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import yaml

PARSED = {".py", ".toml", ".yaml", ".yml", ".json", ".ipynb"}


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and the mode of each file below a folder, by name."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@cache  # most files are the same in most projects
def parse(name: str, text: str) -> None:
    """Fail where the text is not what the name of its file says."""
    match PurePosixPath(name).suffix:
        case ".py":
            ast.parse(text, name)
        case ".toml":
            tomllib.loads(text)
        case ".yaml" | ".yml":
            list(yaml.safe_load_all(text))
        case ".json" if ".devcontainer/" in name:
            json.loads(without_comments(text))
        case ".json" | ".ipynb":
            json.loads(text)


def without_comments(text: str) -> str:
    """Return JSON without the comments that dev containers may have."""
    return re.sub(r"(^|\s)//.*$", r"\1", text, flags=re.MULTILINE)


@dataclass(frozen=True)
class Rendered:
    """One project, from each front end."""

    answers: dict[str, str]
    folder: Path  # by Cookiecutter
    other: Path  # by Copier

    def files(self) -> Iterator[tuple[str, bytes]]:
        for name, (content, _) in contents(self.folder).items():
            yield name, content

    def texts(self, *suffixes: str) -> Iterator[tuple[str, str]]:
        for name, content in self.files():
            if not suffixes or PurePosixPath(name).suffix in suffixes:
                try:
                    yield name, content.decode()
                except UnicodeDecodeError:
                    assert not suffixes, f"{name} is not UTF-8"

    def lines(self) -> dict[str, list[str]]:
        return {name: text.split("\n") for name, text in self.texts()}

    def check_bytes(self) -> None:
        ours, theirs = contents(self.folder), contents(self.other)
        assert ours.keys() == theirs.keys()
        assert [name for name in ours if ours[name] != theirs[name]] == [], self.answers
