"""What a project with Airflow costs: its DAG file read, `make run`, and a run by the scheduler.

Each is beside an empty DAG: Airflow's own part. Of the states of `make run`, a fresh one is that of
a new clone; a used one has the databases, and a champion to compare with.
"""

import json
import shutil
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from .first import from_nothing
from .measuring import HERE, in_turns, output, seconds, show
from .run import BEFORE, ROUNDS, Measured, imports, measure, phases_of, show_floors, show_steps
from .server import free_port, running

AIM_PARSE = 1.5
DAG_ID = "my-pipeline"
SCHEDULED = ("2013-09", "2013-10", "2013-11")
"""The periods for the scheduler, one a round: those of `make run` are done."""

IMPORTED = {
    "nothing": (),
    "airflow.sdk": ("airflow.sdk",),
    "the DAG processor": ("airflow.dag_processing.manager", "airflow.sdk.exceptions"),
}
"""By what is there before a DAG file is read, the modules: the processor forks for each file."""
READ = """
import sys, time
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
file, *modules = sys.argv[1:]
for module in modules:
    import_module(module)
started = time.perf_counter()
spec = spec_from_file_location("read", file)
spec.loader.exec_module(module_from_spec(spec))
print(time.perf_counter() - started)
"""

AIRFLOW = "Airflow"
# What planning takes, what `dag.test()` imports for any DAG, and the DAG file; then the steps.
BEFORE_STEPS = {
    BEFORE: "ops.local",
    AIRFLOW: "airflow.api_fastapi.execution_api.app",
    "DAG file": "dags.training",
}


def main(_default: Callable[[], Path]) -> None:
    """Render a project with Airflow, and print what it costs."""
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        folder = Path(made)
        project = from_nothing(folder, "orchestrator=airflow")
        show_reading(project, folder)
        show_run(project, folder)
        show_scheduled(project)


def settings(project: Path) -> dict[str, str]:
    """Return the project's settings of Airflow, as environment variables."""
    script = "import json, os; from ops import airflow; airflow.configure()"
    script += "; print(json.dumps(dict(os.environ)))"
    return dict(json.loads(output([project / ".venv/bin/python", "-c", script], project)))


def show_reading(project: Path, home: Path) -> None:
    """Print how long the DAG file takes to read, beside the smallest one."""
    python, rows = project / ".venv/bin/python", []
    files = {"smallest": HERE / "smallest_dag.py", "ours": project / "dags/training.py"}

    def read(file: Path, modules: Sequence[str]) -> float:
        command: list[str | Path] = [python, "-c", READ, file, *modules]
        plugins = str(project / "plugins")  # the DAG file imports its callbacks from there
        variables = {"AIRFLOW_HOME": str(home), "PYTHONPATH": plugins}
        return float(output(command, project, **variables).split()[-1])

    for imported, modules in IMPORTED.items():
        took = in_turns({name: partial(read, file, modules) for name, file in files.items()})
        figures = [f"{1000 * second:.0f}" for second in took.values()]
        ratio = took["ours"] / took["smallest"]
        rows.append([imported, *figures, f"{ratio:.2f} x", f"< {AIM_PARSE}"])
    header = ["imported before", "one empty task", "dags/training.py", "ratio", "aim"]
    show(f"Reading a DAG file, milliseconds, medians of {ROUNDS}", header, rows)


def show_run(project: Path, folder: Path) -> None:
    """Let the plain script, the empty DAG and `make run` take turns; print what lies between."""
    states: dict[str, dict[str, str]] = {"fresh": {}, "used": {}}
    measured = [
        measure(project, empty_dag(project, folder / str(turn)), states) for turn in range(ROUNDS)
    ]
    imported = imports(project, BEFORE_STEPS, **settings(project))
    show_floors(measured, "empty DAG")
    show_parts(measured, imported)
    show_steps(measured, imported)


def empty_dag(project: Path, home: Path) -> Callable[..., float]:
    """Return what runs the empty DAG, with a folder of its own for Airflow; it takes variables."""
    (home / "dags").mkdir(parents=True)
    file = shutil.copy(HERE / "empty_dag.py", home / "dags")
    variables = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "airflow=WARNING task=WARNING",  # as in `make run`
    }
    return partial(seconds, [project / ".venv/bin/python", file], project, **variables)


def show_parts(measured: Sequence[Measured], imported: Mapping[str, float]) -> None:
    """Print what `make run` on a used state is made of."""
    run = statistics.median(turn.runs["used"] for turn in measured)
    works = (sum(work for _, work in turn.phases.values()) for turn in measured)
    parts = {
        "Airflow's own: the empty DAG": statistics.median(turn.flows["used"] for turn in measured),
        "imports of the project": sum(imported.values()) - imported[AIRFLOW],
        "work of the steps": statistics.median(works),
    }
    parts["all else"] = run - sum(parts.values())
    rows = [
        [name, f"{part:.1f}", f"{part / run:.0%}"]
        for name, part in [*parts.items(), ("make run", run)]
    ]
    show("What a run on a used state is made of", ["", "seconds", "share"], rows)


def show_scheduled(project: Path) -> None:
    """Print how long the scheduler takes for a run, beside the empty DAG."""
    shutil.copy(HERE / "empty_dag.py", project / "dags")
    ports = {"AIRFLOW_PORT": free_port(), "MLFLOW_PORT": free_port()}
    health = f"http://127.0.0.1:{ports['AIRFLOW_PORT']}/api/v2/monitor/health"
    start = (project / ".venv/bin/python", "-m", "ops.ui")
    variables = settings(project)
    empty, ours, phases = [], [], []
    with running(start, project, health, **ports):
        for period in SCHEDULED:
            empty.append(scheduled(project, variables, "empty"))
            ours.append(scheduled(project, variables, DAG_ID, period=period))
            phases.append(phases_of(next((project / "runs").glob(f"{period}-*")), 0))
    rows = []
    for part in empty[0]:
        floor, run = (statistics.median(turn[part] for turn in turns) for turns in (empty, ours))
        works = [turn[part][1] for turn in phases if part in turn]
        work = f"{statistics.median(works):.1f}" if works else ""
        figures = [f"{figure:.1f}" for figure in (floor, run, run - floor)]
        rows.append([part, *figures, work, f"{run / floor:.2f} x"])
    header = ["task", "empty DAG", "this project", "it adds", "of it work", "ratio"]
    show(f"A run by the scheduler, seconds, medians of {len(SCHEDULED)}", header, rows)


def scheduled(
    project: Path, variables: Mapping[str, str], dag_id: str, **conf: str
) -> dict[str, float]:
    """Let the scheduler run a DAG; return the seconds of its tasks, between them, and of all."""
    script: list[str | Path] = [project / ".venv/bin/python", "-P", HERE / "scheduled.py"]
    printed = output([*script, dag_id, json.dumps(conf)], project, **variables)
    return dict(json.loads(printed.splitlines()[-1]))
