"""Score a month with the champion: the simplest use of a released model."""

import logging

import polars as pl
from upath import UPath

from .. import tracking
from ..contract import FLIGHT_KEY, KNOWN_AFTER_DEPARTURE, find_faults
from ..errors import BadInput
from ..model import probability
from ..params import Params
from ..plan import require
from ..source import Source
from ..workspace import write_parquet
from .features import join

log = logging.getLogger(__name__)


def predict(params: Params, period: str) -> UPath:
    """Write the champion's probabilities for all flights of a month, cancelled ones among them.

    Returns:
        The file written, `<predictions>/<period>.parquet`: the flight's key, `probability`, and
        the `version` of the model.

    Raises:
        BadInput: the source lacks the month, its data break the contract, or nothing was released.
    """
    source = Source(params.source, params.source_timeout)
    require(period, source.months())
    champion = tracking.champion(params.model_name)
    if champion is None:
        raise BadInput(f"No version of {params.model_name} is released yet: run `make run` first.")
    try:
        tables = source.tables(period)
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{period} cannot be scored: {error}.") from error
    if faults := find_faults(tables, period, ignore=KNOWN_AFTER_DEPARTURE):
        raise BadInput(f"{period} breaks the data contract: {'; '.join(map(str, faults[:3]))}.")
    table = join(tables)
    model = tracking.load_model(params.model_name, champion.version)
    scored = table.select(*FLIGHT_KEY).with_columns(
        pl.Series("probability", probability(model, table)),
        pl.lit(champion.version).alias("version"),
    )
    file = UPath(params.predictions) / f"{period}.parquet"
    write_parquet(file, scored)
    log.info("predict: scored %d flights with version %s", scored.height, champion.version)
    return file
