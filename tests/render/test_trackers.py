"""What a project of each tracker has: its files and services, and nothing of another tracker."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.offered import TRACKERS
from tests.projects import ORCHESTRATORS, need
from tests.render.conftest import FrontEnd
from tests.render.test_orchestrators import contents

SERVICES = {tracker.pages for tracker in TRACKERS.values()}


@pytest.fixture(
    scope="module", params=[(t, o) for t in TRACKERS for o in ORCHESTRATORS], ids="-".join
)
def rendered(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    render_cookiecutter: FrontEnd,
) -> tuple[str, str, Path]:
    """Render a project of each tracker and orchestrator."""
    tracker, orchestrator = request.param
    out = tmp_path_factory.mktemp(tracker)
    return (
        tracker,
        orchestrator,
        render_cookiecutter(out, tracker=tracker, orchestrator=orchestrator),
    )


def test_no_other_tracker_is_mentioned(rendered: tuple[str, str, Path]) -> None:
    tracker, _, folder = rendered
    used = (tracker, TRACKERS[tracker].registry)
    others = "|".join(other.words for name, other in TRACKERS.items() if name not in used)
    mentions = {
        name: found
        for name, content in contents(folder).items()
        if name != ".copier-answers.yml" and not name.endswith(".png")
        if (found := re.findall(rf"(?im)^.*(?:{others}).*$", content.decode()))
    }
    assert mentions == {}


def test_the_readme_names_it(rendered: tuple[str, str, Path]) -> None:
    tracker, _, folder = rendered
    assert TRACKERS[tracker].name in (folder / "README.md").read_text(encoding="utf-8")


def test_the_stack_has_its_pages(rendered: tuple[str, str, Path]) -> None:
    tracker, orchestrator, folder = rendered
    stack: dict[str, Any] = yaml.safe_load((folder / "ops/compose.yaml").read_text())
    services = stack["services"]
    assert set(services) & SERVICES == {TRACKERS[tracker].pages} - {None}
    needed = TRACKERS[tracker].registry == "mlflow" or orchestrator != "kubeflow"
    assert ("postgres" in services) == needed
    assert ("postgres" in services) == (folder / "ops/databases.sh").exists()
    built = [name for name, service in services.items() if "build" in service]
    assert len(built) == 1, "each service with `build` makes an image of its own"
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert {name for name in volumes if name.isidentifier()} <= set(stack["volumes"])


def test_only_what_uses_models_gets_the_token_of_their_repository(
    rendered: tuple[str, str, Path],
) -> None:
    tracker, _, folder = rendered
    services = yaml.safe_load((folder / "ops/compose.yaml").read_text())["services"]
    given = {name for name in services if "REGISTRY_REPO" in services[name].get("environment", {})}
    steps = {"pipeline", "prefect-worker", "scheduler"} & set(services)
    assert given == (steps | {"monitor"} if tracker == "dvclive" else set())


def test_a_backup_has_the_repository_of_models_or_fails(
    rendered: tuple[str, str, Path], tmp_path: Path
) -> None:
    tracker, _, folder = rendered
    if tracker != "dvclive":
        return
    code = (folder / "ops/backup.py").read_text()
    (script,) = re.findall(r'^ARCHIVE = r"""(.+?)"""', code, re.DOTALL | re.MULTILINE)
    registry = tmp_path / "models/registry.git"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)

    archive = ("sh", "-c", script, "tar", "--file=models.tar", "models")
    registry.mkdir(parents=True)
    assert run(*archive).returncode == 128, "git's, for what is no repository"
    run("git", "init", "--quiet", "--bare", str(registry))
    assert run(*archive).returncode == 0
    assert not (tmp_path / "models/copy.git").exists()
    run("tar", "--extract", "--file=models.tar", "--one-top-level=restored")
    copy = ("git", "--git-dir", "restored/models/registry.git", "config", "uploadpack.allowFilter")
    assert run(*copy).stdout == "true\n"


def test_the_cluster_has_its_pages(rendered: tuple[str, str, Path]) -> None:
    need("kubectl", "it builds the manifests")
    tracker, orchestrator, folder = rendered
    if orchestrator != "kubeflow":
        return
    for overlay in ("staging", "production"):
        command = ["kubectl", "kustomize", str(folder / "ops/kubernetes/overlays" / overlay)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = list(yaml.safe_load_all(done.stdout))
        deployed = {each["metadata"]["name"] for each in found if each["kind"] == "Deployment"}
        assert deployed == {f"my-pipeline-{name}" for name in {TRACKERS[tracker].pages} - {None}}
        variables = next(each["data"] for each in found if each["kind"] == "ConfigMap")
        pods = [each for each in found if each["kind"] in ("Deployment", "CronJob")]
        asked = set(re.findall(r"'key': '([A-Z_]+)', 'name': 'my-pipeline'}", str(pods)))
        assert asked <= set(variables)
        assert asked or tracker != "trackio"


def test_containers_are_given_all_that_says_where_runs_go(
    tmp_path: Path, render_cookiecutter: FrontEnd
) -> None:
    """The variables that the client lists, which `pipelines/` and `ops/local.py` pass on."""
    folder = render_cookiecutter(tmp_path, tracker="wandb", orchestrator="kubeflow")
    client = (folder / "src/my_pipeline/runtime/registry/wandb_client.py").read_text()
    listed = re.search(r"^SERVER = \((.+)\)$", client, re.MULTILINE)
    assert listed is not None
    names = set(re.findall(r'"(WANDB_\w+)"', listed[1].replace("MODE", '"WANDB_MODE"')))
    stack = yaml.safe_load((folder / "ops/compose.yaml").read_text())
    given = {name for name in stack["x-alerting"] if name.startswith("WANDB_")}
    assert given == names | {"WANDB_DIR"}
    secret = (folder / "ops/kubernetes/wandb.env.example").read_text()
    assert set(re.findall(r"^#?(WANDB_\w+)=", secret, re.MULTILINE)) == names
    for file in ("pipelines/training.py", "ops/local.py"):
        assert "wandb_client.SERVER" in (folder / file).read_text()
    offered = (folder / "README.md").read_text() + (folder / ".env.example").read_text()
    assert names <= set(re.findall(r"WANDB_\w+", offered)) <= names | {"WANDB_DIR"}
