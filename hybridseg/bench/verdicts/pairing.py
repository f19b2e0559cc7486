"""Two methods on the same cases: their scores side by side, and what can be said of the difference."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from ...metrics import (
    CaseMetric,
    Counts,
    case_metrics,
    f1,
    false_claim_probability,
    holm,
    iou,
    paired_difference,
    wilcoxon,
)
from ...text import interval_text, p_text
from ..records.cells import Record

SIGNIFICANT = 0.05

Scores = Mapping[str, float]
"""A method's score of each lesion image, by ``case_id``."""

Key = TypeVar("Key", bound=Hashable)


def metric_value(metric: CaseMetric, row: Record) -> float | None:
    """Return a lesion image's value as means take it; None where it has none, as in rows older than the metric."""
    if metric.name not in row.metrics:
        return None
    value = row.metrics[metric.name]
    return metric.missing if value is None else value


Score = Callable[[Record], float | None]


def rankings() -> dict[str, tuple[str, Score]]:
    """Return by name what methods can be compared by: how it is written, and a lesion image's score.

    More is better, and a failed prediction scores worst.
    """
    ratios: dict[str, tuple[str, Score]] = {
        "iou": ("IoU", lambda row: iou(Counts(row.tp, row.fp, row.fn, row.tn))),
        "f1": ("F1", lambda row: f1(Counts(row.tp, row.fp, row.fn, row.tn))),
    }
    ranking = {name: metric for name, metric in case_metrics().items() if metric.ranks}
    return {**ratios, **{name: (each.title, partial(metric_value, each)) for name, each in ranking.items()}}


TEST = (
    "Mean of the per-image difference over lesion images in both, with its 95 % bootstrap interval over scenes. "
    "p: two-sided sign-flip permutation test over scenes"
)


COMPARISON_TEST = (
    "Mean difference in per-image IoU with its 95 % bootstrap interval over scenes. p: two-sided sign-flip "
    "permutation test over scenes, Holm-corrected for the number of pairs."
)


@dataclass(frozen=True)
class Difference:
    """Mean score of one method minus that of another over ``cases`` lesion images of ``scenes`` scenes.

    ``p_value`` is as tested by `difference`, and corrected for the number of pairs by `differences`.
    """

    cases: int
    scenes: int
    mean: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same lesion images: mean IoU of ``first`` minus that of ``second``.

    ``better`` names the better one where the corrected p-value is below `SIGNIFICANT`; else it is empty.
    ``wilcoxon_holm`` is what Wilcoxon's signed-rank test says of the scenes' means, corrected alike: for comparison,
    nothing rests on it. ``images`` of so many ``scenes`` are behind it all. ``p_false``: the probability that the one
    with the higher mean isn't better; see `hybridseg.metrics.false_claim_probability`.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p_holm: float
    better: str
    wilcoxon_holm: float
    images: int
    scenes: int
    p_false: float


def lesion_scores(records: Iterable[Record], metric: str) -> dict[str, float]:
    """Return the score of each lesion image by its ``case_id``; one tested in several folds has their mean.

    Rows that are older than the metric have none.
    """
    score = rankings()[metric][1]
    found: dict[str, list[float]] = defaultdict(list)
    for row in records:
        value = score(row) if row.has_lesion else None
        if value is not None:
            found[row.case_id].append(value)
    return {case_id: sum(values) / len(values) for case_id, values in found.items()}


def difference(scores: Scores, other: Scores, groups: Mapping[str, str]) -> Difference | None:
    """Return ``scores`` minus ``other`` on the cases that both have; None where there is none.

    ``groups`` says each case's scene.
    """
    ours, theirs, scenes = _paired(scores, other, groups)
    if not scenes:
        return None
    result = paired_difference(ours, theirs, scenes)
    value = result.difference
    return Difference(len(scenes), len(set(scenes)), value.value, value.low, value.high, result.p_value)


def differences(pairs: Mapping[Key, tuple[Scores, Scores]], groups: Mapping[str, str]) -> dict[Key, Difference]:
    """Return the first minus the second of each pair that shares a case, p-values corrected for the number of pairs."""
    found = {key: difference(first, second, groups) for key, (first, second) in pairs.items()}
    tested = {key: result for key, result in found.items() if result is not None}
    corrected = holm([result.p_value for result in tested.values()])
    return {
        key: replace(result, p_value=float(p_value))
        for (key, result), p_value in zip(tested.items(), corrected, strict=True)
    }


def all_pairs(scores: Mapping[str, Scores]) -> dict[tuple[str, str], tuple[Scores, Scores]]:
    """Return every pair of methods, as `differences` takes them."""
    return {(a, b): (scores[a], scores[b]) for a, b in itertools.combinations(scores, 2)}


def _paired(scores: Scores, other: Scores, groups: Mapping[str, str]) -> tuple[list[float], list[float], list[str]]:
    """Return both methods' scores, and the scene, of each case that both have."""
    shared = [case_id for case_id in scores if case_id in other]
    return [scores[each] for each in shared], [other[each] for each in shared], [groups[each] for each in shared]


def compare_methods(ranked: dict[str, list[Record]]) -> tuple[list[Comparison], str]:
    """Compare every pair of methods on the lesion images that both have, the better one first.

    An image that was tested in several folds has the mean of its scores.
    """
    groups = {row.case_id: row.group for rows in ranked.values() for row in rows}
    pairs = all_pairs({method: lesion_scores(rows, "iou") for method, rows in ranked.items()})
    found = differences(pairs, groups)
    p_wilcoxon = holm([wilcoxon(*_paired(*pairs[key], groups)) for key in found])
    comparisons = [
        Comparison(
            first=first,
            second=second,
            difference=each.mean,
            low=each.low,
            high=each.high,
            p_holm=each.p_value,
            better="" if each.p_value >= SIGNIFICANT else first if each.mean > 0 else second,
            wilcoxon_holm=p_value,
            images=each.cases,
            scenes=each.scenes,
            p_false=false_claim(pairs[first, second], each, groups),
        )
        for ((first, second), each), p_value in zip(found.items(), p_wilcoxon, strict=True)
    ]
    return comparisons, COMPARISON_TEST


def false_claim(pair: tuple[Scores, Scores], found: Difference, groups: Mapping[str, str]) -> float:
    """Return how likely the one of a pair with the higher mean isn't better; ``found`` is first minus second."""
    higher, lower = pair if found.mean >= 0 else pair[::-1]
    return false_claim_probability(*_paired(higher, lower, groups))


def in_words(first: str, second: str, found: Difference, *, unit: str) -> str:
    """Return which of two is better, and by how much; ``found`` is ``first`` minus ``second``.

    >>> in_words("A", "B", Difference(9, 9, -0.02, -0.03, -0.01, 0.004), unit="IoU")
    'B is better than A by 0.020 IoU [0.010, 0.030], p = 0.004'
    >>> in_words("A", "B", Difference(9, 9, 0.001, -0.02, 0.022, 0.9), unit="IoU")
    'no detectable difference between A and B (first minus second: +0.001 IoU [-0.020, +0.022], p = 0.900)'
    """
    mean, low, high, p = found.mean, found.low, found.high, found.p_value
    if p >= SIGNIFICANT:
        change = interval_text(mean, low, high, sign="+", unit=f" {unit}")
        return f"no detectable difference between {first} and {second} (first minus second: {change}, {p_text(p)})"
    if mean < 0:
        first, second, mean, low, high = second, first, -mean, -high, -low
    return f"{first} is better than {second} by {interval_text(mean, low, high, unit=f' {unit}')}, {p_text(p)}"
