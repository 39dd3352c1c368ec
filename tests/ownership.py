"""The files of a project that belong to its team, as copier.yml lists them."""

from pathlib import Path

import yaml

from tests.shell import ROOT


def team_patterns() -> list[str]:
    """Return the patterns of the team's files."""
    copier = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    patterns: list[str] = copier["_skip_if_exists"]
    return patterns


def team_files(project: Path) -> list[str]:
    """Return the team's files of a project, or of the tree, where flags may stand before names."""
    patterns = team_patterns()
    patterns += ["/{{{cookiecutter.__*}}}".join(p.rsplit("/", 1)) for p in patterns]
    patterns += [p.replace("/queries/", "/{{{cookiecutter.__sql}}}queries/") for p in patterns]
    return sorted(
        {
            file.relative_to(project).as_posix()
            for pattern in patterns
            for file in project.glob(pattern)
        }
    )
