"""Finish a project of Cookiecutter: delete files of other choices; report a missing version."""

import shutil
import sys
from pathlib import Path

for dropped in sorted(Path().rglob(".drop-*")):
    if dropped.is_dir():
        shutil.rmtree(dropped)
    else:
        dropped.unlink(missing_ok=True)

answers = Path(".copier-answers.yml")
if "\n_commit: " not in answers.read_text(encoding="utf-8"):
    print(
        "The template came without its git history, so its version is not known: before `copier"
        f" update`, set `_src_path` (its git address) and `_commit` (its tag) in {answers}.",
        file=sys.stderr,
    )
