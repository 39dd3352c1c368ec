"""The files of a run, as they were delivered."""

from upath import UPath

from .reader import sha256


def read_raw(file: UPath, checksum: str) -> bytes:
    """Return the content of a file.

    Raises:
        RuntimeError: it is not what its checksum says.
    """
    content = file.read_bytes()
    if sha256(content) != checksum:
        raise RuntimeError(
            f"{file} is damaged: remove it, {checksum} in `.cache/files` of the folder of runs, "
            "and this run's directory; then start the run again."
        )
    return content
