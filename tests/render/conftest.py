"""Both front ends, called through Python: quick enough for every combination."""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import copier
import pytest
from cookiecutter.main import cookiecutter
from copier import _template, _vcs
from jinja2 import Environment

from tests.projects import ORCHESTRATORS

FrontEnd = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """Compile each template once, not once a project: that is most of the time of rendering."""
    compile_ = Environment.compile
    known: dict[tuple[Any, ...], Any] = {}

    def compile_once(
        self: Environment, source: Any, name: Any = None, filename: Any = None, *how: Any
    ) -> Any:
        if not isinstance(source, str):
            return compile_(self, source, name, filename, *how)
        key = (type(self), self.variable_start_string, source, name, how)
        if key not in known:
            known[key] = compile_(self, source, name, filename, *how)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Environment, "compile", compile_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def cloned_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let Copier clone each template once: to clone and to delete takes longer than to render."""

    @cache
    def clone(url: str, ref: str) -> str:
        return _vcs.clone(url, ref, str(tmp_path_factory.mktemp("clone")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_template, "clone", lambda url, ref, **_: clone(url, ref))
        yield


@pytest.fixture(scope="session")
def render_cookiecutter(template: Path, tmp_path_factory: pytest.TempPathFactory) -> FrontEnd:
    """Render with Cookiecutter into a new folder in `out`, and return it."""
    home = tmp_path_factory.mktemp("cookiecutter")
    config = home / "config.yaml"
    config.write_text(f"cookiecutters_dir: {home}\nreplay_dir: {home}\n")
    with pytest.MonkeyPatch.context() as patch:  # the copy's own, not the one of this folder
        patch.syspath_prepend(template)
        patch.delitem(sys.modules, "extensions", raising=False)
        import_module("extensions")

    def render(out: Path, **answers: str) -> Path:
        return Path(
            cookiecutter(
                str(template),
                no_input=True,
                extra_context=answers,
                output_dir=str(out),
                config_file=str(config),
            )
        )

    return render


@pytest.fixture(scope="session")
def by_orchestrator(
    render_cookiecutter: FrontEnd, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Return a project of each orchestrator, which no test changes."""
    out = tmp_path_factory.mktemp("orchestrators")
    return {name: render_cookiecutter(out / name, orchestrator=name) for name in ORCHESTRATORS}


@pytest.fixture(scope="session")
def render_copier(template: Path) -> FrontEnd:
    """Render with Copier into `out` itself, and return it."""

    def render(out: Path, **answers: str) -> Path:
        copier.run_copy(
            str(template),
            out,
            data=answers,
            vcs_ref="HEAD",
            defaults=True,
            quiet=True,
            settings=copier.Settings(),
        )
        return out

    return render
