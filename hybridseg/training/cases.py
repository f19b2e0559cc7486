"""The cases that a training learns from, and those that it holds out for itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images import find_scan
from .sampling import TrainingData
from .working import to_working

MAX_HELD_OUT = 500
NO_LESION = "`masks` must hold at least one lesion pixel in a scan (`find_scan`), got none"
WORKING_FILES = ("images.npy", "masks.npy")
"""What a training reads from, in its checkpoint folder, while it lasts."""


def working_cases(
    images: Sequence[NDArray[np.uint8]],
    masks: Sequence[NDArray[np.bool_]],
    size: int,
    folder: Path | None,
    groups: Sequence[Any] | None = None,
) -> TrainingData:
    """Return the cases at one size: in files below ``folder``, which needn't fit in memory, or in memory.

    Without ``groups`` each case is a group of its own.
    """
    shape = len(images), size, size
    if folder is None:
        small_images, small_masks = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        small_images, small_masks = (
            np.lib.format.open_memmap(folder / name, "w+", np.uint8, shape) for name in WORKING_FILES
        )
    for k in range(len(images)):
        image = images[k]
        scan = find_scan(image)
        small_images[k] = np.rint(to_working(image[scan], size))
        small_masks[k] = np.rint(255 * to_working(masks[k][scan], size))
    cases = np.arange(len(images))
    known: dict[Any, int] = {}
    numbers = cases if groups is None else np.array([known.setdefault(group, len(known)) for group in groups], np.intp)
    return TrainingData(small_images, small_masks, cases, numbers)


def set_apart(
    data: TrainingData,
    images: Sequence[NDArray[np.uint8]],
    masks: Sequence[NDArray[np.bool_]],
    groups: list[Any] | None,
    share: float,
    random_state: int,
) -> tuple[TrainingData, tuple[list[NDArray[np.uint8]], list[NDArray[np.bool_]]]]:
    """Return the cases left to learn from, and native images and masks of the groups held out; see `hold_out`."""
    held_out = hold_out(data.has_lesion, groups, share, random_state)
    places = [int(k) for k in np.flatnonzero(held_out)]
    return data.select(np.flatnonzero(~held_out)), ([images[k] for k in places], [masks[k] for k in places])


def hold_out(
    has_lesion: NDArray[np.bool_], groups: list[Any] | None, share: float, random_state: int
) -> NDArray[np.bool_]:
    """Return which cases are held out: whole groups, about ``share`` of the lesion and of the lesion-free cases.

    `MAX_HELD_OUT` of each at most, since their native pixels are in memory together. At least one group with a lesion
    is held out, and at least one isn't.

    Raises
    ------
    ValueError
        If there are not two groups with a lesion.
    """
    keys = list(range(len(has_lesion))) if groups is None else groups
    members: dict[Any, list[int]] = {}
    for case, key in enumerate(keys):
        members.setdefault(key, []).append(case)
    with_lesion = [cases for cases in members.values() if has_lesion[cases].any()]
    if len(with_lesion) < 2:
        what = "to hold one out for validation"
        raise ValueError(f"`groups` must name at least 2 groups with a lesion, {what}, got {len(with_lesion)}")
    rng = np.random.default_rng(random_state)
    held_out = np.zeros(len(has_lesion), bool)
    for lesion in (True, False):
        kind = [cases for cases in members.values() if has_lesion[cases].any() == lesion]
        total = sum(len(cases) for cases in kind)
        wanted = min(MAX_HELD_OUT, max(1, round(share * total)) if lesion else round(share * total))
        if len(kind) < 2:
            continue
        for position in rng.permutation(len(kind)):
            if wanted <= 0:
                break
            if len(kind[position]) <= max(wanted, 1):
                held_out[kind[position]] = True
                wanted -= len(kind[position])
        if not held_out.any():  # every group with a lesion is larger than the share: the smallest one goes
            held_out[min(with_lesion, key=len)] = True
    if all(held_out[cases].all() for cases in with_lesion):  # a share near 1: the largest one stays
        held_out[max(with_lesion, key=len)] = False
    return held_out
