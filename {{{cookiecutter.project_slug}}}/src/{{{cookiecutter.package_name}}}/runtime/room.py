"""The interface of the team's modules, one folder up: all that the runtime takes from them.

Each protocol lists the names and functions of one module. `make lint` and each run check the
modules against them, so that a missing name is reported before anything starts.
"""

import ast
import inspect
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    import pandera.polars as pa
    import polars as pl
    from matplotlib.figure import Figure

    from ..params import EvaluateParams, FeatureParams, TrainParams

    Array = np.ndarray[Any, np.dtype[Any]]


class Tables(Protocol):
    """`tables.py`: what the source delivers."""

    TABLES: "dict[str, pa.DataFrameSchema]"
    """The schema of each table, by name."""
    DATED: dict[str, str]
    """Tables delivered period by period, with their column of time; the others are whole."""
    MAIN: str
    """The dated table with one row for each thing to predict; its schema has a unique key."""
    OUTCOME: str
    """The column of `MAIN` that the label is made of, null where there is no outcome."""
    KNOWN_AFTERWARDS: tuple[str, ...]
    """Columns of `MAIN` that do not exist yet when a prediction is made."""
    TIME_ZONE: str
    """The zone by whose clocks a period begins and ends."""


class Features(Protocol):
    """`features.py`: from tables to rows."""

    LABEL: str
    """The column of the label."""

    def join(self, tables: "Mapping[str, pl.DataFrame]") -> "pl.DataFrame":
        """Return one row for each row of `MAIN`, in their order."""

    def label(self, params: "FeatureParams") -> "pl.Expr":
        """Return the label as an expression over `MAIN`, null where there is no outcome."""

    def check_labels(self, labels: "pl.Series", params: "FeatureParams") -> str | None:
        """Return what is wrong with the labels of a period, None where nothing is."""


class Model(Protocol):
    """`model.py`: the estimator."""

    PREDICTION: str
    """What a prediction is called."""
    PREDICT_METHOD: str
    """The method of the estimator that a model server calls."""

    def build_model(self, params: "TrainParams", seed: int) -> Any:
        """Return the estimator, unfitted."""

    def predict(self, model: Any, rows: "pl.DataFrame") -> "Array":
        """Return a prediction for each row of `features.join`: a number, or a row of numbers."""


class Evaluation(Protocol):
    """`evaluation.py`: what counts as better."""

    HEADLINE: str
    """The metric that decides about releases."""
    HEADLINE_LABEL: str
    """How people write it."""
    HIGHER_IS_BETTER: bool
    """The direction of the headline metric."""
    SLICES: tuple[str, ...]
    """Columns of the rows, whose larger values are evaluated on their own."""

    def measure(self, labels: "Array", predictions: "Array") -> dict[str, float]:
        """Return the metrics; none, or NaN for the headline, where that is not defined."""

    def curves(self, labels: "Array", predictions: "Array") -> "dict[str, pl.DataFrame]":
        """Return curves by name; the first column is x, the second y."""

    def decide(
        self,
        limits: "EvaluateParams",
        challenger: dict[str, float],
        champion: dict[str, float] | None,
    ) -> tuple[bool, str]:
        """Return whether the challenger may be released, and why, in one clause."""


class Plots(Protocol):
    """`plots.py`: the figures of the report."""

    def figures(
        self,
        model: Any,
        rows: "pl.DataFrame",
        predictions: "Array",
        slices: Mapping[str, Mapping[str, float]],
        seed: int,
    ) -> "dict[str, Figure]":
        """Return the figures of an evaluation by title."""


class ParameterClasses(Protocol):
    """`params.py`: sections of `params.yaml`."""

    FeatureParams: type
    TrainParams: type
    EvaluateParams: type


ROOM: dict[str, type] = {
    "tables": Tables,
    "features": Features,
    "model": Model,
    "evaluation": Evaluation,
    "plots": Plots,
    "params": ParameterClasses,
}


def tables() -> Tables:
    """Return the module `tables.py`."""
    from .. import tables

    return tables


def features() -> Features:
    """Return the module `features.py`."""
    from .. import features

    return features


def model() -> Model:
    """Return the module `model.py`."""
    from .. import model

    return model


def evaluation() -> Evaluation:
    """Return the module `evaluation.py`."""
    from .. import evaluation

    return evaluation


