"""Is A better than B? Paired tests on the same cases, over groups, corrected for how many pairs were asked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .summary import DRAWS, LEVEL, Estimate, group_indices, group_means, group_weights, image_mean

FLIPS = 10_000


@dataclass(frozen=True)
class PairedDifference:
    """Mean of A minus B over images with its bootstrap interval over groups, and the permutation test's p-value."""

    difference: Estimate
    p_value: float


def paired_difference(
    values_a: ArrayLike,
    values_b: ArrayLike,
    groups: Sequence[Hashable],
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    flips: int = FLIPS,
    seed: int = 0,
) -> PairedDifference:
    """Compare two methods on the same images.

    Parameters
    ----------
    values_a, values_b : array of shape (n,), float
        A score per image, in the same order.
    groups : sequence of length n
    draws, level
        Of the bootstrap interval.
    flips : int
        Random sign changes of the two-sided permutation test; a group's images change sign together, since copies of
        a scene are not independent. The smallest p-value is ``1 / (flips + 1)`` (B. Phipson and G. Smyth 2010,
        doi 10.2202/1544-6115.1585).
    seed : int
    """
    if flips < 1:
        raise ValueError(f"`flips` must be at least 1, got {flips}")
    differences = _differences(values_a, values_b)
    difference = image_mean(differences, groups, draws=draws, level=level, seed=seed)
    index, count = group_indices(groups)
    sums = np.bincount(index, differences, count)
    rng = np.random.default_rng(seed)
    signs = rng.integers(0, 2, (flips, count), dtype=np.int8) * 2 - 1
    flipped = np.abs(signs @ sums)
    # Sums of the same numbers in another order may differ in the last bit; equal ones must count as equal.
    as_extreme = np.count_nonzero(flipped >= np.abs(sums.sum()) - 1e-9 * np.abs(sums).sum())
    return PairedDifference(difference, (1 + as_extreme) / (1 + flips))


def wilcoxon(values_a: ArrayLike, values_b: ArrayLike, groups: Sequence[Hashable]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test on group means (1945, doi 10.2307/3001968).

    1 where the methods agree on every group.
    """
    from scipy import stats

    differences = group_means(_differences(values_a, values_b), groups)
    if not len(differences) or not np.isfinite(differences).all():
        raise ValueError("there must be at least one case, and values must be finite")
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)


def false_claim_probability(values_a: ArrayLike, values_b: ArrayLike, groups: Sequence[Hashable]) -> float:
    """Return the probability that "A is better than B" is false, given their scores on the same images.

    The posterior of the mean difference under a prior that knows nothing: Student's t with n - 1 degrees of freedom
    over the differences of n group means (E. Christodoulou et al. 2025, False Promises in Medical Imaging AI?
    Assessing Validity of Outperformance Claims, arXiv:2505.04720, their equation for segmentation). Copies of a scene
    are one of the n here. 0.5 where there is one group, or nothing differs.
    """
    from scipy import stats

    differences = group_means(_differences(values_a, values_b), groups)
    mean, count = float(differences.mean()), len(differences)
    if count < 2 or mean == 0:
        return 0.5
    spread = max(float(differences.std(ddof=1)), 1e-12)
    return float(stats.t.sf(mean * np.sqrt(count) / spread, count - 1))


def _differences(values_a: ArrayLike, values_b: ArrayLike) -> NDArray[np.float64]:
    first, second = np.asarray(values_a, np.float64), np.asarray(values_b, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"`values_a` and `values_b` must be of one shape, got {first.shape} and {second.shape}")
    return first - second


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (S. Holm 1979, Scandinavian Journal of Statistics 6:65-70).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for position, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - position) * p_values[index]))
        corrected[index] = highest
    return corrected


def rank_stability(
    values: ArrayLike, groups: Sequence[Hashable], *, draws: int = DRAWS, seed: int = 0
) -> NDArray[np.float64]:
    """Return in what share of bootstrap samples each method takes each rank.

    Parameters
    ----------
    values : array of shape (methods, n), float
        A score per method and image, larger is better.
    groups : sequence of length n

    Returns
    -------
    ndarray of shape (methods, methods), float64
        Row: method; column: rank, best first. Methods that tie take the order in which they are given.
    """
    table = np.asarray(values, np.float64)
    index, count = group_indices(groups)
    if table.ndim != 2 or table.shape[1] != len(index):
        raise ValueError(f"`values` must be of shape (methods, {len(index)}), got {table.shape}")
    if not table.size or not np.isfinite(table).all():
        raise ValueError("`values` must hold at least one method and case, and be finite")
    weights = group_weights(count, draws, seed)
    sums = np.stack([np.bincount(index, row, count) for row in table])
    order = np.argsort(-(weights @ sums.T), axis=1, kind="stable")
    shares = np.zeros((len(table), len(table)))
    for rank in range(len(table)):
        shares[:, rank] = np.bincount(order[:, rank], minlength=len(table)) / draws
    return shares
