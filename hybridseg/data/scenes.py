"""Which cases share a scene: as the data say, else as the search for near-duplicates finds."""

from __future__ import annotations

import os

from .cases import GROUPS_ALONE, DataError, Dataset, Progress


def with_scenes(
    dataset: Dataset, *, progress: Progress | None = None, cache_dir: str | os.PathLike[str] | None = None
) -> Dataset:
    """Return a dataset whose groups are scenes.

    Groups from a manifest or from the published BUSI split stay; where some case has none, near-duplicates
    are looked for (slow the first time) and joined into groups.

    Parameters
    ----------
    dataset : Dataset
    progress : callable, optional
        ``progress(done, total, text)``.
    cache_dir : str or path, optional
        Where the search keeps what it found.

    Raises
    ------
    DataError
        If the search needs a package that isn't installed.
    """
    if GROUPS_ALONE not in dataset.groups_from:
        return dataset
    try:
        from .duplicates import find_pairs, group_cases

        pairs = find_pairs(dataset, progress=progress, cache_dir=cache_dir)
    except ImportError as error:
        raise DataError(f"which cases share a scene is unknown, and can't be looked for: {error}") from error
    return dataset.regrouped(group_cases(dataset, pairs), f"{len(pairs)} near-duplicate pairs found")
