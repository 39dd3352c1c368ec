"""The code blocks of a page, applied to a project as the text around them says.

- `python` that begins with a docstring is a whole file. Else each function, class and constant
  replaces the one of its name, or is added; imports are added.
- `diff` changes lines, wherever they are in the file.
- `yaml` is added below the line `stages:`.
- `sql` is a whole file.
- `sh` is run in the project.

The file is the last one that the text before the block names in backticks.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.projects import Project

BLOCK = re.compile(r"^```(python|diff|yaml|sql|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w./-]+\.(?:py|yaml|sql))`")


def section(page: Path, heading: str) -> str:
    """Return what stands below a heading of a page, up to the next of its level."""
    level = heading.partition(" ")[0]
    _, _, rest = page.read_text(encoding="utf-8").partition(f"\n{heading}\n")
    assert rest, f"{page.name} has no heading {heading!r}"
    return re.split(rf"^{level} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def git_rm(project: Path) -> str:
    """Return the commands that delete the sample, as docs/make-it-yours.md has them."""
    text = (project / "docs/make-it-yours.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"^git rm .+?(?=^```$)", text, re.MULTILINE | re.DOTALL)
    return str(commands)


def apply(text: str, project: Project, *, package: str = "my_pipeline") -> None:
    """Apply all blocks of a text to a project."""
    file, end = "", 0
    for block in BLOCK.finditer(text):
        file = next(reversed(FILE.findall(text[end : block.start()])), file)
        end = block.end()
        language, code = block.groups()
        if language == "sh":
            project.shell("sh", "-e", "-c", code, cwd=project.folder)
            continue
        inside = f"src/{package}/{file}"
        path = project.folder / (inside if (project.folder / inside).exists() else file)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(changed(before, language, code), encoding="utf-8")


def changed(source: str, language: str, code: str) -> str:
    """Return a file after a block was applied to it."""
    if language == "diff":
        lines = code.splitlines(keepends=True)
        old, new = ("".join(line[1:] for line in lines if line[0] != sign) for sign in ("+", "-"))
        assert source.count(old) == 1, f"{source.count(old)} places have the lines\n{old}"
        return source.replace(old, new)
    if language == "yaml":
        assert source.count("\nstages:\n") == 1
        return source.replace("\nstages:\n", f"\nstages:\n{code}\n")
    if language == "sql" or code.startswith('"""'):
        return code
    for name, part in parts(code):
        source = spliced(source, name, part)
    return source


def parts(code: str) -> Iterator[tuple[str, str]]:
    """Yield each statement at the top of some code, by the name that it binds; imports by none."""
    lines = code.splitlines(keepends=True)
    for name, (start, end) in places(code):
        yield name, "".join(lines[start:end])


def places(code: str) -> list[tuple[str, tuple[int, int]]]:
    """Return the lines of each statement at the top; a text below a constant belongs to it."""
    found: list[tuple[str, tuple[int, int]]] = []
    for node in ast.parse(code).body:
        start, end = node.lineno - 1, node.end_lineno or 0
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                start = min([start, *(each.lineno - 1 for each in node.decorator_list)])
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                pass
            case ast.Expr() if found and found[-1][0].isupper():
                name, (start, _) = found.pop()
            case _:
                name = ""
        found.append((name, (start, end)))
    return found


def spliced(source: str, name: str, part: str) -> str:
    """Return source in which a statement replaces the one of its name, or is added.

    An import or a constant is added below the imports, a function above the last one.
    """
    lines, there = source.splitlines(keepends=True), places(source)
    for other, (start, end) in there:
        if name and other == name:
            return "".join([*lines[:start], part, *lines[end:]])
    tree = ast.parse(source).body
    if part.startswith(("def ", "class ", "@")):
        starts = dict(there)
        at = starts[[node.name for node in tree if isinstance(node, ast.FunctionDef)][-1]][0]
    else:
        imports = [n for n in tree if isinstance(n, ast.Import | ast.ImportFrom)]
        at = imports[-1].end_lineno or 0
    return "".join([*lines[:at], part, "\n\n", *lines[at:]])
