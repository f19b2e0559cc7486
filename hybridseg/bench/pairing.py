"""Two methods on the same cases: their scores side by side, and what can be said of the difference."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..metrics import Counts, f1, holm, iou, paired_difference, wilcoxon
from .records import Record
from .text import p_text

SIGNIFICANT = 0.05

METRICS: dict[str, tuple[str, Callable[[Record], float]]] = {
    "iou": ("IoU", lambda row: iou(Counts(row.tp, row.fp, row.fn, row.tn))),
    "f1": ("F1", lambda row: f1(Counts(row.tp, row.fp, row.fn, row.tn))),
    "nsd": ("NSD", lambda row: row.nsd or 0.0),
}
"""By name: how it is written, and a lesion image's score. More is better; a failed prediction scores 0."""

TEST = (
    "Mean of the per-image difference over lesion images in both, with its 95 % bootstrap interval over scenes; "
    "p: two-sided sign-flip permutation test over scenes"
)


COMPARISON_TEST = (
    "Mean difference in per-image IoU with its 95 % bootstrap interval over scenes; p: two-sided sign-flip "
    "permutation test over scenes, Holm-corrected for the number of pairs."
)


@dataclass(frozen=True)
class Difference:
    """Mean score of one method minus that of another over ``cases`` lesion images of ``scenes`` scenes.

    ``p_value`` is as tested; whoever tests several corrects them.
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
    nothing rests on it.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p_holm: float
    better: str
    wilcoxon_holm: float


def lesion_scores(records: Iterable[Record], metric: str) -> dict[str, float]:
    """Return the score of each lesion image by its ``case_id``; one tested in several folds has their mean."""
    score = METRICS[metric][1]
    found: dict[str, list[float]] = defaultdict(list)
    for row in records:
        if row.has_lesion:
            found[row.case_id].append(score(row))
    return {case_id: sum(values) / len(values) for case_id, values in found.items()}


def difference(
    scores: Mapping[str, float], other: Mapping[str, float], groups: Mapping[str, str]
) -> Difference | None:
    """Return ``scores`` minus ``other`` on the cases that both have; None where there is none.

    ``groups`` says each case's scene.
    """
    shared = [case_id for case_id in scores if case_id in other]
    if not shared:
        return None
    scenes = [groups[case_id] for case_id in shared]
    result = paired_difference([scores[each] for each in shared], [other[each] for each in shared], scenes)
    value = result.difference
    return Difference(len(shared), len(set(scenes)), value.value, value.low, value.high, result.p_value)


def compare_methods(ranked: dict[str, list[Record]]) -> tuple[list[Comparison], str]:
    """Compare every pair of methods on the lesion images that both have, the better one first."""
    found = []
    for first, second in itertools.combinations(ranked, 2):
        ours, theirs = (
            {(row.fold, row.case_id): row for row in ranked[method] if row.has_lesion} for method in (first, second)
        )
        shared = [key for key in ours if key in theirs]
        if shared:
            scores_a, scores_b = ([METRICS["iou"][1](rows[key]) for key in shared] for rows in (ours, theirs))
            groups = [ours[key].group for key in shared]
            p_wilcoxon = wilcoxon(scores_a, scores_b, groups)
            found.append((first, second, paired_difference(scores_a, scores_b, groups), p_wilcoxon))
    comparisons = []
    corrected = holm([result.p_value for *_, result, _ in found]), holm([p_value for *_, p_value in found])
    for (first, second, result, _), p_value, p_wilcoxon in zip(found, *corrected, strict=True):
        difference = result.difference
        ahead = first if difference.value > 0 else second
        comparisons.append(
            Comparison(
                first,
                second,
                difference.value,
                difference.low,
                difference.high,
                p_value,
                ahead if p_value < SIGNIFICANT else "",
                p_wilcoxon,
            )
        )
    return comparisons, COMPARISON_TEST


def in_words(first: str, second: str, found: Difference, *, unit: str, p_value: float | None = None) -> str:
    """Return which of two is better, and by how much; ``found`` is ``first`` minus ``second``.

    ``p_value`` is the corrected one, if there is one.

    >>> in_words("A", "B", Difference(9, 9, -0.02, -0.03, -0.01, 0.004), unit="IoU")
    'B is better than A by 0.020 IoU [0.010, 0.030], p = 0.004'
    >>> in_words("A", "B", Difference(9, 9, 0.001, -0.02, 0.022, 0.3), unit="IoU", p_value=0.9)
    'no detectable difference between A and B (first minus second: +0.001 IoU [-0.020, +0.022], p = 0.900)'
    """
    p = found.p_value if p_value is None else p_value
    mean, low, high = found.mean, found.low, found.high
    if p >= SIGNIFICANT:
        return (
            f"no detectable difference between {first} and {second} "
            f"(first minus second: {mean:+.3f} {unit} [{low:+.3f}, {high:+.3f}], {p_text(p)})"
        )
    if mean < 0:
        first, second, mean, low, high = second, first, -mean, -high, -low
    return f"{first} is better than {second} by {mean:.3f} {unit} [{low:.3f}, {high:.3f}], {p_text(p)}"
