"""The manifests of ops/kubernetes, as kubectl renders them; no cluster is needed."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.projects import Project, need

NAME = "my-pipeline"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kubeflow manifests")]


@pytest.fixture(scope="module")
def source(kubeflow: Project) -> Path:
    """Return the folder of the manifests in a project."""
    need("kubectl", "it builds the manifests")
    return kubeflow.folder / "ops/kubernetes"


def rendered(overlay: Path) -> list[dict[str, Any]]:
    command = ["kubectl", "kustomize", str(overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(
    scope="module", params=["staging", "production", "staging with s3", "production with s3"]
)
def manifests(
    request: pytest.FixtureRequest, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    overlay, _, s3 = request.param.partition(" with ")
    folder = tmp_path_factory.mktemp("deploy") / "kubernetes"
    shutil.copytree(source, folder)
    if s3:
        file = folder / "overlays" / overlay / "kustomization.yaml"
        file.write_text(file.read_text().replace("# components:", "components:"))
        assert "\ncomponents:" in file.read_text()
    return rendered(folder / "overlays" / overlay)


def of_kind(manifests: list[dict[str, Any]], *kinds: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] in kinds}


def pods(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    found = of_kind(manifests, "Deployment", "StatefulSet", "Job")
    (check,) = of_kind(manifests, "CronJob").values()
    found[check["metadata"]["name"]] = check["spec"]["jobTemplate"]
    names = ("mlflow", "postgres", "volume", "deadlines")
    assert set(found) == {f"{NAME}-{name}" for name in names}
    return {name: each["spec"]["template"] for name, each in found.items()}


def containers(manifests: list[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
    for template in pods(manifests).values():
        pod = template["spec"]
        for container in pod["containers"] + pod.get("initContainers", []):
            yield pod, container


def mlflow(manifests: list[dict[str, Any]]) -> tuple[Any, dict[str, str | None]]:
    (container,) = pods(manifests)[f"{NAME}-mlflow"]["spec"]["containers"]
    return container, {each["name"]: each.get("value") for each in container["env"]}


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_kubernetes_knows_every_field(manifests: list[dict[str, Any]], version: str) -> None:
    for each in manifests:
        kubernetes_validate.validate(each, version, strict=True)


def test_all_is_in_one_namespace_which_is_not_made_here(manifests: list[dict[str, Any]]) -> None:
    (namespace,) = {each["metadata"].get("namespace") for each in manifests}
    assert namespace
    assert not of_kind(manifests, "Namespace")  # deleting it would delete Kubeflow's own, too
    (binding,) = of_kind(manifests, "RoleBinding").values()
    assert [each["namespace"] for each in binding["subjects"]] == [namespace]


def test_everything_is_labelled(manifests: list[dict[str, Any]]) -> None:
    for each in [*manifests, *pods(manifests).values()]:
        assert each["metadata"]["labels"]["app.kubernetes.io/name"] == NAME
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == NAME


def test_what_the_pipeline_uses_is_there(
    manifests: list[dict[str, Any]], kubeflow: Project, source: Path
) -> None:
    compiled = (kubeflow.folder / "pipelines/training.yaml").read_text(encoding="utf-8")
    _, platform = yaml.safe_load_all(compiled)
    tasks = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()
    assert len(tasks) > 10
    claims = of_kind(manifests, "PersistentVolumeClaim")
    config = of_kind(manifests, "ConfigMap")
    for task in tasks:
        assert {mount["constant"] for mount in task["pvcMount"]} <= set(claims)
        maps = task["configMapAsEnv"]
        keys = {each["configMapKey"] for part in maps for each in part["keyToEnv"]}
        assert {part["configMapName"] for part in maps} == {NAME}
        assert keys == set(config[NAME]["data"])
        needed = [part["keyToEnv"] for part in maps if not part.get("optional")]
        assert [key["configMapKey"] for (key,) in needed] == ["MLFLOW_TRACKING_URI"]
        user = pods(manifests)[f"{NAME}-volume"]["spec"]["securityContext"]["runAsUser"]
        assert task["securityContext"]["runAsUser"] == str(user)
        for secret in task["secretAsEnv"]:
            asked = {each["secretKey"] for each in secret["keyToEnv"]}
            example = f"{secret['secretName'].removeprefix(f'{NAME}-')}.env.example"
            text = (source / example).read_text()
            assert set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE)) == asked
    (binding,) = of_kind(manifests, "RoleBinding").values()
    assert set(of_kind(manifests, "ServiceAccount")) == {NAME}
    assert [each["name"] for each in binding["subjects"]] == [NAME]
    assert binding["roleRef"]["name"] in of_kind(manifests, "Role")


def test_the_volume_s_folders_are_made_by_the_tasks_user(manifests: list[dict[str, Any]]) -> None:
    pod = pods(manifests)[f"{NAME}-volume"]["spec"]
    user = pod["securityContext"]
    assert user["runAsUser"] == user["runAsGroup"] == user["fsGroup"] == 10001
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == NAME
    (container,) = pod["containers"]
    (mount,) = container["volumeMounts"]
    assert mount["mountPath"] == "/volume"
    assert container["command"] == ["mkdir", "-p", "/volume/data", "/volume/runs"]


def test_mlflow_answers_at_the_address_that_tasks_use(manifests: list[dict[str, Any]]) -> None:
    address = of_kind(manifests, "ConfigMap")[NAME]["data"]["MLFLOW_TRACKING_URI"]
    host = address.removeprefix("http://")
    service, _, port = host.partition(":")
    container, env = mlflow(manifests)
    assert str(of_kind(manifests, "Service")[service]["spec"]["ports"][0]["port"]) == port
    assert port in container["command"]
    hosts = (env["MLFLOW_SERVER_ALLOWED_HOSTS"] or "").split(",")
    assert hosts == [host, "localhost:*", "127.0.0.1:*"]


def test_mlflow_keeps_artifacts_where_it_can_write(
    manifests: list[dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    container, env = mlflow(manifests)
    kept = env["MLFLOW_ARTIFACTS_DESTINATION"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    s3 = str(kept).startswith("s3://")
    assert s3 or "s3" not in request.node.callspec.params["manifests"]
    if s3:
        assert container["envFrom"] == [{"secretRef": {"name": f"{NAME}-s3"}}]
        assert mounts == ["/tmp"]  # noqa: S108
    else:
        assert kept in mounts
        assert "envFrom" not in container


def test_references_lead_somewhere(manifests: list[dict[str, Any]]) -> None:
    used = set()
    for pod, container in containers(manifests):
        volumes = {each["name"]: each for each in pod["volumes"]}
        if container["name"] == "postgres":
            volumes["data"] = {}  # of the claim's template
        assert {mount["name"] for mount in container["volumeMounts"]} <= set(volumes)
        claims = [each.get("persistentVolumeClaim") for each in volumes.values()]
        used |= {claim["claimName"] for claim in claims if claim}
    assert used == set(of_kind(manifests, "PersistentVolumeClaim"))


def test_selectors_find_one_kind_of_pod(manifests: list[dict[str, Any]]) -> None:
    labels = {name: each["metadata"]["labels"] for name, each in pods(manifests).items()}
    services = of_kind(manifests, "Service")
    selectors = {name: each["spec"]["selector"] for name, each in services.items()}
    for name, each in of_kind(manifests, "Deployment", "StatefulSet").items():
        assert selectors[name] == each["spec"]["selector"]["matchLabels"]
    for name, each in of_kind(manifests, "NetworkPolicy").items():
        assert selectors[name] == each["spec"]["podSelector"]["matchLabels"]
    for name, selector in selectors.items():
        assert [pod for pod, has in labels.items() if selector.items() <= has.items()] == [name]


def test_only_this_namespace_reaches_mlflow_and_only_mlflow_reaches_postgres(
    manifests: list[dict[str, Any]],
) -> None:
    policies = {each: spec["spec"] for each, spec in of_kind(manifests, "NetworkPolicy").items()}
    (to_mlflow,) = policies[f"{NAME}-mlflow"]["ingress"]
    assert to_mlflow["from"] == [{"podSelector": {}}]
    assert policies[f"{NAME}-mlflow"]["policyTypes"] == ["Ingress"]
    (to_postgres,) = policies[f"{NAME}-postgres"]["ingress"]
    server = of_kind(manifests, "Service")[f"{NAME}-mlflow"]["spec"]["selector"]
    assert to_postgres["from"] == [{"podSelector": {"matchLabels": server}}]
    assert policies[f"{NAME}-postgres"]["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policies[f"{NAME}-postgres"]
    assert {each["spec"].get("type") for each in of_kind(manifests, "Service").values()} == {None}
    assert not of_kind(manifests, "Ingress")


def test_no_container_has_rights_that_it_does_not_need(manifests: list[dict[str, Any]]) -> None:
    for pod, container in containers(manifests):
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert all("hostPath" not in volume for volume in pod["volumes"])
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["runAsGroup"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_every_container_has_its_share(manifests: list[dict[str, Any]]) -> None:
    for _, container in containers(manifests):
        for kind in ("requests", "limits"):
            assert set(container["resources"][kind]) == {"cpu", "memory"}


def test_the_check_of_deadlines_reads_the_runs_and_may_send_alerts(
    manifests: list[dict[str, Any]],
) -> None:
    (check,) = of_kind(manifests, "CronJob").values()
    assert re.fullmatch(r"\d+ \* \* \* \*", check["spec"]["schedule"])
    assert check["spec"]["concurrencyPolicy"] == "Forbid"
    job = check["spec"]["jobTemplate"]["spec"]
    assert job["backoffLimit"] == 0
    assert job["activeDeadlineSeconds"] < 3600
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts["/app/runs"]["subPath"] == "runs"
    env = {each["name"]: each.get("valueFrom") for each in container["env"]}
    secret = {"name": f"{NAME}-alerts", "key": "ALERT_URLS", "optional": True}
    assert env["ALERT_URLS"] == {"secretKeyRef": secret}
    tracker = {"name": NAME, "key": "MLFLOW_TRACKING_URI"}
    assert env["MLFLOW_TRACKING_URI"] == {"configMapKeyRef": tracker}


def test_its_command_is_one_of_the_package(kubeflow: Project, source: Path, tmp_path: Path) -> None:
    """Where nothing has run, and no deadline is set, nothing is wrong."""
    shutil.copy(kubeflow.folder / "params.yaml", tmp_path)
    manifests = rendered(source / "overlays/staging")
    container = next(each for _, each in containers(manifests) if each["name"] == "deadlines")
    python, *words = container["command"]
    assert python == "python"
    done = kubeflow.shell(kubeflow.folder / ".venv/bin/python", *words, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "params.yaml"]
    assert "deadlines: none is set" in done.stderr


def test_every_server_is_probed(manifests: list[dict[str, Any]]) -> None:
    for server in of_kind(manifests, "Deployment", "StatefulSet").values():
        for container in server["spec"]["template"]["spec"]["containers"]:
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


def test_every_image_says_its_version(manifests: list[dict[str, Any]]) -> None:
    for _, container in containers(manifests):
        version = r"(:(?!latest)[\w.-]+|@sha256:[0-9a-f]{64})"
        assert re.fullmatch(rf"[\w.-]+{version}", container["image"].rpartition("/")[2])


def test_all_but_postgres_have_one_image(manifests: list[dict[str, Any]]) -> None:
    others = [each for _, each in containers(manifests) if each["name"] != "postgres"]
    assert [each["name"] for each in others] == ["mlflow", "migrate", "volume", "deadlines"]
    assert len({each["image"] for each in others}) == 1


def test_runs_may_do_what_kfp_asks_for_and_no_more(manifests: list[dict[str, Any]]) -> None:
    assert not of_kind(manifests, "ClusterRole", "ClusterRoleBinding")
    (role,) = of_kind(manifests, "Role").values()
    for rule in role["rules"]:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
        if {"secrets", "configmaps"} & set(rule["resources"]):
            assert rule["verbs"] == ["get"]
            assert rule["resourceNames"]
    allowed = {
        (resource, verb, *rule.get("resourceNames", []))
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert allowed == {
        ("workflowtaskresults", "create"),
        ("workflowtaskresults", "patch"),
        ("configmaps", "get", "kfp-launcher"),
        ("secrets", "get", "mlpipeline-minio-artifact"),
    }


def test_no_secret_is_in_the_manifests(manifests: list[dict[str, Any]]) -> None:
    assert not of_kind(manifests, "Secret")
    for _, container in containers(manifests):
        for each in container.get("env", []):
            assert not re.search(r"://[^/@]*:[^/@]*@", each.get("value", ""))  # user:password@
            if re.search("PASSWORD|SECRET|TOKEN|KEY", each["name"]):
                assert set(each) == {"name", "valueFrom"}
                assert set(each["valueFrom"]) == {"secretKeyRef"}


def test_the_readme_says_how_to_make_each_secret(
    manifests: list[dict[str, Any]], source: Path
) -> None:
    readme = (source / "README.md").read_text()
    for _, container in containers(manifests):
        for each in container.get("env", []):
            if secret := each.get("valueFrom", {}).get("secretKeyRef"):
                assert f"create secret generic {secret['name']} " in readme
                assert f"{secret['key']}=" in readme
        for each in container.get("envFrom", []):
            assert f"create secret generic {each['secretRef']['name']} " in readme


def test_templates_of_secrets_are_empty_and_filled_ones_stay_out_of_git(
    source: Path, tmp_path: Path
) -> None:
    shutil.copy(source / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    templates = {template.name: template for template in source.glob("*.env.example")}
    assert set(templates) == {"alerts.env.example", "s3.env.example"}
    for template in templates.values():
        lines = [line for line in template.read_text().splitlines() if not line.startswith("#")]
        assert lines
        assert all(re.fullmatch(r"[A-Z_]+=", line) for line in lines)
        for name, ignored in ((template.stem, True), (template.name, False)):
            asked = ["git", "-C", str(tmp_path), "check-ignore", "--quiet", name]
            assert (subprocess.run(asked, check=False).returncode == 0) == ignored


def test_production_is_larger(source: Path) -> None:
    def sizes(overlay: str) -> list[int]:
        manifests = rendered(source / "overlays" / overlay)
        claims = [*of_kind(manifests, "PersistentVolumeClaim").values()]
        for each in of_kind(manifests, "StatefulSet").values():
            claims += each["spec"]["volumeClaimTemplates"]
        found = [each["spec"]["resources"]["requests"]["storage"] for each in claims]
        assert found
        return [int(size.removesuffix("Gi")) for size in found]

    pairs = zip(sizes("staging"), sizes("production"), strict=True)
    assert all(staging < production for staging, production in pairs)
