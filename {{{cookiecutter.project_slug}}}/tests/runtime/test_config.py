"""`params.yaml`: one sentence for what is wrong with it, and a default for what it leaves out."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput

from .conftest import PARAMS

GOOD: dict[str, Any] = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))


def refused(text: str | bytes, folder: Path) -> str:
    """Return the sentence with which a file is refused."""
    file = folder / "params.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadInput) as refusal:
        load_params(file)
    sentence = str(refusal.value)
    assert sentence.startswith(str(file))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence.removeprefix(f"{file}: ")


def test_parameters_are_frozen() -> None:
    params = load_params(PARAMS)
    with pytest.raises(ValueError, match="frozen"):
        params.seed = 1  # type: ignore[misc]


def test_every_setting_of_the_runtime_has_a_default(tmp_path: Path) -> None:
    """So that a newer runtime starts with the params.yaml of an older one."""
    teams = {name: GOOD[name] for name in ("features", "train", "evaluate")}
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump({"model_name": "mine", **teams}), encoding="utf-8")
    params = load_params(file)
    assert (params.source, params.runs, params.window) == ("data/source", "runs", 3)
    assert params.alerts.wanted


{% if cookiecutter.versioning == "dvc" %}
def test_a_day_needs_no_quotes(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(f"{yaml.safe_dump(GOOD)}experiment:\n  period: 2013-12-01\n")
    assert load_params(file).experiment.period == "2013-12-01"


{% endif %}
def test_unknown_key(tmp_path: Path) -> None:
    sentence = "no such parameter exists; remove it or correct its name."
    assert refused(yaml.safe_dump(GOOD | {"windw": 4}), tmp_path) == f"windw: {sentence}"
    train = GOOD["train"] | {"depht": 4}
    assert refused(yaml.safe_dump(GOOD | {"train": train}), tmp_path) == f"train.depht: {sentence}"


def test_missing_key(tmp_path: Path) -> None:
    content = {name: value for name, value in GOOD.items() if name != "train"}
    assert refused(yaml.safe_dump(content), tmp_path) == "train: it is missing; add it."


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"window": "3"}, "window: Input should be a valid integer, not '3'."),
        ({"window": 2.5}, "window: Input should be a valid integer, not 2.5."),
        ({"window": 1}, "window is 1: at least 2 is needed."),
        ({"seed": True}, "seed: Input should be a valid integer, not True."),
        ({"source": ""}, "source: String should have at least 1 character, not ''."),
        ({"alerts": {"quality_drop": 0}}, "alerts.quality_drop is 0: more than 0"),
    ],
    ids=str,
)
def test_wrong_value(tmp_path: Path, values: dict[str, Any], sentence: str) -> None:
    assert refused(yaml.safe_dump(GOOD | values), tmp_path).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: 1\nb: [1", ", line 2"), ("\t- x: y: z", ", line 1"), (b"\xff\xfe\x00", "")],
    ids=repr,
)
def test_not_yaml(tmp_path: Path, text: str | bytes, place: str) -> None:
    said = refused(text, tmp_path).removeprefix(str(tmp_path / "params.yaml"))
    assert f"{place}: this is not valid YAML: " in f": {said}"


@pytest.mark.parametrize("text", ["", "just words", "- a list"])
def test_not_a_mapping(tmp_path: Path, text: str) -> None:
    assert refused(text, tmp_path).startswith("the whole file: Input should be ")


def test_the_environment_names_another_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE", "tests/data/source")
    assert load_params(PARAMS).source == "tests/data/source"
