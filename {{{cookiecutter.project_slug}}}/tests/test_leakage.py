"""Nothing known only after departure reaches the model, and each row stands for itself.

That the runtime fits nothing outside the window is in `runtime/test_leakage.py`.
"""

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

{% if cookiecutter.problem == "binary" %}
from {{{ cookiecutter.package_name }}}.evaluation import measure
{% endif %}
from {{{ cookiecutter.package_name }}}.features import LABEL, join
from {{{ cookiecutter.package_name }}}.model import CATEGORICAL, NUMERIC, build_model, derive
from {{{ cookiecutter.package_name }}}.runtime.config import Params
from {{{ cookiecutter.package_name }}}.tables import KNOWN_AFTERWARDS, MAIN

Tables = dict[str, pl.DataFrame]


def test_rows_are_made_without_what_is_known_afterwards(tables: Tables) -> None:
    before = tables | {MAIN: tables[MAIN].drop(KNOWN_AFTERWARDS)}
    assert_frame_equal(join(before), join(tables))
    assert not {*join(tables).columns} & {*KNOWN_AFTERWARDS, LABEL}


def test_the_rows_of_a_flight_do_not_depend_on_other_flights(tables: Tables) -> None:
    half = tables | {MAIN: tables[MAIN].gather_every(2)}
    assert_frame_equal(join(half), join(tables).gather_every(2))


def test_the_features_of_a_row_do_not_depend_on_other_rows(rows: pl.DataFrame) -> None:
    assert_frame_equal(derive(rows.head(10)), derive(rows).head(10))


def test_the_model_reads_what_is_derived_and_never_the_label(
    rows: pl.DataFrame, params: Params
) -> None:
    assert not {*CATEGORICAL, *NUMERIC} & {*KNOWN_AFTERWARDS, LABEL}
    model = build_model(params.train, seed=1)
    model.fit(rows.drop(LABEL), rows[LABEL].to_numpy())
    assert list(model[-2].get_feature_names_out()) == [*CATEGORICAL, *NUMERIC]
    assert_frame_equal(derive(rows), derive(rows.drop(LABEL)))


{% if cookiecutter.problem == "binary" %}
def test_no_feature_gives_the_outcome_away(rows: pl.DataFrame) -> None:
    """A number that alone separates late from punctual flights was not known before departure."""
    features, labels = derive(rows), rows[LABEL].to_numpy()
    for name in NUMERIC:
        ranks = features[name].rank().fill_null(0) / rows.height
        auc = measure(labels, np.clip(ranks.to_numpy(), 0, 1))["auc"]
        assert 0.1 < auc < 0.9, name
{% else %}
def test_no_feature_gives_the_outcome_away(rows: pl.DataFrame) -> None:
    """A number that follows the delay closely was not known before departure."""
    features = derive(rows)
    for name in NUMERIC:
        known = pl.DataFrame({name: features[name], LABEL: rows[LABEL]}).drop_nulls()
        follows = known.select(pl.corr(name, LABEL, method="spearman")).item()
        assert np.isnan(follows) or abs(follows) < 0.7, name
{% endif %}
