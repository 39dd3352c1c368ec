"""Invalid answers: both front ends print the same sentence and write no file."""

import shutil
from pathlib import Path

import copier
import pytest
from cookiecutter.exceptions import FailedHookException, OutputDirExistsException

from tests.render.conftest import FrontEnd
from tests.shell import Shell

SLUG = (
    "project_slug is not usable as a name: take lower-case letters, digits and dashes,"
    " a letter first, no dash last, at most 40."
)
PACKAGE = (
    "package_name is not usable as a name: take lower-case letters, digits and underscores,"
    " a letter first, at most 40."
)
EDGE = "begins or ends with a blank: leave it out."
UNSEEN = "has line breaks or other characters that cannot be seen: leave them out."
EMAIL = "author_email is not an address: give one such as ada@example.com."
KEYWORD = "is a keyword of Python or a folder of the project: choose another one."
STDLIB = "would hide a module of Python's standard library: choose another one."
LIBRARY = "would hide a library that the project may install: choose another one."
INSTALLED = "is the name of a library that the project may install: choose another one."
WINDOWS = "cannot be the name of a folder on Windows: choose another one."

MONITORING = (
    "monitoring watches the stack, and stack is none: answer none to monitoring, too, or compose to"
    " stack."
)
NO_DVC = (
    "versioning is none, and the tracker dvclive is a part of DVC: answer dvc to versioning, too,"
    " or choose another tracker."
)
NO_SERVICE = (
    "monitoring is none, and then a stack of Kubeflow with dvclive has no service: answer none to"
    " stack, too, or prometheus to monitoring."
)

SLUGS = [
    "", " ", "a/b", "a\\b", "/absolute", "..", "../up", ".hidden", "-dash", "dash-", "Upper",
    "under_score", "2013-flights", "a b", "a.b", "é", "a\n", "C:", "a" * 41,
]  # fmt: skip
PACKAGES = ["", " ", "a-b", "a.b", "a/b", "..", "_a", "1a", "Upper", "é", "a\n", "a" * 41]
EMAILS = [
    "", "ada", "@", "ada@", "@b", "a@b@c", "a b@c", '"a"@b', "a@b\n", "<a@b>", "zoë@b", "\u212a@b",
    ".a@b", "a.@b", "a..b@c", "a@b.", "a@b..c", "=?utf-8?q?a?=@b",
]  # fmt: skip

REFUSED: list[tuple[dict[str, str], str]] = [
    *(({"project_slug": slug}, SLUG) for slug in SLUGS),
    *(({"package_name": name}, PACKAGE) for name in PACKAGES),
    ({"project_name": ""}, "project_name is empty: give the project a name."),
    ({"project_name": " \u3000"}, "project_name is empty: give the project a name."),
    ({"project_name": "..", "package_name": "a"}, SLUG),  # nothing to derive a slug from
    ({"project_name": "Test"}, f'package_name "test" {STDLIB}'),  # derived, and refused
    ({"description": "\u00a0"}, "description is empty: say in one sentence what the project does."),
    ({"author_name": " "}, "author_name is empty: name a person or a team."),
    ({"author_name": "\u200d\u3164 \ufe0f"}, "author_name is empty: name a person or a team."),
    *(
        ({name: text}, f"{name} {EDGE}")
        for name in ("project_name", "description", "author_name")
        for text in (" a", "a ", "    a", "a\u3000", "\u00a0a")
    ),
    *(
        ({name: text}, f"{name} {UNSEEN}")
        for name in ("project_name", "description", "author_name")
        for text in ("a\nb", "a\tb", "a\x1bb", "a\x7fb", "a\u2028b", "a\u202eb", "a\udcffb", "a\r")
    ),
    *(({"author_email": text}, EMAIL) for text in EMAILS),
    ({"stack": "none"}, MONITORING),
    ({"tracker": "dvclive", "versioning": "none"}, NO_DVC),
    ({"tracker": "dvclive", "orchestrator": "kubeflow", "monitoring": "none"}, NO_SERVICE),
    *(({"project_slug": name}, f'project_slug "{name}" {WINDOWS}') for name in ("con", "lpt1")),
    *(
        ({"project_slug": name, "package_name": "a"}, f'project_slug "{name}" {INSTALLED}')
        for name in ("prefect", "numpy", "scikit-learn", "scikit--learn", "pyyaml")
    ),
    *(({"package_name": name}, f'package_name "{name}" {WINDOWS}') for name in ("nul", "com9")),
    *(
        ({"package_name": name}, f'package_name "{name}" {KEYWORD}')
        for name in ("class", "match", "src", "tests", "flows", "dags")
    ),
    *(
        ({"package_name": name}, f'package_name "{name}" {STDLIB}')
        for name in ("test", "json", "types", "tomllib", "imp")
    ),
    *(
        ({"package_name": name}, f'package_name "{name}" {LIBRARY}')
        for name in ("prefect", "mlflow", "sklearn", "polars", "yaml", "google", "attr", "pytest")
    ),
]


