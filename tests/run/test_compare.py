"""The parts of `make compare` that no execution of it in other tests reaches."""

import json
from typing import Any

import pytest

from tests.projects import Project

CODE = """
import json, os, sys
from pathlib import Path
import polars as pl
from ops import compare

Path("inbox/files").mkdir(parents=True)
found = {}
for source in ("inbox/files", "s3://bucket/files", "not/here"):
    clone = Path("clones") / source.replace("/", "-")
    clone.mkdir(parents=True)
    (clone / "params.yaml").write_text(f"source: {source}\\n")
    compare.link_source(clone)
    found[source] = [str(link.resolve()) for link in clone.rglob("*") if link.is_symlink()]
old = pl.DataFrame({"hours_ahead": [0.0, 48.0], "mean_error": [10.0, 30.0]})
new = pl.DataFrame({"hours_ahead": [0.0, 24.0], "mean_error": [12.0, 20.0], "rows": [5, 5]})
charts = {"chart": compare.chart(old, new), "alone": compare.chart(None, new)}
metrics = {"old": {"error": 2.0, "rows": 5.0}, "new": {"error": 1.5, "rows": 6.0, "more": 1.0}}
tables = {}
for name, higher in (("higher", True), ("lower", False)):
    compare.room.evaluation().HIGHER_IS_BETTER = higher
    tables[name] = compare.table("metric", "main", *metrics.values(), {"error"})[2:]
ours = compare.room.evaluation()  # where lower is better, since the loop
both = [
    compare.Experiment({"rows": 5.0, ours.HEADLINE: value}, {"origin EWR": value}, {}, "-")
    for value in (2.0, 1.5)
]
page = compare.page("main", *both)
rounded = compare.change(1.5, 1.50004, headline=True)
for path in ("teams/forecast/params.yaml", "hooks/post-checkout"):
    Path(path).parent.mkdir(parents=True)
    Path(path).write_text("#!/bin/sh\\nexit 1\\n")
    Path(path).chmod(0o755)
compare.git("init", "--quiet")
compare.git("add", "teams")
compare.git("commit", "--quiet", "--message", "All teams")
for name, value in (("core.hooksPath", str(Path("hooks").resolve())), ("protocol.allow", "never")):
    compare.git("config", name, value)
os.chdir("teams/forecast")
cloned = str(compare.clone("here", compare.commit("HEAD")))
said = []
for ask in (lambda: compare.commit("main^9"), lambda: compare.git("what")):
    try:
        ask()
    except compare.BadInput as error:
        said.append(str(error))
found = {"links": found, "cloned": cloned, "said": said}
print(json.dumps({"tables": tables, "page": page, "rounded": rounded} | found | charts))
"""


@pytest.fixture(scope="module")
def compared(project: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give what the functions return in a folder of their own."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "ops").symlink_to(project.folder / "ops")
    (folder / "params.yaml").write_bytes((project.folder / "params.yaml").read_bytes())
    python = project.folder / ".venv/bin/python"
    said = project.shell(python, "-c", CODE, cwd=folder).stdout
    return {"folder": folder, **json.loads(said)}


def test_the_folder_of_a_larger_repository_is_cloned(compared: dict[str, Any]) -> None:
    """Whatever the machine's settings of git are; and a message repeats what git says."""
    assert compared["cloned"] == ".compare/here/teams/forecast"
    assert compared["said"][0].startswith("There is no commit 'main^9': fetch it, or name another")
    assert compared["said"][1].startswith("`git what` failed: git: 'what' is not a git command.")


def test_a_local_source_is_linked_into_a_clone_wherever_it_is(compared: dict[str, Any]) -> None:
    assert compared["links"] == {
        "inbox/files": [str(compared["folder"] / "inbox/files")],
        "s3://bucket/files": [],
        "not/here": [],
    }


@pytest.mark.parametrize(("better", "verdict"), [("higher", "worse"), ("lower", "better")])
def test_the_direction_of_the_headline_metric_says_what_is_better(
    compared: dict[str, Any], better: str, verdict: str
) -> None:
    """Of other metrics the direction is unknown."""
    assert compared["tables"][better] == [
        f"| error | 2.0000 | 1.5000 | -0.5000, {verdict} |",
        "| rows | 5.0000 | 6.0000 | +1.0000 |",
        "| more |  | 1.0000 |  |",
    ]


def test_the_page_says_what_is_better_of_the_headline_and_its_slices(
    compared: dict[str, Any],
) -> None:
    verdicts = [line for line in compared["page"] if "better" in line]
    assert verdicts == [
        "| auc | 2.0000 | 1.5000 | -0.5000, better |",
        "| origin EWR | 2.0000 | 1.5000 | -0.5000, better |",
    ]


def test_a_change_that_rounds_to_nothing_gets_no_verdict(compared: dict[str, Any]) -> None:
    assert compared["rounded"] == "+0.0000"


def test_the_axes_of_a_chart_show_all_values(compared: dict[str, Any]) -> None:
    chart = compared["chart"]
    assert '  x-axis "hours ahead" 0 --> 48' in chart
    assert '  y-axis "mean error" 10 --> 30' in chart
    assert sum(line.startswith("  line [") for line in chart) == 2
    alone = compared["alone"]
    assert '  x-axis "hours ahead" 0 --> 24' in alone
    (line,) = [line for line in alone if line.startswith("  line [")]
    heights = json.loads(line.removeprefix("  line "))
    assert (heights[0], heights[-1], len(heights)) == (12, 20, 21)
