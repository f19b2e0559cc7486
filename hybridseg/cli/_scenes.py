"""Options by which a command is told which cases share a scene, and the search for them with its progress line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._progress import progress_line

if TYPE_CHECKING:
    from ..data import Dataset

cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to keep the near-duplicates that were found [default: the user's cache].",
)


def scene_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--as-read`` and ``--cache`` to a command."""
    return click.option(
        "--as-read",
        is_flag=True,
        help="Take the groups as the data give them. Don't look for near-duplicates where they give none.",
    )(cache_option(command))


def find_scenes(dataset: Dataset, as_read: bool, cache: Path | None, *, needed: bool = False) -> Dataset:
    """Return a dataset whose groups are scenes: what it doesn't say itself is looked for, unless ``as_read``.

    ``needed``: refuse where the search can't be made, rather than say under the table that nobody looked.
    """
    from ..data.scenes import cache_folder, with_scenes

    if as_read or dataset.ungrouped is None:
        return dataset
    with progress_line("comparing") as progress:
        return with_scenes(dataset, progress=progress, cache_dir=cache_folder(cache), needed=needed)