def plots() -> Plots:
    """Return the module `plots.py`."""
    from .. import plots

    return plots


def check_room(folder: Path = Path(__file__).parents[1]) -> None:
    """Check that the team's modules have all that the runtime calls. They are read, not imported.

    Args:
        folder: the package.

    Raises:
        BadInput: a module, a name or a function is missing, a function takes other arguments, or a
            module imports from another what that does not define.
    """
    modules: dict[str, ast.Module] = {}
    for name, protocol in ROOM.items():
        file = folder / f"{name}.py"
        if not file.exists():
            raise BadInput(f"{file.name} is missing in {folder}. {_HELP}")
        modules[name] = ast.parse(file.read_bytes(), str(file))
        defined = _defined(modules[name])
        for wanted in protocol.__annotations__:
            if wanted not in defined:
                raise BadInput(f"{file.name} lacks the name `{wanted}`. {_HELP}")
        for function, value in vars(protocol).items():
            if not inspect.isfunction(value) or function.startswith("_"):
                continue
            arguments = list(inspect.signature(value).parameters)[1:]
            if function not in defined:
                raise BadInput(f"{file.name} lacks `{function}({', '.join(arguments)})`. {_HELP}")
            found = defined[function]
            if found is not None and not _accepts(found, arguments):
                raise BadInput(
                    f"{file.name} has `{function}({ast.unparse(found)})`, and the runtime calls "
                    f"`{function}({', '.join(arguments)})`. {_HELP}"
                )
    _check_imports(modules)


def check_metrics(metrics: Mapping[str, float]) -> None:
    """Check that metrics of a whole period have the headline metric, if there are any.

    Raises:
        BadInput: `HEADLINE` names none of them.
    """
    headline = evaluation().HEADLINE
    if metrics and headline not in metrics:
        raise BadInput(
            f"`measure` in evaluation.py returned {', '.join(sorted(metrics))}, and no "
            f"`{headline}`, which `HEADLINE` names."
        )


def check_slices(columns: Collection[str]) -> None:
    """Check that rows have the columns of `SLICES`.

    Raises:
        BadInput: they lack one.
    """
    for name in evaluation().SLICES:
        if name not in columns:
            raise BadInput(
                f"`SLICES` in evaluation.py names `{name}`, which `join` does not return: it "
                f"returns {', '.join(columns)}."
            )


_HELP = "docs/make-it-yours.md describes what is needed, runtime/room.py has the exact list."


def _accepts(function: ast.arguments, given: list[str]) -> bool:
    """Return whether a function takes these arguments, in this order; others need a default."""
    named = [each.arg for each in function.posonlyargs + function.args]
    needed = len(named) - len(function.defaults)
    by_name_only = [default for default in function.kw_defaults if default is None]
    return named[: len(given)] == given and needed <= len(given) and not by_name_only


def _check_imports(modules: Mapping[str, ast.Module]) -> None:
    """Check that the team's modules define what they import from each other at the top."""
    bound = {name: _bound(module) for name, module in modules.items()}
    for importer, module in modules.items():
        for node in module.body:
            if not isinstance(node, ast.ImportFrom) or node.level != 1 or node.module not in bound:
                continue
            for alias in node.names:
                anything = alias.name == "*" or bound[node.module] & {"*", "__getattr__"}
                if not anything and alias.name not in bound[node.module]:
                    raise BadInput(
                        f"{importer}.py, line {node.lineno}, imports `{alias.name}` from "
                        f"{node.module}.py, which does not define it."
                    )


def _bound(module: ast.Module) -> set[str]:
    """Return all names that a module binds, wherever it does."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _defined(module: ast.Module) -> dict[str, ast.arguments | None]:
    """Return the names at the top of a module; of each function, its arguments."""
    names: dict[str, ast.arguments | None] = {}
    for node in module.body:
        match node:
            case ast.FunctionDef():
                names[node.name] = node.args
            case ast.ClassDef():
                names[node.name] = None
            case ast.Import() | ast.ImportFrom():
                names |= {(alias.asname or alias.name): None for alias in node.names}
            case ast.Assign():
                targets = [name for target in node.targets for name in ast.walk(target)]
                names |= {name.id: None for name in targets if isinstance(name, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names[name] = None
    return names
