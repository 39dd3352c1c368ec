"""`make deploy`: what it refuses, and what it writes into .env."""

from pathlib import Path

import pytest

from {{{ cookiecutter.package_name }}}.errors import BadInput

from scripts import deploy, stack

DIGEST = f"registry.example.com:5000/team/name@sha256:{'1' * 64}"


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file .env, in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    stack.write_env("# ours\nMLFLOW_PORT=5001\n")
    return tmp_path / ".env"


@pytest.mark.parametrize("image", ["", "name", "name:latest", DIGEST[:-1], f"{DIGEST} ", "$(id)"])
def test_an_image_without_a_digest_is_refused(env: Path, image: str) -> None:
    before = env.read_bytes()
    with pytest.raises(BadInput, match="has no digest"):
        deploy.deploy(image)
    assert env.read_bytes() == before


def test_the_image_that_is_deployed_stands_in_env(env: Path) -> None:
    before = env.read_text()
    for image in (DIGEST, DIGEST.replace("1", "2")):
        deploy.write(image)
        assert env.read_text() == f"{before}IMAGE={image}\n"
        assert deploy.deployed() == image
    assert env.stat().st_mode & 0o777 == 0o600


def test_a_month_that_is_none_is_refused_before_anything_starts(env: Path) -> None:
    before = env.read_bytes()
    with pytest.raises(BadInput, match="'June' is not a month"):
        deploy.deploy(DIGEST, "June")
    with pytest.raises(BadInput, match="'June' is not a month"):
        deploy.retrain("June")
    assert env.read_bytes() == before
