"""What is declined leaves no file and no mention behind."""

import re
from pathlib import Path

import pytest

from tests.projects import ORCHESTRATORS
from tests.render.conftest import FrontEnd
from tests.render.test_orchestrators import contents

NO_STACK = {"stack": "none", "monitoring": "none"}
DECLINED = {
    "delivery": (
        {"delivery": "none"},
        r"\.github/.+|docs/delivery\.md|ops/template_update\.py",
        r"github(?!\.com|usercontent)|workflows?/|dependabot|codeowners|template.update",
    ),
    "stack": (
        NO_STACK,
        r"ops/(backup|deploy|stack)\.py|ops/(compose\.yaml|databases\.sh|monitoring/.+)"
        r"|ops/Dockerfile(\.dockerignore)?|docs/operate\.md"
        r"|\.github/workflows/(deploy.*|retrain)\.yml"
        r"|tests/runtime/test_run_metrics\.py|src/my_pipeline/runtime/monitor/(exporter|run_.+)\.py",
        r"(?<!sklearn\.)compose\b|make (?:up|down|env|backup|restore)\b|operate\.md|\bthe stack\b"
        r"|ops/(?:stack|backup)|backups?\b",
    ),
    "monitoring": (
        {"monitoring": "none"},
        r"ops/monitoring/.+|tests/runtime/test_run_metrics\.py"
        r"|src/my_pipeline/runtime/monitor/(exporter|run_folders|run_metrics)\.py",
        r"prometheus|grafana|alertmanager|monitoring:",
    ),
    "versioning": (
        {"versioning": "none"},
        r"dvc\.yaml|\.dvc/.+|experiment/\.gitignore|ops/compare\.py"
        r"|tests/runtime/test_(experiment|snapshots)\.py"
        r"|src/my_pipeline/runtime/(source/snapshots|steps/experiment|registry/kept_data)\.py",
        r"dvc|make (?:repro|compare|data VERSION)|experiment/|\bsnapshots\b",
    ),
}
"""By question: the answers, the files that are left out, what no other file mentions."""

NO_IMAGE = r"dockerfile|make (?:image|deploy|retrain)|docker build|\bimages?\b.*\b(?:build|deploy)"


@pytest.mark.parametrize("orchestrator", ORCHESTRATORS)
@pytest.mark.parametrize("question", DECLINED)
def test_nothing_of_it_is_there(
    question: str,
    orchestrator: str,
    tmp_path: Path,
    by_orchestrator: dict[str, Path],
    render_cookiecutter: FrontEnd,
) -> None:
    answers, own, words = DECLINED[question]
    chosen = contents(by_orchestrator[orchestrator])
    declined = contents(render_cookiecutter(tmp_path, orchestrator=orchestrator, **answers))
    missing = set(chosen) - set(declined)
    assert missing
    assert not [name for name in missing if not re.fullmatch(own, name)]
    assert set(declined) - set(chosen) <= {"tests/runtime/test_snapshot.py"}  # of the hash
    if question == "stack" and orchestrator != "kubeflow":
        words = f"{words}|{NO_IMAGE}"
    mentions = {
        name: found
        for name, content in declined.items()
        if name != ".copier-answers.yml" and not name.endswith(".png")
        if (found := re.findall(rf"(?im)^(?:.*)(?:{words}).*$", content.decode()))
    }
    assert mentions == {}
