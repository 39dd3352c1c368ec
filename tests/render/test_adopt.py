"""The rooms that `make adopt` drafts have the metrics and figures of the sample."""

import difflib
import re

import pytest

from tests.shell import ROOT, TREE

OF_THE_SAMPLE = re.compile(r"flight|minute|carrier|being late")


@pytest.mark.parametrize("module", ["evaluation.py", "plots.py"])
def test_a_draft_differs_from_the_sample_in_its_words_alone(module: str) -> None:
    """So a change of the sample's module is made in the draft, too."""
    tree = ROOT / TREE
    sample = (tree / "src/{{{cookiecutter.package_name}}}" / module).read_text(encoding="utf-8")
    draft = (tree / f"ops/adopt/room/{module}.j2").read_text(encoding="utf-8")
    assert draft.startswith("{% raw %}\n")
    assert draft.endswith("{% endraw %}\n")
    same = sample.replace("cookiecutter.problem", "p.problem")
    same = same.replace("{{{", "{{").replace("}}}", "}}")
    lines = draft.splitlines()[1:-1]
    changed = [line for line in difflib.ndiff(same.splitlines(), lines) if line[0] == "-"]
    assert [line for line in changed if not OF_THE_SAMPLE.search(line)] == []
