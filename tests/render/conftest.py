"""Both doors, through their engines' Python interfaces: quick enough for every combination."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import copier
import pytest
from cookiecutter.main import cookiecutter

Door = Callable[..., Path]


@pytest.fixture(scope="session")
def open_cookiecutter(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Door:
    """Render with Cookiecutter into a folder of `out`, and say which."""
    home = tmp_path_factory.mktemp("cookiecutter")
    config = home / "config.yaml"
    config.write_text(f"cookiecutters_dir: {home}\nreplay_dir: {home}\n")
    with pytest.MonkeyPatch.context() as patch:  # the copy's own, not the one of this folder
        patch.syspath_prepend(template)
        patch.delitem(sys.modules, "cookiecutter_door", raising=False)
        import_module("cookiecutter_door")

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
def open_copier(template: Path) -> Door:
    """Render with Copier into `out` itself."""

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
