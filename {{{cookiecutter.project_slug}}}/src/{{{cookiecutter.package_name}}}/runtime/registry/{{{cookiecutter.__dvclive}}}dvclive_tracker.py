"""What a run logs with DVCLive: files, committed to the repository of runs and models."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..run import Run
from . import git_client
from .git_client import Overtaken, Scratch, scratch
from .pickling import dump_model

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

NAME = "DVCLive"

check = git_client.takes_pushes

FOLDER = "experiment"
"""Files are where experiments of this project have theirs, so DVC shows both in one table."""
MODEL = f"{FOLDER}/model.pkl"

DESCRIPTION = f"""\
params:
  - params.yaml
metrics:
  - {FOLDER}/metrics.json
plots:
  - {FOLDER}/plots/custom:
      x: x
      y: y
      template: simple
"""
"""What DVC reads of a run: its `dvc.yaml`."""

_FORGE = re.compile(
    r"(?:https://|(?:ssh://)?git@)([\w.-]*(?:github|gitlab)[\w.-]*)(?::\d+)?[:/]"
    r"(.+?)(?:\.git)?/?"
)


@dataclass
class _Open:
    """A run that is open: DVCLive logs to the folder of a scratch repository."""

    repository: Scratch
    ref: str
    live: Any
    tip: str
    """The last commit of the run, empty if it has none."""

    def commit(self) -> str:
        """Commit the files, if they changed, and return the last commit."""
        git = self.repository.git
        git("add", "--all", "--force")
        tree = git("write-tree")
        if not self.tip or git("rev-parse", f"{self.tip}^{{tree}}") != tree:
            before = ["-p", self.tip] if self.tip else []
            said = f"Log run {self.ref.rpartition('/')[2]}"
            self.tip = git("commit-tree", tree, "-p", self.repository.root, *before, "-m", said)
        return self.tip


_open: ContextVar[_Open] = ContextVar("_open")


@contextmanager
def open_run(run: Run, model_name: str, known: str | None = None) -> Iterator[str]:
    """Open the experiment of `run`, created on first use, yield its name, and push its files.

    It is `known` once `train` has written it down: an experiment of DVC may have been trained
    under another run's id. What a stage of DVC logs is not pushed: DVC itself keeps experiments.

    Raises:
        Unavailable: the repository does not take them.
    """
    name, in_stage = known or run.run_id, "DVC_STAGE" in os.environ
    if not in_stage:
        git_client.create()
    with scratch() as repository:
        ref = repository.ref(name)
        tip = "" if in_stage else _checkout(repository, ref)
        opened = _Open(repository, ref, _load_live(repository.path), tip)
        token = _open.set(opened)
        try:
            with opened.live as live:
                if not known:
                    tags = {"run_id": run.run_id, "model_name": model_name}
                    live.log_params(tags | {"experiment": {"period": run.period}})
                    (repository.path / "dvc.yaml").write_text(DESCRIPTION, encoding="utf-8")
                yield name
            if not in_stage:
                _push(opened)
        finally:
            _open.reset(token)


def log_training(params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """Log the parameters of a training, named as in `params.yaml` of the project, and tags."""
    outer = {name: value for name, value in params.items() if name in ("seed", "window")}
    train = {name: value for name, value in params.items() if name not in outer}
    _open.get().live.log_params(outer | {"train": train} | dict(tags))


def log_model(model: Any, sample: "pd.DataFrame", predictions: Any, method: str) -> str:
    """Log a fitted model with some inputs and their predictions, and return its ref."""
    opened = _open.get()
    (opened.repository.path / MODEL).write_bytes(dump_model(model))
    sample.assign(prediction=list(predictions)).head(5).to_json(
        opened.repository.path / FOLDER / "example.json", orient="records", date_format="iso"
    )
    opened.live.log_params({"method": method})
    return opened.ref


def log_metrics(metrics: Mapping[str, float], prefix: str = "") -> None:
    """Log metrics, their names behind `prefix`."""
    for name, value in metrics.items():
        _open.get().live.log_metric(f"{prefix}{name}", value, plot=False)


def log_curves(curves: "Mapping[str, pl.DataFrame]") -> None:
    """Log the points of curves as plots of x and y."""
    for name, points in curves.items():
        renamed = points.rename(dict(zip(points.columns, "xy", strict=False)))
        _open.get().live.log_plot(name, renamed.to_dicts(), x="x", y="y", template="simple")


def log_report(status: str, html: str) -> None:
    """Log how the run ended, and its report."""
    opened = _open.get()
    (opened.repository.path / FOLDER / "report.html").write_text(html, encoding="utf-8")
    opened.live.log_params({"status": status})


def page_of(tracker_id: str) -> str | None:
    """Return the page of the open run's commit at GitHub or GitLab, None if it has none."""
    forge = _FORGE.fullmatch(git_client.url())
    if forge is None or "DVC_STAGE" in os.environ:  # whose commits are not pushed
        return None
    below = "/-/commit" if "gitlab" in forge[1] else "/commit"
    return f"https://{forge[1]}/{forge[2]}{below}/{_open.get().commit()}"


def _checkout(repository: Scratch, ref: str) -> str:
    """Fetch what a run has logged into the folder; return its last commit, empty if it has none."""
    if not repository.git("ls-remote", "registry", ref):
        return ""
    repository.fetch(ref)
    repository.git("reset", "--quiet", "--hard", "FETCH_HEAD")
    return repository.git("rev-parse", "FETCH_HEAD")


def _push(opened: _Open) -> None:
    """Push the files of a run; they replace what another process has pushed to it meanwhile."""
    repository = opened.repository
    if not repository.git("ls-remote", "--heads", "registry"):  # a clone needs a branch
        with suppress(Overtaken):  # by another first run
            repository.push(f"{repository.root}:refs/heads/main")
    try:
        repository.push(f"{opened.commit()}:{opened.ref}")
    except Overtaken:
        repository.fetch(opened.ref)
        opened.tip = repository.git("rev-parse", "FETCH_HEAD")
        repository.push(f"{opened.commit()}:{opened.ref}")


def _load_live(folder: Path) -> Any:
    """Return DVCLive's logger for a folder, with what is logged there already."""
    os.environ["DVC_STUDIO_OFFLINE"] = "true"  # nothing is sent elsewhere
    from dvclive import Live

    class OurLive(Live):  # type: ignore[misc]
        """DVCLive 3.49 would look for the repository of the current folder, and count steps."""

        params_file = str(folder / "params.yaml")

        def _init_dvc(self) -> None:
            pass

        def _init_resume(self) -> None:
            self._read_params()
            self.summary = self.read_latest()

    return OurLive(str(folder / FOLDER), resume=True, dvcyaml=None, save_dvc_exp=False)
