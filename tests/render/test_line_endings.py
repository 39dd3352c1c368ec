"""Files have the same bytes wherever git or an editor writes Windows line endings."""

from pathlib import Path

from tests.render.rendered import contents
from tests.shell import Shell, copy_template

WINDOWS = ("-c", "core.autocrlf=true", "-c", "core.eol=crlf")


def with_crlf(shell: Shell, folder: Path) -> list[str]:
    """Return the files of a repository that have Windows line endings here."""
    listed = shell("git", "ls-files", "--eol", cwd=folder).stdout.splitlines()
    return [line for line in listed if "w/crlf" in line or "w/mixed" in line]


def test_a_clone_on_windows_has_none(shell: Shell, template: Path, tmp_path: Path) -> None:
    """Neither of the template nor of a project, in which data keep those that they have."""
    assert shell.cookiecutter(tmp_path).returncode == 0
    project = tmp_path / "my-pipeline"
    data = project / "tests/data/source/orders.csv"
    data.parent.mkdir(parents=True)
    data.write_bytes(b"number,amount\r\n1,2\r\n")
    shell.commit(project, "Rendered")
    for repository, found in ((template, 0), (project, 1)):
        clone = tmp_path / f"clone-{repository.name}"
        shell("git", *WINDOWS, "clone", "-q", repository, clone)
        assert len(with_crlf(shell, clone)) == found
    assert (tmp_path / "clone-my-pipeline/tests/data/source/orders.csv").read_bytes() == (
        data.read_bytes()
    )


def test_a_template_with_windows_line_endings(shell: Shell, tmp_path: Path) -> None:
    """An archive, or an editor, may have written them: both front ends render the usual bytes."""
    template = tmp_path / "template"
    copy_template(template)
    for file in template.rglob("*"):
        if file.is_file() and b"\0" not in (content := file.read_bytes()):
            file.write_bytes(content.replace(b"\n", b"\r\n"))
    folders = [tmp_path / "usual/my-pipeline", tmp_path / "ours/my-pipeline", tmp_path / "theirs"]
    for done in (
        shell.cookiecutter(folders[0].parent),
        shell.cookiecutter(folders[1].parent, template=str(template)),
        shell.copier(folders[2], template=str(template)),
    ):
        assert done.returncode == 0, done.stderr
    usual, ours, theirs = map(contents, folders)
    for rendered in (usual, ours, theirs):
        del rendered[".copier-answers.yml"]  # where the template is
    assert ours == usual
    assert theirs == usual
