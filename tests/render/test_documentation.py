"""The documentation of a project names only files, headings and targets of make that exist."""

import re
from pathlib import Path

import pytest

from tests.render.conftest import FrontEnd

ALONE = {"delivery": "none", "stack": "none", "monitoring": "none", "versioning": "none"}
VARIANTS = {
    "prefect": {"orchestrator": "prefect"},
    "airflow": {"orchestrator": "airflow"},
    "kubeflow": {"orchestrator": "kubeflow"},
    "no monitoring": {"monitoring": "none"},
    **{
        f"{name} alone": {"orchestrator": name, **ALONE}
        for name in ("prefect", "airflow", "kubeflow")
    },
}
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)")
NAMED = re.compile(r"`((?:src|tests|ops|docs|flows|dags|plugins|pipelines|\.github)/[\w./-]+)`")
TARGET = re.compile(r"(?:^|`)make((?: [a-z-]+)+)", re.MULTILINE)

TO_BE_WRITTEN = {
    *(
        "src/my_pipeline/audit.py",
        "src/my_pipeline/queries/hours.sql",
        "tests/data/source",
    ),  # examples
    "pipelines/training.yaml",  # `make setup` writes it
}


@pytest.fixture(scope="module", params=VARIANTS)
def project(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    render_cookiecutter: FrontEnd,
) -> Path:
    return render_cookiecutter(tmp_path_factory.mktemp("documented"), **VARIANTS[request.param])


def pages(project: Path) -> dict[Path, str]:
    """Return the text of each page of documentation."""
    return {page: page.read_text(encoding="utf-8") for page in project.rglob("*.md")}


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere(project: Path) -> None:
    for page, text in pages(project).items():
        for file, anchor in LINK.findall(text):
            target = page.parent / file if file else page
            assert target.exists(), f"{page.name} links to {file}"
            assert not anchor or anchor in anchors(target), f"{page.name} links to #{anchor}"


def test_named_files_exist(project: Path) -> None:
    for page, text in pages(project).items():
        named = set(NAMED.findall(text)) - TO_BE_WRITTEN
        missing = sorted(file for file in named if not (project / file).exists())
        assert not missing, f"{page.name} names {missing}"


def test_named_targets_exist(project: Path) -> None:
    makefile = (project / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page, text in pages(project).items():
        named = {target for words in TARGET.findall(text) for target in words.split()}
        assert named <= targets, f"{page.name} names {sorted(named - targets)}"
