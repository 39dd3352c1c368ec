"""Join the tables of a period to rows, and label them."""

import logging

from .. import room
from ..errors import BadInput
from ..files import write_json, write_parquet
from ..results import FeatureTable
from ..run import Run, RunDir, read_plan
from ..source.content import sha256
from ..source.reader import Source

log = logging.getLogger(__name__)


def features(run: Run, period: str) -> FeatureTable:
    """Join the tables of `period` as the team's `features.py` does, and add the label.

    Rows without an outcome are left out. Nothing is fitted here; `train` does that.

    Writes `features/<period>.parquet` and `features/<period>.json`.

    Raises:
        BadInput: the team's `join` returned other than one row for each row of the main table, or
            lacks a column of `SLICES`.
    """
    run_dir, plan = RunDir(run), read_plan(run)
    names, ours = room.tables(), room.features()
    tables = Source(str(run_dir.raw), examined=True).tables(period, names.TABLES)
    main, rows = tables[names.MAIN], ours.join(tables)
    if rows.height != main.height:
        raise BadInput(
            f"`join` in features.py returned {rows.height:,} rows for {main.height:,} of "
            f"{names.MAIN}: let it return one for each, in their order."
        )
    room.check_slices(rows.columns)  # before the model is trained
    labels = main.select(ours.label(plan.params.features).alias(ours.LABEL))
    labelled = rows.hstack(labels).drop_nulls(ours.LABEL)
    file = run_dir.features(period)
    write_parquet(file, labelled)
    table = FeatureTable(
        rows=labelled.height, columns=labelled.columns, sha256=sha256(file.read_bytes())
    )
    write_json(run_dir.step_result("features", period), table)
    log.info("features %s: wrote %d rows, %d columns", period, labelled.height, labelled.width)
    return table
