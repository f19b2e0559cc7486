"""What a training shows: its cases, their order in an epoch, and their augmented batches.

Every draw derives from (random_state, epoch, position).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .augment import augment

Teacher = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.float32]]
"""From an image (S, S), uint8, to a probability (S, S), float32; several teachers draw who answers."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a training, apart from the data; ``network`` says which one."""

    network: dict[str, Any]
    size: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    ema_decay: float
    lesion_free_share: float
    patience: int
    random_state: int
    teacher_share: float = 0.0
    window_share: float = 0.0
    mixed_share: float = 0.0
    images_per_group: int | None = None
    lesion_free_dice: bool = True


@dataclass
class TrainingData:
    """Working-size cases: images uint8 (n, S, S) in 0..255, masks uint8 (n, S, S) in 0..255 for 0..1.

    The arrays may be files that don't fit in memory. ``cases`` are the rows of them that belong to it, and ``groups``
    number the group (patient, scene) of each case.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    cases: NDArray[np.intp]
    groups: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.cases)

    def select(self, positions: NDArray[np.intp]) -> TrainingData:
        """Return the cases at these positions; the arrays are shared."""
        return TrainingData(self.images, self.masks, self.cases[positions], self.groups[positions])

    @cached_property
    def has_lesion(self) -> NDArray[np.bool_]:
        """Whether each case has a lesion."""
        return np.array([bool(self.masks[case].any()) for case in self.cases])

    def content_hash(self) -> str:
        """Return a SHA-256 (hex) over the cases' pixels."""
        digest = hashlib.sha256(repr((len(self), *self.images.shape[1:])).encode())
        for array in (self.images, self.masks):
            for case in self.cases:
                digest.update(array[case].tobytes())
        return digest.hexdigest()


def epoch_order(recipe: Recipe, data: TrainingData, epoch: int) -> NDArray[np.intp]:
    """Return the positions of an epoch's cases; beyond ``len(data)``, those whose lesion-free window is shown.

    Every lesion case comes once, or ``images_per_group`` of each group. Lesion-free pictures have their share:
    ``window_share`` of them are windows of lesion cases, the others whole lesion-free cases.
    """
    rng = np.random.default_rng([recipe.random_state, epoch])
    lesion, free = rng.permutation(np.flatnonzero(data.has_lesion)), np.flatnonzero(~data.has_lesion)
    windows = len(data) + rng.permutation(lesion)
    if recipe.images_per_group is not None:
        lesion = lesion[_rank_in_group(data.groups[lesion]) < recipe.images_per_group]
    share = recipe.lesion_free_share
    wanted = round(share / (1 - share) * len(lesion)) if len(lesion) else len(free)
    wanted_windows = round(recipe.window_share * wanted)
    wanted = wanted - wanted_windows if len(free) else 0
    drawn = [rng.permutation(free) for _ in range(-(-wanted // max(1, len(free))))]
    order = np.concatenate([lesion, *drawn])[: len(lesion) + wanted]
    return rng.permutation(np.concatenate([order, windows[:wanted_windows]]))


def _rank_in_group(groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many of the same group come before each."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    ranks = np.empty(len(groups), np.intp)
    ranks[order] = np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))
    return ranks


def batches(
    recipe: Recipe, data: TrainingData, epoch: int, teacher: Teacher | None = None
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield augmented batches of an epoch: pictures (n, S, S, 1), and what they teach, (n, S, S, 2).

    That is the lesion share; then, the same at every pixel, whether Dice loss counts: 1 or 0. The next batch is
    prepared while one is used.
    """
    order = epoch_order(recipe, data, epoch)
    size = min(recipe.batch_size, len(order))

    def prepare(first: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        pairs = []
        for position in range(first, first + size):
            rng = np.random.default_rng([recipe.random_state, epoch, position])
            window, place = divmod(order[position], len(data))
            case = data.cases[place]
            mixed = data.images[data.cases[rng.integers(len(data))]] if recipe.mixed_share else None
            image, mask = augment(
                data.images[case], data.masks[case], rng, recipe.size,
                window=bool(window), other=mixed, mixed_share=recipe.mixed_share,
            )  # fmt: skip
            has_dice = recipe.lesion_free_dice or data.has_lesion[place]
            if teacher is not None:
                answer = teacher(np.rint(image).astype(np.uint8), rng)
                mask = mask + np.float32(recipe.teacher_share) * (answer - mask)
            pairs.append((image[..., None], np.stack([mask, np.full_like(mask, has_dice)], axis=-1)))
        return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])

    starts = range(0, len(order) - size + 1, size)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(prepare, 0)
        for start in starts:
            batch = coming.result()
            if start + 2 * size <= len(order):
                coming = pool.submit(prepare, start + size)
            yield batch
