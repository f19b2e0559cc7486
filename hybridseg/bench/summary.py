"""From the rows of a run to the numbers of its tables."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import Counts, f1, group_means, holm, image_mean, iou, paired_difference
from .costs import method_cost
from .notes import notes, title
from .pairing import SIGNIFICANT
from .records import Record, RunFolder, read_cell, read_run

COMPARISON_TEST = (
    "Mean difference in per-image IoU with its 95 % bootstrap interval over scenes; p: two-sided sign-flip "
    "permutation test over scenes, Holm-corrected for the number of pairs."
)


@dataclass(frozen=True)
class MethodSummary:
    """One line of the leaderboard. Shares are in [0, 1]; None where there is nothing to count.

    Attributes
    ----------
    method : str
    as_given : bool
        A trained model that was not fitted in this run.
    cases, expected, failed : int
        Rows there are, rows that a complete run has, rows without a prediction (scored as the worst mask).
    lesion_images, scenes, lesion_free_images : int
    iou, f1 : float or None
        Means over lesion images, with 95 % intervals ``*_low`` and ``*_high`` by bootstrap over scenes.
    scene_iou, scene_f1 : float or None
        Means over scenes of each scene's mean.
    pooled_iou, pooled_f1 : float or None
        From the sums of the counts over lesion images.
    hd95_px : float or None
        Mean over the ``hd95_images`` lesion images with a prediction that isn't empty.
    nsd : float or None
        Mean over lesion images; 0 where the prediction is empty.
    missed, missed_scenes : float or None
        Share of lesion images whose prediction has no pixel in the lesion; of scenes where that is so in all.
    false_positive_rate, false_positive_area : float or None
        Of lesion-free images: share with a predicted pixel; mean share of the image's pixels predicted.
    fit_seconds : float or None
        Median over folds.
    ms_median, ms_p95, cold_ms, peak_mib, saved_bytes, threads, cores_used
        See `hybridseg.bench.measure_cost`. Without it, ``ms_*`` come from the run's own rows.
    cost_error : str
        Why the cost couldn't be measured.
    cpu : str
        Where the cost was measured; empty if it wasn't.
    parameters, multiply_adds : int or None
        Of the network inside, counted from its graph; None where there is none, or nobody counted.
    sweep : tuple of dict
        ``threads``, ``warm_ms_median``, ``warm_ms_p95``, ``cores_used``, ``peak_mib``, ``error`` of every number of
        threads that was tried.
    """

    method: str
    as_given: bool
    cases: int
    expected: int
    failed: int
    lesion_images: int
    scenes: int
    lesion_free_images: int
    iou: float | None
    iou_low: float | None
    iou_high: float | None
    f1: float | None
    f1_low: float | None
    f1_high: float | None
    scene_iou: float | None
    scene_f1: float | None
    pooled_iou: float | None
    pooled_f1: float | None
    hd95_px: float | None
    hd95_images: int
    nsd: float | None
    missed: float | None
    missed_scenes: float | None
    false_positive_rate: float | None
    false_positive_area: float | None
    fit_seconds: float | None
    ms_median: float | None
    ms_p95: float | None
    cold_ms: float | None
    peak_mib: float | None
    saved_bytes: int | None
    threads: int | None
    cores_used: float | None
    cost_error: str
    cpu: str = ""
    parameters: int | None = None
    multiply_adds: int | None = None
    sweep: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same lesion images: mean IoU of ``first`` minus that of ``second``.

    ``better`` names the better one where the corrected p-value is below `SIGNIFICANT`; else it is empty.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p_holm: float
    better: str


@dataclass(frozen=True)
class RunSummary:
    """Everything that the tables of a run say. ``notes`` go under the leaderboard, one a line."""

    title: str
    methods: tuple[MethodSummary, ...]
    notes: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    test: str


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _interval(values: Sequence[float], groups: Sequence[str]) -> tuple[float | None, float | None]:
    if not values:
        return None, None
    interval = image_mean(values, groups)
    return interval.low, interval.high


def _compare(ranked: dict[str, list[Record]]) -> tuple[list[Comparison], str]:
    """Compare every pair of methods on the lesion images that both have, the better one first."""
    found = []
    for first, second in itertools.combinations(ranked, 2):
        ours, theirs = (
            {(row.fold, row.case_id): row for row in ranked[method] if row.has_lesion} for method in (first, second)
        )
        shared = [key for key in ours if key in theirs]
        if shared:
            scores_a, scores_b = ([_iou(rows[key]) for key in shared] for rows in (ours, theirs))
            groups = [ours[key].group for key in shared]
            found.append((first, second, paired_difference(scores_a, scores_b, groups)))
    comparisons = []
    for (first, second, result), p_value in zip(found, holm([result.p_value for *_, result in found]), strict=True):
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
            )
        )
    return comparisons, COMPARISON_TEST


def _iou(row: Record) -> float:
    return iou(Counts(row.tp, row.fp, row.fn, row.tn))


def summarize(out: str | os.PathLike[str]) -> RunSummary:
    """Return the summary of a run folder; methods by falling IoU.

    Raises
    ------
    RunError
        If it isn't a run folder, or a damaged one.
    """
    folder = RunFolder(Path(out))
    description, records = read_run(out)
    by_method: dict[str, list[Record]] = {method["spec"]: [] for method in description["methods"]}
    for record in records:
        by_method[record.method].append(record)
    methods = [
        _summarize_method(folder, description, method, by_method[method["spec"]]) for method in description["methods"]
    ]
    methods.sort(key=lambda method: -1.0 if method.iou is None else -method.iou - 1.0)
    ranked = {method.method: by_method[method.method] for method in methods}
    comparisons, test = _compare(ranked)
    return RunSummary(title(description), tuple(methods), notes(description, methods), tuple(comparisons), test)


def _summarize_method(
    folder: RunFolder, description: dict[str, Any], method: dict[str, Any], records: list[Record]
) -> MethodSummary:
    lesion = [record for record in records if record.has_lesion]
    free = [record for record in records if not record.has_lesion]
    counts = [Counts(record.tp, record.fp, record.fn, record.tn) for record in lesion]
    groups = [record.group for record in lesion]
    ious, f1s = [iou(each) for each in counts], [f1(each) for each in counts]
    missed = [float(record.tp == 0) for record in lesion]
    pooled = Counts(*(sum(getattr(each, name) for each in counts) for name in ("tp", "fp", "fn", "tn")))
    distances = [record.hd95_px for record in lesion if record.hd95_px is not None]
    cells = [cell for cell in description["cells"] if cell["method"] == method["spec"]]
    iou_low, iou_high = _interval(ious, groups)
    f1_low, f1_high = _interval(f1s, groups)
    return MethodSummary(
        method=method["spec"],
        as_given=method["as_given"],
        cases=len(records),
        expected=sum(cell["cases"] for cell in cells),
        failed=sum(bool(record.error) for record in records),
        lesion_images=len(lesion),
        scenes=len(set(groups)),
        lesion_free_images=len(free),
        iou=_mean(ious),
        iou_low=iou_low,
        iou_high=iou_high,
        f1=_mean(f1s),
        f1_low=f1_low,
        f1_high=f1_high,
        scene_iou=_mean(group_means(ious, groups)),
        scene_f1=_mean(group_means(f1s, groups)),
        pooled_iou=iou(pooled) if lesion else None,
        pooled_f1=f1(pooled) if lesion else None,
        hd95_px=_mean(distances),
        hd95_images=len(distances),
        nsd=_mean([record.nsd or 0.0 for record in lesion]),
        missed=_mean(missed),
        missed_scenes=_mean([float(share == 1.0) for share in group_means(missed, groups)]),
        false_positive_rate=_mean([float(record.fp > 0) for record in free]),
        false_positive_area=_mean([record.fp / (record.height * record.width) for record in free]),
        fit_seconds=_fit_seconds(folder, cells),
        **method_cost(folder, method["key"], records),
    )


def _fit_seconds(folder: RunFolder, cells: list[dict[str, Any]]) -> float | None:
    seconds = []
    for cell in cells:
        path = folder.cell(cell["file"])
        if path.is_file():
            fit, _ = read_cell(path)
            if fit is not None and fit.seconds is not None:
                seconds.append(fit.seconds)
    return float(np.median(seconds)) if seconds else None
