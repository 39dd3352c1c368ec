"""The API of a cluster is reached as the variables of a proxy say."""

import pytest

from {{{ cookiecutter.package_name }}}.runtime import proxies

from pipelines import server as kfp_server

from .servers import Server


@pytest.mark.parametrize("host", ["127.0.0.1", "kfp.example.invalid"])
def test_a_cluster_is_reached_as_the_variables_say(
    host: str, ours: Server, proxy: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.address.replace("//", "//ada:hunter2@"))
    monkeypatch.setenv("KFP_HOST", f"http://{host}:{ours.server_port}")
    monkeypatch.setattr(kfp_server.Server, "TRIES", 1)
    proxies.bypass()
    cluster = kfp_server.Server()
    with pytest.raises(kfp_server.DeployError) as refused:
        cluster.ask(cluster.health.healthz_service_get_healthz)
    assert "hunter2" not in str(refused.value)
    assert bool(ours.asked) == (host == "127.0.0.1")
    assert bool(proxy.asked) == (host != "127.0.0.1")