@pytest.fixture(scope="module")
def plain_template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the template without its history, so that Copier does not clone it each time."""
    folder = tmp_path_factory.mktemp("plain") / "template"
    return shutil.copytree(template, folder, ignore=shutil.ignore_patterns(".git"))


@pytest.mark.parametrize(
    ("answers", "sentence"), REFUSED, ids=[ascii(answers)[1:-1] for answers, _ in REFUSED]
)
def test_both_front_ends_refuse(
    tmp_path: Path,
    render_cookiecutter: FrontEnd,
    plain_template: Path,
    answers: dict[str, str],
    sentence: str,
) -> None:
    out = tmp_path / "new" / "out"
    with pytest.raises(FailedHookException) as refused:
        render_cookiecutter(out, **answers)
    assert str(refused.value) == sentence
    with pytest.raises(ValueError, match=r"^Validation error for question") as invalid:
        copier.run_copy(str(plain_template), out, data=answers, defaults=True, quiet=True)
    assert str(invalid.value).partition("': ")[2] == sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "answers",
    [
        {"description": "d" * 1000},
        {"project_slug": "a" * 40, "package_name": "b" * 40},
        {"project_name": "Vols à\u00a0l'heure — 航班\u3000表", "project_slug": "vols"},
        {"project_name": "2013: flights!", "project_slug": "x--1", "package_name": "flights_2013"},
        {"author_email": "o'neil+x@ex-ample.co.uk"},
    ],
)
def test_both_front_ends_accept(
    tmp_path: Path, render_cookiecutter: FrontEnd, render_copier: FrontEnd, answers: dict[str, str]
) -> None:
    assert (render_cookiecutter(tmp_path / "a", **answers) / "pyproject.toml").exists()
    assert (render_copier(tmp_path / "b", **answers) / "pyproject.toml").exists()


def test_derived_names(tmp_path: Path, render_cookiecutter: FrontEnd) -> None:
    project = render_cookiecutter(tmp_path, project_name="_Late_Flights_ (NYC),  v2!")
    assert project.name == "late-flights-nyc-v2"
    assert (project / "src/late_flights_nyc_v2").is_dir()


@pytest.mark.parametrize("question", ["license", "orchestrator", "tracker", "python_version"])
def test_an_unknown_choice(tmp_path: Path, shell: Shell, question: str) -> None:
    """Each front end has its own message, which names the question and its choices."""
    for done in (
        shell.cookiecutter(tmp_path / "out", **{question: "nothing"}),
        shell.copier(tmp_path / "out", **{question: "nothing"}),
    ):
        assert done.returncode == 1
        last = (done.stdout + done.stderr).strip().splitlines()[-1]
        assert question in last
        assert "nothing" in last
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists(
    tmp_path: Path, render_cookiecutter: FrontEnd, render_copier: FrontEnd
) -> None:
    project = render_cookiecutter(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputDirExistsException, match=r"my-pipeline. directory already exists"):
        render_cookiecutter(tmp_path)
    with pytest.raises(ValueError, match=r"my-pipeline. exists and is not empty: name a new one"):
        render_copier(project)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("inside", ["note.txt", "notes/note.txt"])
def test_copier_refuses_any_folder_with_files(
    tmp_path: Path, render_copier: FrontEnd, inside: str
) -> None:
    (tmp_path / "out" / inside).parent.mkdir(parents=True)
    (tmp_path / "out" / inside).touch()
    with pytest.raises(ValueError, match="exists and is not empty"):
        render_copier(tmp_path / "out")
    assert not (tmp_path / "out/pyproject.toml").exists()


def test_copier_accepts_a_fresh_git_repository(
    tmp_path: Path, render_copier: FrontEnd, shell: Shell
) -> None:
    shell("git", "init", "-q", cwd=tmp_path)
    assert (render_copier(tmp_path) / "pyproject.toml").exists()
