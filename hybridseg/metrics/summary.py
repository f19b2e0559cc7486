"""Reductions, last and named: per-image mean, per-scene mean, pooled over pixels, each with its interval.

All of them are a sum over groups divided by another, so one bootstrap over groups serves all. Copies of a scene are
drawn together, as one draw of a patient would bring them.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .counts import Counts

DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its interval."""

    value: float
    low: float
    high: float


def group_indices(groups: Sequence[Hashable]) -> tuple[NDArray[np.intp], int]:
    """Return each case's group as 0..G-1 in order of first appearance, and G."""
    numbers: dict[Hashable, int] = {}
    indices = np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.intp)
    return indices, len(numbers)


@functools.lru_cache(maxsize=4)  # a table asks for the same draws again and again; making them takes longest
def group_weights(n_groups: int, draws: int, seed: int) -> NDArray[np.float64]:
    """Return how often each group is drawn in each bootstrap sample: (draws, G), rows adding up to G, read-only."""
    if draws < 1:
        raise ValueError(f"`draws` must be at least 1, got {draws}")
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=draws).astype(np.float64)
    weights.setflags(write=False)
    return weights


def bootstrap_ratio(
    numerators: ArrayLike,
    denominators: ArrayLike,
    groups: Sequence[Hashable],
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Estimate:
    """Return ``sum(numerators) / sum(denominators)`` with its percentile bootstrap interval over groups.

    Parameters
    ----------
    numerators, denominators : array of shape (n,), float
        One value per case. Denominators of 1 make the per-image mean.
    groups : sequence of length n
    draws, level, seed
        Bootstrap samples, coverage, and the generator's seed. After B. Efron (1979, doi 10.1214/aos/1176344552).

    Raises
    ------
    ValueError
        If there is no case, lengths differ, or a value isn't finite: a missing result is scored, never left out.
    """
    top, bottom = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    if top.ndim != 1 or top.shape != bottom.shape or len(groups) != len(top):
        raise ValueError(
            f"values, denominators and groups must be of one length, got {top.shape}, {bottom.shape}, {len(groups)}"
        )
    if not len(top):
        raise ValueError("there must be at least one case, got none")
    if not (np.isfinite(top).all() and np.isfinite(bottom).all()):
        raise ValueError("values must be finite: score a missing result as a miss, don't leave it out")
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie between 0 and 1, got {level}")
    if bottom.sum() <= 0:
        raise ValueError("denominators must add up to more than 0")
    index, count = group_indices(groups)
    top_sums, bottom_sums = (np.bincount(index, each, count) for each in (top, bottom))
    weights = group_weights(count, draws, seed)
    drawn_bottom = weights @ bottom_sums
    usable = drawn_bottom > 0  # a sample may hold only groups that weigh nothing
    samples = (weights @ top_sums)[usable] / drawn_bottom[usable]
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(samples, [tail, 100 - tail])
    return Estimate(float(top.sum() / bottom.sum()), float(low), float(high))


def image_mean(values: ArrayLike, groups: Sequence[Hashable], **bootstrap: float) -> Estimate:
    """Return the mean over images, the headline, with its interval. Keywords as in `bootstrap_ratio`."""
    values = np.asarray(values, np.float64)
    return bootstrap_ratio(values, np.ones_like(values), groups, **bootstrap)  # type: ignore[arg-type]


def scene_mean(values: ArrayLike, groups: Sequence[Hashable], **bootstrap: float) -> Estimate:
    """Return the mean over groups of each group's mean: copies of a scene share one vote."""
    means = group_means(values, groups)
    return bootstrap_ratio(means, np.ones_like(means), range(len(means)), **bootstrap)  # type: ignore[arg-type]


def group_means(values: ArrayLike, groups: Sequence[Hashable]) -> NDArray[np.float64]:
    """Return each group's mean, in order of first appearance."""
    index, count = group_indices(groups)
    return np.bincount(index, np.asarray(values, np.float64), count) / np.bincount(index, minlength=count)


def pooled_iou(counts: Sequence[Counts], groups: Sequence[Hashable], **bootstrap: float) -> Estimate:
    """Return IoU over all pixels together: large lesions weigh more."""
    return bootstrap_ratio(
        [c.tp for c in counts],
        [c.tp + c.fp + c.fn for c in counts],
        groups,
        **bootstrap,  # type: ignore[arg-type]
    )


def pooled_f1(counts: Sequence[Counts], groups: Sequence[Hashable], **bootstrap: float) -> Estimate:
    """Return F1 over all pixels together."""
    return bootstrap_ratio(
        [2 * c.tp for c in counts],
        [2 * c.tp + c.fp + c.fn for c in counts],
        groups,
        **bootstrap,  # type: ignore[arg-type]
    )


def wilson_interval(successes: int, n: int) -> Estimate:
    """Return a share with its 95 % score interval (E. Wilson 1927, doi 10.1080/01621459.1927.10502953)."""
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"`successes` must lie in 0..n with n at least 1, got {successes} of {n}")
    z = 1.959963984540054
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Estimate(share, max(0.0, float(centre - half)), min(1.0, float(centre + half)))
