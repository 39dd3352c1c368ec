"""MLflow: the models that it serves, and the pages of its runs."""

import mlflow
import pytest

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.files import read_json, read_parquet
from {{{ cookiecutter.package_name }}}.runtime.registry import tracker
from {{{ cookiecutter.package_name }}}.runtime.results import Training
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir

from .conftest import P, Project


def test_a_model_can_be_served(released: Project) -> None:
    run = released.plan(P[4])
    training = read_json(RunDir(run).training, Training)
    model = mlflow.models.get_model_info(training.model_uri)
    assert model.signature is not None
    rows = read_parquet(RunDir(run).features(P[4]))
    assert set(model.signature.inputs.input_names()) <= set(rows.columns) - {room.features().LABEL}
    types = {str(column.type) for column in model.signature.inputs.inputs}
    assert not types & {"DataType.integer", "DataType.long"}  # pandas has floats where one is null
    assert model.saved_input_example_info is not None
    served = mlflow.pyfunc.load_model(training.model_uri)
    assert len(served.predict(served.input_example)) == 5


@pytest.mark.parametrize(
    ("address", "for_people", "page"),
    [
        ("https://ada:secret@tracker.example/ml/", None, "https://tracker.example/ml/#/exp"),
        ("postgresql://ada:secret@db.example/mlflow", None, None),
        # A run may reach the tracker by a name that only its network knows.
        ("http://mlflow:5000", "https://tracker.example/", "https://tracker.example/#/exp"),
    ],
)
def test_the_page_of_a_run(
    released: Project,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    for_people: str | None,
    page: str | None,
) -> None:
    run = released.plan(P[4])
    tracker_id = read_json(RunDir(run).training, Training).tracker_id
    tracked = mlflow.get_run(tracker_id)
    monkeypatch.setattr("mlflow.get_run", lambda _: tracked)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    if for_people:
        monkeypatch.setenv("MLFLOW_UI_URL", for_people)
    found = tracker.page_of(tracker_id)
    assert found == page or (page is not None and found is not None and found.startswith(page))
