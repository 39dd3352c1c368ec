"""The figures of the report."""

import io

import polars as pl
import pytest
from matplotlib.figure import Figure

from {{{ cookiecutter.package_name }}}.evaluation import HEADLINE_LABEL
from {{{ cookiecutter.package_name }}}.features import LABEL
from {{{ cookiecutter.package_name }}}.model import build_model, predict
from {{{ cookiecutter.package_name }}}.plots import figures
from {{{ cookiecutter.package_name }}}.runtime.config import Params

{% if cookiecutter.problem == "binary" %}
SLICES = {"carrier": {"UA  (800)": 0.7, "B6  (500)": 0.6}, "origin": {"EWR  (1,300)": 0.65}}
TITLES = ("ROC", "Precision and recall", "Calibration", "Importance", "AUC by", "AUC by")
{% else %}
SLICES = {"carrier": {"UA  (800)": 19.0, "B6  (500)": 25.0}, "origin": {"EWR  (1,300)": 22.0}}
TITLES = ("Predicted against", "Residuals", "Absolute error", "Importance", "MAE by", "MAE by")
{% endif %}


@pytest.fixture(scope="module")
def drawn(rows: pl.DataFrame, params: Params) -> dict[str, Figure]:
    """The figures of a model on a part of what it was fitted on."""
    some = rows.head(500)
    model = build_model(params.train, seed=1).fit(some.drop(LABEL), some[LABEL].to_numpy())
    return figures(model, some, predict(model, some.drop(LABEL)), SLICES, seed=1)


def test_titles(drawn: dict[str, Figure]) -> None:
    assert len(drawn) == len(TITLES)
    assert all(title.startswith(start) for title, start in zip(drawn, TITLES, strict=True))


def test_each_figure_has_something_to_show(drawn: dict[str, Figure]) -> None:
    for title, figure in drawn.items():
        (axes,) = figure.axes
        assert axes.has_data(), title
        figure.savefig(io.BytesIO(), format="svg")


def test_the_bars_of_a_slice_are_in_its_order_from_the_top(drawn: dict[str, Figure]) -> None:
    (axes,) = drawn[f"{HEADLINE_LABEL} by carrier"].axes
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == ["B6  (500)", "UA  (800)"]
