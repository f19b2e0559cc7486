"""Files that a verb writes, refused before the work rather than after it."""

from __future__ import annotations

from pathlib import Path

import click

overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")


def prepare_target(path: Path, overwrite: bool) -> None:
    """Raise unless ``path`` can be written, and is new or may be replaced; remove what killed processes left there."""
    from ..files import check_writable, remove_parts
    from ..text import printable

    if path.exists() and not path.is_dir() and not overwrite:
        raise ValueError(f"{printable(path)} exists; give --overwrite to replace it")
    check_writable(path)
    remove_parts(path.parent)
