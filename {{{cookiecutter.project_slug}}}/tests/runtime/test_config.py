"""`params.yaml`: what is wrong with it is said in one sentence."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.params import load_params

from .conftest import ROOT

GOOD = (ROOT / "params.yaml").read_text(encoding="utf-8")


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


def changed(**values: Any) -> str:
    content = yaml.safe_load(GOOD)
    content.update(values)
    return yaml.safe_dump(content)


def test_the_project_s_own_are_good() -> None:
    assert load_params(ROOT / "params.yaml").window >= 2


def test_they_cannot_be_changed_by_accident() -> None:
    params = load_params(ROOT / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        params.seed = 1  # type: ignore[misc]


def test_unknown_key(tmp_path: Path) -> None:
    sentence = "no such parameter exists; remove it or correct its name."
    assert refused(changed(windw=4), tmp_path) == f"windw: {sentence}"
    train = yaml.safe_load(GOOD)["train"] | {"depth": 4}
    assert refused(changed(train=train), tmp_path) == f"train.depth: {sentence}"


def test_missing_key(tmp_path: Path) -> None:
    content = yaml.safe_load(GOOD)
    del content["seed"]
    assert refused(yaml.safe_dump(content), tmp_path) == "seed: it is missing; add it."


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"window": "3"}, "window: Input should be a valid integer, not '3'."),
        ({"window": 2.5}, "window: Input should be a valid integer, not 2.5."),
        ({"window": 1}, "window: Input should be greater than or equal to 2, not 1."),
        ({"seed": True}, "seed: Input should be a valid integer, not True."),
        ({"source": ""}, "source: String should have at least 1 character, not ''."),
        ({"late_minutes": None}, "late_minutes: Input should be a valid integer, not None."),
        ({"evaluate": {"min_auc": 60, "min_gain": 0}}, "evaluate.min_auc: Input should be less"),
    ],
    ids=str,
)
def test_wrong_value(tmp_path: Path, values: dict[str, Any], sentence: str) -> None:
    assert refused(changed(**values), tmp_path).startswith(sentence)


@pytest.mark.parametrize("text", ["a: [1", "\t- x: y: z", b"\xff\xfe\x00"], ids=repr)
def test_not_yaml(tmp_path: Path, text: str | bytes) -> None:
    assert "params.yaml is not valid YAML: " in refused(text, tmp_path)


@pytest.mark.parametrize("text", ["", "just words", "- a list"])
def test_not_a_mapping(tmp_path: Path, text: str) -> None:
    assert refused(text, tmp_path).startswith("the whole file: Input should be ")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"params\.yaml is not here: run this from the project's"):
        load_params(tmp_path / "params.yaml")
