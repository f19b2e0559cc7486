"""Which cases share a scene: as the data say, else as the search for near-duplicates finds."""

from __future__ import annotations

import os

from .cases import GROUPS_ALONE, DataError, Dataset, Progress

SEARCHED_AT_MOST = 2000
"""Images among which near-duplicates are looked for unasked, reckoned from 619 in 77 s: a quarter of an hour, 3 GB."""


def with_scenes(
    dataset: Dataset,
    *,
    progress: Progress | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    needed: bool = True,
) -> Dataset:
    """Return a dataset whose groups are scenes.

    Groups from a manifest or from the published BUSI split stay; where some case has none, near-duplicates
    are looked for (slow the first time) and join the groups of both.

    Parameters
    ----------
    dataset : Dataset
    progress : callable, optional
        ``progress(done, total, text)``.
    cache_dir : str or path, optional
        Where the search keeps what it found.
    needed : bool
        False: where the search can't be made, or there are more than `SEARCHED_AT_MOST` images, the groups stay as
        they are and `Dataset.groups_from` says why.

    Raises
    ------
    DataError
        If the search is needed and the package for it isn't installed.
    """
    known = dataset.groups_from
    if GROUPS_ALONE not in known:
        return dataset
    if not needed and len(dataset) > SEARCHED_AT_MOST:
        return dataset.regrouped({}, f"{known}, more than {SEARCHED_AT_MOST} images, which take hours to compare")
    try:
        from .duplicates import find_pairs, group_cases

        pairs = find_pairs(dataset, progress=progress, cache_dir=cache_dir)
    except ImportError as error:
        if not needed:
            return dataset.regrouped({}, f"{known}, {error}")
        raise DataError(f"which cases share a scene is unknown, and can't be looked for: {error}") from error
    found = f"{len(pairs)} near-duplicate pairs found"
    return dataset.regrouped(group_cases(dataset, pairs), known.replace(GROUPS_ALONE, found))
