"""Files are read if they are regular and not too large, and get their final name whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path

_PART = (".hybridseg-", ".part")


def read_regular(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    """Return the bytes of a regular file.

    A pipe would hang and a device never end, so neither is opened, also if it takes the file's place meanwhile.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is a folder, a pipe or a device, or has more than ``max_bytes``. The caller says which file.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    _check_regular(status, max_bytes)
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as stream:
        status = os.fstat(stream.fileno())
        _check_regular(status, max_bytes)
        data = stream.read(status.st_size + 1)
    if len(data) > status.st_size:
        raise ValueError(f"it has more than the {status.st_size} bytes that it had when it was opened")
    return data


def _check_regular(status: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        is_folder = stat.S_ISDIR(status.st_mode)
        raise ValueError("expected a file, got a folder" if is_folder else "it is not a regular file")
    if status.st_size > max_bytes:
        raise ValueError(f"it has {status.st_size} bytes, at most {max_bytes} are read")


def check_writable(path: Path) -> None:
    """Raise unless a file can be written as ``path``: in a folder that is there, over nothing that is protected.

    A file without any write permission is left alone even where the system would let it be replaced.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected the name of a file, got a folder")
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path}: exists and is no regular file")
    protected = path.exists() and not (path.stat().st_mode & 0o222 and os.access(path, os.W_OK))
    if protected:
        raise PermissionError(f"{path}: is write-protected")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path.parent}: no permission to write there")


def user_cache() -> Path:
    """Return hybridseg's folder in the user's cache, which may have to be made.

    Raises
    ------
    RuntimeError
        If there is no home folder.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "hybridseg"


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` so that ``path`` holds either what it held before or all of ``data``."""
    path = Path(path)
    check_writable(path)
    try:
        _write_and_rename(path, data)
    except OSError as error:
        if error.errno is None:
            raise
        # A full disk's error doesn't say which file.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def is_part(name: str) -> bool:
    """Whether a file's name is one under which `write_atomically` writes: a killed process leaves such a file."""
    return name.startswith(_PART[0]) and name.endswith(_PART[1])


STALE_SECONDS = 3600.0
"""A half-written file that is older is nobody's any more: writing one takes milliseconds."""


def remove_parts(folder: Path, older_than_s: float = STALE_SECONDS) -> None:
    """Remove what killed processes left in a folder; nobody may be writing there now, or not for so long."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                if is_part(path.name) and path.lstat().st_mtime <= time.time() - older_than_s:
                    path.unlink()


def _write_and_rename(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{_PART[0]}{os.urandom(8).hex()}{_PART[1]}")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
