"""From the rows of a run to the numbers of its tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import (
    Counts,
    f1,
    group_means,
    image_mean,
    iou,
    mean_iou_two_class,
    precision,
    recall,
)
from .costs import method_cost
from .notes import ignored_note, notes, title
from .pairing import Comparison, compare_methods
from .records import Record, RunFolder, read_cell, read_run


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
    precision, recall : float or None
        Means over lesion images; an empty prediction has precision 0.
    pooled_precision, pooled_recall : float or None
        From the sums of the counts over lesion images.
    mean_iou_two_class : float or None
        Keras' ``MeanIoU(2)`` over the pixels of all images, background a class of its own: only to compare with others.
    hd95_px : float or None
        Mean over the ``hd95_images`` lesion images with a prediction that isn't empty.
    hd95_mm, hd95_mm_images
        The same in mm, over images that tell the distance between their pixels.
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
    all_iou, all_f1 : float or None
        Means over all images under the policy that `summarize` was given for lesion-free ones; None if it leaves them
        out.
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
    precision: float | None
    recall: float | None
    pooled_precision: float | None
    pooled_recall: float | None
    mean_iou_two_class: float | None
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
    all_iou: float | None = None
    all_f1: float | None = None
    hd95_mm: float | None = None
    hd95_mm_images: int = 0


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


def _counts(row: Record) -> Counts:
    return Counts(row.tp, row.fp, row.fn, row.tn)


def summarize(out: str | os.PathLike[str], *, empty: float | None = None) -> RunSummary:
    """Return the summary of a run folder; methods by falling IoU.

    Parameters
    ----------
    out : path
    empty : float, optional
        What an empty prediction on a lesion-free image scores in ``all_iou`` and ``all_f1``; such images are in no mean
        if not given. The headline never holds them.

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
        _summarize_method(folder, description, method, by_method[method["spec"]], empty)
        for method in description["methods"]
    ]
    methods.sort(key=lambda method: -1.0 if method.iou is None else -method.iou - 1.0)
    ranked = {method.method: by_method[method.method] for method in methods}
    comparisons, test = compare_methods(ranked)
    cases = {spec: {(row.fold, row.case_id) for row in rows} for spec, rows in by_method.items()}
    under = notes(description, methods, [each for each in cases.values() if each], empty) + ignored_note(records)
    return RunSummary(title(description, cases.values()), tuple(methods), under, tuple(comparisons), test)


def _summarize_method(
    folder: RunFolder,
    description: dict[str, Any],
    method: dict[str, Any],
    records: list[Record],
    empty: float | None,
) -> MethodSummary:
    lesion = [record for record in records if record.has_lesion]
    free = [record for record in records if not record.has_lesion]
    counts = [_counts(record) for record in lesion]
    every = [_counts(record) for record in records]
    groups = [record.group for record in lesion]
    ious, f1s = [iou(each) for each in counts], [f1(each) for each in counts]
    missed = [float(record.tp == 0) for record in lesion]
    pooled = sum(counts, Counts(0, 0, 0, 0))
    distances = [record.hd95_px for record in lesion if record.hd95_px is not None]
    distances_mm = [record.hd95_mm for record in lesion if record.hd95_mm is not None]
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
        precision=_mean([precision(each, empty=0.0) for each in counts]),
        recall=_mean([recall(each) for each in counts]),
        pooled_precision=precision(pooled, empty=0.0) if lesion else None,
        pooled_recall=recall(pooled) if lesion else None,
        mean_iou_two_class=mean_iou_two_class(sum(every, Counts(0, 0, 0, 0))) if records else None,
        hd95_px=_mean(distances),
        hd95_images=len(distances),
        hd95_mm=_mean(distances_mm),
        hd95_mm_images=len(distances_mm),
        nsd=_mean([record.nsd or 0.0 for record in lesion]),
        missed=_mean(missed),
        missed_scenes=_mean([float(share == 1.0) for share in group_means(missed, groups)]),
        false_positive_rate=_mean([float(record.fp > 0) for record in free]),
        false_positive_area=_mean([record.fp / (record.height * record.width) for record in free]),
        fit_seconds=_fit_seconds(folder, cells),
        all_iou=None if empty is None else _mean([iou(each, empty=empty) for each in every]),
        all_f1=None if empty is None else _mean([f1(each, empty=empty) for each in every]),
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
