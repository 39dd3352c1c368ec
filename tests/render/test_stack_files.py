"""Dockerfile, compose.yaml and shell scripts, checked by linters; no engine is needed."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.projects import ORCHESTRATORS
from tests.render.conftest import FrontEnd

TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def projects(render_cookiecutter: FrontEnd, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return a project of each orchestrator, with monitoring and without, of files and of SQL."""
    out = tmp_path_factory.mktemp("stacks")
    return [
        render_cookiecutter(out / f"{orchestrator}-{source}", **answers)
        for orchestrator in ORCHESTRATORS
        for watching, source in (("prometheus", "files"), ("none", "sql"))
        if (answers := {"orchestrator": orchestrator, "monitoring": watching, "source": source})
    ]


def check(tool: str, *words: str | Path) -> None:
    done = subprocess.run([TOOLS / tool, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def services(project: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from yaml.safe_load((project / "ops/compose.yaml").read_text())["services"].items()


def test_the_dockerfile_keeps_to_the_rules(projects: list[Path]) -> None:
    check("hadolint", *(project / "ops/Dockerfile" for project in projects))


def test_compose_reads_the_file(projects: list[Path]) -> None:
    files = [project / "ops/compose.yaml" for project in projects]
    check("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *files)


def test_the_shell_scripts_are_sound(projects: list[Path]) -> None:
    scripts = [script for project in projects for script in sorted(project.rglob("*.sh"))]
    assert scripts
    check("shellcheck", "--severity=warning", *scripts)


def test_services_reach_each_other_without_the_proxy_of_docker_s_client(
    projects: list[Path],
) -> None:
    for project in projects:
        files = [project / "ops/compose.yaml", *project.glob("ops/monitoring/**/*.y*ml")]
        text = "".join(file.read_text() for file in files)
        called = set(re.findall(r"https?://([a-z-]+):\d", text)) | {"127.0.0.1"}
        called &= {"127.0.0.1", *(name for name, _ in services(project))}
        for name, service in services(project):
            if service.get("network_mode") == "none" or name == "postgres":
                continue  # no HTTP
            listed = service["environment"]["NO_PROXY"]
            assert listed == service["environment"]["no_proxy"], name
            assert called <= {*listed.partition("}")[2].split(",")}, name


def test_each_service_is_confined(projects: list[Path]) -> None:
    for project in projects:
        for name, service in services(project):
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
            assert service["mem_limit"], name
            assert not {"privileged", "cap_add", "pid", "ipc"} & set(service), name
            for port in service.get("ports", []):
                assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z]+_PORT:-\d+\}:\d+", port), name


def test_what_serves_is_looked_after(projects: list[Path]) -> None:
    """Services that wait for another one wait until it is healthy."""
    for project in projects:
        found = dict(services(project))
        for name, service in found.items():
            if "ports" in service and name != "mailpit":
                assert service["healthcheck"]["test"], name
            for other, wait in service.get("depends_on", {}).items():
                once = found[other].get("restart") == "no"
                expected = "service_completed_successfully" if once else "service_healthy"
                assert wait["condition"] == expected, (name, other)
                assert once or "healthcheck" in found[other], (name, other)


def test_images_are_pinned(projects: list[Path]) -> None:
    ours = "${IMAGE:-my-pipeline}"
    for project in projects:
        others = {service["image"] for _, service in services(project)} - {ours}
        froms = re.findall(
            r"^FROM (\S+:\S+)", (project / "ops/Dockerfile").read_text(), re.MULTILINE
        )
        for image in [*others, *froms]:
            assert re.search(r":v?\d+", image), image


def test_secrets_have_no_default(projects: list[Path]) -> None:
    for project in projects:
        text = (project / "ops/compose.yaml").read_text()
        for name, default in re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|KEY)\w*)([^}]*)\}", text):
            assert default == ":?run make env", name


def test_postgres_has_a_database_for_each_password(projects: list[Path]) -> None:
    for project in projects:
        known = dict(services(project))["postgres"]["environment"]
        script = (project / "ops/databases.sh").read_text()
        passwords = set(re.findall(r"[A-Z]+_DB_PASSWORD", script))
        assert passwords | {"POSTGRES_PASSWORD"} == known.keys()
        assert ("READER_DB_PASSWORD" in passwords) == project.parent.name.endswith("-sql")


def test_what_runs_steps_reaches_the_source(projects: list[Path]) -> None:
    """As files, or in Postgres with a role that only reads."""
    for project in projects:
        for name, service in services(project):
            volumes = service.get("volumes", [])
            if "runs:/app/runs" not in volumes or name == "files":
                continue
            if project.parent.name.endswith("-files"):
                assert "../data/source:/app/data/source:ro" in volumes, name
            else:
                assert "//reader:${READER_DB" in service["environment"]["SOURCE_URL"], name
                assert {"source", "databases"} & {*service["networks"]}, name
