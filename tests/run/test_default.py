"""The default project does what its README says, in the order in which a newcomer meets it."""

import pytest

from tests.machines import HTTP_PROXY, PROFILE, company, doctor, record_machine
from tests.projects import Project, at_home
from tests.shell import Shell

# One project, one worker, in order: later tests look at the runs of earlier ones.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("run default")]


@pytest.fixture(scope="module")
def project(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give one project, in a home of its own, to the tests of this file."""
    return at_home(project, tmp_path_factory)


def test_the_first_period_releases_a_model_behind_a_proxy(project: Project) -> None:
    """Which answers 503 about this machine; and the user has a profile that names a server."""
    profiles = project.shell.home / ".prefect/profiles.toml"
    profiles.parent.mkdir()
    with company("503") as proxy:
        named = f'PREFECT_API_URL = "{proxy.address}/api"'
        profiles.write_text(f'active = "company"\n\n[profiles.company]\n{named}\n')
        said = project.make("run", "PERIOD=2013-05", HTTP_PROXY=proxy.address)
        found = doctor(project, HTTP_PROXY=proxy.address.replace("//", "//ada:hunter2@"))
        assert proxy.asked == []
    assert "Warning" not in said
    assert "hunter2" not in str(found)
    record_machine(HTTP_PROXY, "works", found["proxy"])
    record_machine(PROFILE, "works", found["orchestrator"])
    result = project.results()["2013-05"]
    assert result["status"] == "released"
    assert result["champion_before"] is None
    assert result["champion_after"]["period"] == "2013-05"
    assert result["metrics"]["auc"] > 0.65
    page = (project.folder / "runs" / result["run_id"] / "report.html").read_text()
    assert page.count("<svg") == 6


def test_the_second_period_is_compared_with_the_first_champion(project: Project) -> None:
    project.make("run", "PERIOD=2013-06")
    first, second = (project.results()[period] for period in ("2013-05", "2013-06"))
    assert second["champion_before"] == first["champion_after"]
    assert f"of version {first['champion_after']['version']}" in second["reason"]
    assert second["rows"]["trained"] + second["rows"]["scored"] < second["rows"]["ingested"]


def test_status_shows_champion_and_runs(project: Project) -> None:
    said = project.make("status")
    for result in project.results().values():
        assert result["run_id"] in said
        assert result["data_version"][:8] in said
    assert f"evaluated on {project.results()['2013-06']['champion_after']['period']}" in said


def test_a_finished_run_is_not_repeated(project: Project) -> None:
    before = project.results()
    said = project.make("run", "PERIOD=2013-06")
    assert before["2013-06"]["reason"] in said
    assert project.results() == before


def test_bad_data_are_quarantined(project: Project) -> None:
    """A required column is missing: exit code 3, the champion stays."""
    champion = project.champion()
    file = project.folder / "data/source/flights/month=2013-07/flights.parquet"
    good = file.read_bytes()
    project.damage("2013-07")
    said = project.make("run", "PERIOD=2013-07", ok=False)
    file.write_bytes(good)
    assert "flights.dest: the column is missing" in said
    assert "Error 3" in said
    result = project.results()["2013-07"]
    assert result["status"] == "quarantined"
    assert result["champion_after"]["version"] == champion == project.champion()


def test_predict_scores_a_period(project: Project) -> None:
    project.make("predict", "PERIOD=2013-07")
    reading = (
        "import polars as pl; t = pl.read_parquet('predictions/2013-07.parquet');"
        "assert t.height == 29425 and t['probability'].is_between(0, 1).all();"
        "print(t['version'].unique().item())"
    )
    assert project.run_code(reading).strip() == project.champion()


def test_rollback_goes_back_to_the_version_before(project: Project) -> None:
    project.make("rollback")
    assert project.champion() == project.results()["2013-05"]["champion_after"]["version"]


def test_a_misspelt_variable_is_refused(project: Project) -> None:
    said = project.make("run", "period=2013-05", ok=False)
    assert "period: no target has such a variable. Write it as `make help` does" in said
    said = project.make("run", "PERIODS=2013-05", ok=False)
    assert "PERIODS: no target has such a variable." in said


def test_an_experiment_needs_an_identity_in_git(project: Project) -> None:
    nobody = ["-u", "GIT_COMMITTER_NAME", "-u", "GIT_COMMITTER_EMAIL"]
    done = project.shell(
        "env", *nobody, "make", "repro", "PERIOD=2013-05", cwd=project.folder, ok=False
    )
    assert "repro needs an identity in git: git config --global user.name" in done.stderr


def test_it_takes_an_update_without_a_change(project: Project, shell: Shell) -> None:
    assert not shell("git", "status", "--porcelain", cwd=project.folder).stdout
    shell("copier", "update", "--defaults", cwd=project.folder)
    assert not shell("git", "status", "--porcelain", cwd=project.folder).stdout
