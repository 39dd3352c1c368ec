"""The image beside a naive one, and a run in the stack beside one on the laptop; needs Docker."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .measuring import TOOLS, output, seconds, show

NAIVE = """FROM {base}
WORKDIR /app
COPY . .
RUN pip install -r requirements.txt .
"""
PERIODS = ("2013-05", "2013-06", "2013-07")


def main(project: Callable[[], Path]) -> None:
    """Print what the image, the start of the stack and a run in it cost."""
    docker = shutil.which("docker") or "false"
    if subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        print("\nThe stack: left out, as no Docker engine answers")
        return
    folder = project()
    output(["make", "env"], folder)
    image(folder)
    try:
        stack(folder)
    finally:
        output(["docker", "compose", "--profile", "*", "down", "--volumes"], folder)


def image(folder: Path) -> None:
    """Build the image from nothing, again, and after a change of a step; and a naive one."""
    build: list[str | Path] = [
        *("docker", "build", "--file", "ops/Dockerfile"),
        "--tag",
        "bench-ours",
        ".",
    ]
    cold = seconds([*build, "--no-cache"], folder)
    warm = seconds(build, folder)
    step = folder / "src/my_pipeline/runtime/steps/report.py"
    step.write_text(step.read_text() + "\n# changed\n")
    changed = seconds(build, folder)
    naive = folder.parent / "naive"
    shutil.rmtree(naive, ignore_errors=True)
    naive.mkdir()
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (folder / name).is_dir() else shutil.copy
        copy(folder / name, naive / name)
    groups = ["--no-default-groups", "--group", "server", "--no-emit-project", "--no-hashes"]
    uv = shutil.which("uv") or TOOLS.parent.parent / ".uv/bin/uv"
    export = [uv, "export", "--quiet", "--frozen", *groups, "--output-file"]
    output([*export, naive / "requirements.txt"], folder)
    base = re.findall(r"^FROM (python:\S+)", (folder / "ops/Dockerfile").read_text(), re.M)[-1]
    (naive / "Dockerfile").write_text(NAIVE.format(base=base))
    build_naive: list[str | Path] = ["docker", "build", "--tag", "bench-naive", naive]
    naive_cold = seconds([*build_naive, "--no-cache"], folder)
    (naive / "src/my_pipeline/runtime/steps/report.py").open("a").write("\n# changed\n")
    naive_changed = seconds(build_naive, folder)
    sizes = {
        name: int(output(["docker", "image", "inspect", "--format", "{{.Size}}", name], folder))
        for name in ("bench-ours", "bench-naive")
    }
    output(["docker", "image", "rm", "bench-ours", "bench-naive"], folder)
    ours, theirs = (size / 1e9 for size in sizes.values())
    rows = [
        ("from nothing, s", f"{naive_cold:.1f}", f"{cold:.1f}", f"{cold / naive_cold:.2f} x"),
        (
            "after a change of a step, s",
            f"{naive_changed:.1f}",
            f"{changed:.1f}",
            f"{changed / naive_changed:.2f} x",
        ),
        ("  against its own from nothing", "", "", f"{changed / cold:.2f} x"),
        ("unchanged, s", "", f"{warm:.1f}", f"{warm / cold:.2f} x its own from nothing"),
        ("size, GB", f"{theirs:.2f}", f"{ours:.2f}", f"{ours / theirs:.2f} x"),
    ]
    header = ("", "FROM python, pip install", "Dockerfile", "ratio")
    show("The image, with all packages in uv's cache", header, rows)


def stack(folder: Path) -> None:
    """Start the stack from nothing and again; run months in it, and on the laptop."""
    first = seconds(["make", "up"], folder)
    output(["make", "down"], folder)
    again = seconds(["make", "up"], folder)
    inside = [in_the_stack(folder, period) for period in PERIODS]
    here = [seconds(["make", "run", f"PERIOD={period}"], folder) for period in PERIODS]
    rows = [
        ("make up, empty volumes", "", f"{first:.1f}", ""),
        ("make up, used volumes", "", f"{again:.1f}", f"{again / first:.2f} x the first"),
        *(
            (f"a run, {period}", f"{laptop:.1f}", f"{stacked:.1f}", f"{stacked / laptop:.2f} x")
            for period, laptop, stacked in zip(PERIODS, here, inside, strict=True)
        ),
    ]
    show("The stack, seconds", ("", "make run", "stack", "ratio"), rows)


def in_the_stack(folder: Path, period: str) -> float:
    """Return how long a run takes from the command that asks for it to its result."""
    started = time.perf_counter()
    worker = ["docker", "compose", "exec", "-T", "prefect-worker"]
    ask = ["prefect", "deployment", "run", "training/scheduled", "--param", f"period={period}"]
    output([*worker, *ask, "--watch"], folder)
    took = time.perf_counter() - started
    result = json.loads(output([*worker, "sh", "-c", f"cat runs/{period}-*/result.json"], folder))
    if result["status"] == "failed":
        sys.exit(f"The run for {period} failed: {result['reason']}")
    return took
