"""Fill the templates in `room/` with what a table says, and prepare all other files beside them."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from {{{ cookiecutter.package_name }}}.runtime.periods import PARTITIONS
from {{{ cookiecutter.package_name }}}.runtime.room import check_room

{% if cookiecutter.source == "sql" %}
from .database import read_files, write_query
{% endif %}
from .profile import Profile
from .project import DRAFTED, PACKAGE, PARAMS_FILE, PROJECT_FILE, SMALL
from .small import small
from .table import Table

TEMPLATES = Path(__file__).with_name("room")


def write(found: Profile, staging: Path) -> None:
    """Write all files of the drafted room below a folder, as they lie in the project.

    The periods of a file go to `DRAFTED`.
    """
    modules = modules_of(found)
    for name, text in modules.items():
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).write_text(text, encoding="utf-8")
    tidy([staging / name for name in modules])  # before a second pyproject.toml is beside them
    check_room(staging / PACKAGE)
    text = params(PARAMS_FILE.read_text(encoding="utf-8"), found)
    (staging / PARAMS_FILE).write_text(text, encoding="utf-8")
{% if cookiecutter.source == "sql" %}
    if found.table.query:
        write_query(found.table, staging)
    else:
        deliver(found.table.name, by_period(found.table), DRAFTED)
        read_files(staging)
{% else %}
    deliver(found.table.name, by_period(found.table), DRAFTED)
{% endif %}
    text = without_sample(PROJECT_FILE.read_text(encoding="utf-8"))
    (staging / PROJECT_FILE).write_text(text, encoding="utf-8")
    deliver(found.table.name, small(found), staging / SMALL)


def modules_of(found: Profile) -> dict[Path, str]:
    """Return the modules and their tests, by where they belong."""
    constants = {found.table.time: "TIME", found.target: "OUTCOME"}
    templates = jinja()
    templates.filters["column"] = lambda name: constants.get(name, repr(name))
    kinds = {
        "categories": any(column.values for column in found.columns),
        "ranges": any(column.limits for column in found.columns),
    }
    others = {"binary/", "regression/"} - {f"{found.problem}/"}
    modules = {}
    for name in templates.list_templates():
        if not name.endswith(".py.j2") or name.startswith(tuple(others)):
            continue
        text = templates.get_template(name).render(p=found, package=PACKAGE.name, **kinds)
        folder = Path("tests") if "tests/" in name else PACKAGE
        modules[folder / Path(name).stem] = text
    evaluation = PACKAGE / "evaluation.py"
    modules[evaluation] = with_slices(modules[evaluation], found.slices)
    return modules


def with_slices(text: str, slices: Sequence[str]) -> str:
    """Return evaluation.py of the sample with other slices."""
    return re.sub(r"(?m)^(SLICES: .* =) .*$", lambda found: f"{found[1]} {(*slices,)}", text)


def jinja() -> Environment:
    """Return the environment of the templates."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Python, not HTML
    )
    templates.filters["py"] = repr
    templates.filters["tuple"] = lambda names: repr(tuple(names))
    templates.filters["number"] = lambda value: f"{value:.15g}"
    return templates


def tidy(files: list[Path]) -> None:
    """Sort imports and break lines, as `make format` does."""
    for command in (("check", "--select=I", "--fix", "--quiet"), ("format", "--quiet")):
        subprocess.run([sys.executable, "-m", "ruff", *command, *files], check=True)  # noqa: S603


def params(text: str, found: Profile) -> str:
    """Return params.yaml with the values of the room; all others and the comments are kept."""
    sections = jinja().get_template("params.yaml.j2").render(p=found)
    values = {
        "model_name": f'"{model_name(found)}"',
        "window": str(found.window),
        "period": f'"{found.table.periods[-1]}"',
        "quality_drop": f"{found.quality_drop:g}",
    }
    for name, value in values.items():
        text = with_value(text, name, value)
    for section in sections.split("\n\n"):
        name = section.partition(":")[0]
        text = re.sub(rf"(?m)^{name}:.*\n(?:[ \t]+.*\n)*", section.rstrip() + "\n", text, count=1)
    return text


def with_value(text: str, name: str, value: str) -> str:
    """Return YAML with another value of a key; the comment beside it stays where it is."""
    place = re.search(rf"(?m)^ *{name}: *(\S+ *)(#?)", text)
    if place is None:
        return text
    width = len(place[1]) if place[2] else 0
    return text[: place.start(1)] + value.ljust(width) + text[place.end(1) :]


def model_name(found: Profile) -> str:
    """Return a name for the model in the registry."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", f"{found.table.name}-{found.target}").strip("-")


def without_sample(text: str) -> str:
    """Return pyproject.toml without the package that has the sample's data."""
    return re.sub(r"(?m)^.*# .*delete with sample\.py$\n", "", text)


def deliver(name: str, periods: Mapping[str, pl.DataFrame], source: Path) -> None:
    """Write a table as an upstream system would deliver it: a folder for each period."""
    for period, rows in periods.items():
        folder = source / name / f"{PARTITIONS[0]}={period}"
        folder.mkdir(parents=True)
        rows.write_parquet(folder / f"{name}.parquet")


def by_period(table: Table) -> Mapping[str, pl.DataFrame]:
    """Return the rows of each period, in order."""
    parts = table.rows.with_columns(table.period.alias(""))
    return {
        str(period): rows.drop("")
        for (period,), rows in parts.partition_by("", maintain_order=True, as_dict=True).items()
    }
