"""Score a period with the champion: the simplest use of a released model."""

import logging

import polars as pl
from upath import UPath

from .. import room
from ..config import Params
from ..errors import BadInput
from ..files import write_parquet
from ..registry import registry
from ..run.plan import require
from ..source.address import source_of
from ..source.contract import find_faults

log = logging.getLogger(__name__)


def predict(params: Params, period: str) -> UPath:
    """Write the champion's predictions for all rows of a period, with or without an outcome.

    Returns:
        The file written, `<predictions>/<period>.parquet`: the key of the main table, the
        prediction, and the `version` of the model.

    Raises:
        BadInput: the source lacks the period, its data break the contract, or nothing was released.
    """
    source, names = source_of(params), room.tables()
    require(period, source.periods())
    champion = registry.champion(params.model_name)
    if champion is None:
        raise BadInput(f"No version of {params.model_name} is released yet: run `make run` first.")
    try:
        tables = source.tables(period, names.TABLES)
        faults = find_faults(tables, period, names.TABLES, ignore=names.KNOWN_AFTERWARDS)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise BadInput(f"{period} cannot be scored: {error}.") from error
    if faults:
        raise BadInput(f"{period} breaks the data contract: {'; '.join(map(str, faults[:3]))}.")
    rows, model = room.features().join(tables), room.model()
    scores = registry.score(params.model_name, champion.version, model.predict, rows)
    predictions = rows.select(names.TABLES[names.MAIN].unique or []).with_columns(
        pl.Series(model.PREDICTION, scores), pl.lit(champion.version).alias("version")
    )
    file = UPath(params.predictions) / f"{period}.parquet"
    write_parquet(file, predictions)
    log.info("predict: scored %d rows with version %s", rows.height, champion.version)
    return file
