"""From the rows of a run to the numbers of its tables."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.phantoms import is_phantom
from ...former import former_keyword
from ...metrics import (
    CaseMetric,
    Counts,
    Estimate,
    bootstrap_ratio,
    case_metrics,
    f1,
    group_means,
    image_mean,
    iou,
    mean_iou_two_class,
    precision,
    recall,
)
from ..records.cells import Record
from ..records.costs import method_cost
from ..records.folder import StoredRun, open_run
from .methods import Ceiling, MethodSummary, MetricMean, RunSummary, SetScores
from .notes import choosing_notes, ignored_note, lesion_note, notes, scenes_note, scenes_of, title
from .origin import count_seen, readers, synthetic_note
from .pairing import compare_methods, difference, lesion_scores, metric_value


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _with_interval(name: str, values: Sequence[float], groups: Sequence[str]) -> dict[str, Any]:
    """Return a mean and the ends of its interval, as `MethodSummary` names them."""
    interval = image_mean(values, groups) if values else None
    low, high = (interval.low, interval.high) if interval else (None, None)
    return {name: _mean(values), f"{name}_low": low, f"{name}_high": high}


def _counts(row: Record) -> Counts:
    return Counts(row.tp, row.fp, row.fn, row.tn)


@former_keyword("out", "run")
def summarize(run: str | os.PathLike[str], *, empty: float | None = None) -> RunSummary:
    """Return the summary of a run folder: methods by falling IoU, those without a rank last.

    Parameters
    ----------
    run : path
    empty : float, optional
        What an empty prediction on a lesion-free image scores in ``all_iou`` and ``all_f1``; such images are in no mean
        if not given. The headline never holds them.

    Raises
    ------
    RunError
        If it isn't a run folder, or a damaged one.
    """
    return summarize_run(open_run(run, may_be_empty=True), empty=empty)


def summarize_run(run: StoredRun, *, empty: float | None = None) -> RunSummary:
    """Return the summary of a run that was read; see `summarize`."""
    description, by_method = run.description, run.rows
    methods = [_summarize_method(run, method, empty) for method in description["methods"]]
    read = {name: by_method[name] for name in readers(run)}
    several = bool(description.get("sources"))  # where one case is in one fold for one training, another for the next
    cases = {
        name: frozenset((0 if several else row.fold, row.case_id) for row in rows) for name, rows in by_method.items()
    }
    scored = {name: each for name, each in cases.items() if each and name not in read}
    most = _of_most(list(scored.values()))
    methods = [replace(each, other_cases=scored.get(each.method, most) != most) for each in methods]
    methods.sort(key=_place)
    compared = {method.method: by_method[method.method] for method in methods if method.is_compared}
    comparisons, test = compare_methods(compared)
    under = notes(description, methods, list(scored.values()), empty)
    under += choosing_notes(description, run.fits) + lesion_note(methods) + ignored_note(run.records)
    under = synthetic_note(record.case_id for record in run.records) + under + scenes_note(scenes_of(methods))
    heading = title(description, cases.values())
    return RunSummary(heading, tuple(methods), under, tuple(comparisons), test, _ceilings(compared, read))


def _of_most(cases: Sequence[frozenset[tuple[int, str]]]) -> frozenset[tuple[int, str]]:
    """Return the cases that most methods were scored on; the larger set if two have as many methods."""
    times = Counter(cases)
    return max(times, key=lambda each: (times[each], len(each)), default=frozenset())


def _place(method: MethodSummary) -> tuple[bool, bool, float]:
    return not method.is_ranked, not method.is_compared, -1.0 if method.iou is None else -method.iou - 1.0


def _ceilings(compared: dict[str, list[Record]], readers_rows: dict[str, list[Record]]) -> tuple[Ceiling, ...]:
    groups = {row.case_id: row.group for rows in compared.values() for row in rows}
    found = []
    for reader, read in readers_rows.items():
        for method, rows in compared.items():
            theirs, ours = lesion_scores(read, "iou"), lesion_scores(rows, "iou")
            between = difference(theirs, ours, groups)
            if between is not None:
                mean = float(np.mean([theirs[case_id] for case_id in theirs if case_id in ours]))
                found.append(Ceiling(
                    reader, method, between.cases, mean, mean - between.mean, between.mean, between.low, between.high,
                    between.scenes,
                ))  # fmt: skip
    return tuple(found)


def _summarize_method(run: StoredRun, method: dict[str, Any], empty: float | None) -> MethodSummary:
    description, records = run.description, run.rows[method["spec"]]
    lesion = [record for record in records if record.has_lesion]
    free = [record for record in records if not record.has_lesion]
    counts = [_counts(record) for record in lesion]
    every = [_counts(record) for record in records]
    groups = [record.group for record in lesion]
    ious, f1s = [iou(each) for each in counts], [f1(each) for each in counts]
    missed = [float(record.tp == 0) for record in lesion]
    pooled = sum(counts, Counts(0, 0, 0, 0))
    return MethodSummary(
        method=method["spec"],
        as_given=method["as_given"],
        seen=count_seen(method, records),
        cases=len(records),
        expected=sum(cell["cases"] for cell in description["cells"] if cell["method"] == method["spec"]),
        failed=sum(bool(record.error) for record in records),
        lesion_images=len(lesion),
        scenes=len(set(groups)),
        lesion_free_images=len(free),
        **_with_interval("iou", ious, groups),
        **_with_interval("f1", f1s, groups),
        scene_iou=_mean(group_means(ious, groups)),
        scene_f1=_mean(group_means(f1s, groups)),
        pooled_iou=iou(pooled) if lesion else None,
        pooled_f1=f1(pooled) if lesion else None,
        precision=_mean([precision(each, empty=0.0) for each in counts]),
        recall=_mean([recall(each) for each in counts]),
        pooled_precision=precision(pooled, empty=0.0) if lesion else None,
        pooled_recall=recall(pooled) if lesion else None,
        mean_iou_two_class=mean_iou_two_class(sum(every, Counts(0, 0, 0, 0))) if records else None,
        metrics={name: _metric_mean(metric, lesion) for name, metric in case_metrics().items()},
        missed=_mean(missed),
        missed_scenes=_mean([float(share == 1.0) for share in group_means(missed, groups)]),
        false_positive_rate=_mean([float(record.fp > 0) for record in free]),
        false_positive_area=_mean([record.fp / (record.height * record.width) for record in free]),
        fit_seconds=_median([fit.seconds for fit in run.fits[method["spec"]] if fit.seconds is not None]),
        all_iou=None if empty is None else _mean([iou(each, empty=empty) for each in every]),
        all_f1=None if empty is None else _mean([f1(each, empty=empty) for each in every]),
        trained_on=method.get("trained_on", ""),
        sets=_summarize_sets(description, records),
        **_lesions(records),
        is_reader=method.get("reader", False),
        synthetic=sum(is_phantom(record.case_id) for record in records),
        **method_cost(run.folder, method["key"], records),
    )


def _metric_mean(metric: CaseMetric, lesion: Sequence[Record]) -> MetricMean:
    values = [value for record in lesion if (value := metric_value(metric, record)) is not None]
    return MetricMean(_mean(values), len(values))


def _summarize_sets(description: dict[str, Any], records: Sequence[Record]) -> tuple[SetScores, ...]:
    by_set = {name: [row for row in records if row.tested_on == name] for name in description.get("sources", ())}
    return tuple(_summarize_set(name, rows) for name, rows in by_set.items() if rows)


def _summarize_set(name: str, records: Sequence[Record]) -> SetScores:
    lesion = [record for record in records if record.has_lesion]
    free = [record for record in records if not record.has_lesion]
    groups = [record.group for record in lesion]
    return SetScores(
        tested_on=name,
        trained_on=" or ".join(dict.fromkeys(record.trained_on for record in records)),
        lesion_images=len(lesion),
        scenes=len(set(groups)),
        **_with_interval("iou", [iou(_counts(each)) for each in lesion], groups),
        **_with_interval("f1", [f1(_counts(each)) for each in lesion], groups),
        missed=_mean([float(record.tp == 0) for record in lesion]),
        lesion_free_images=len(free),
        false_positive_rate=_mean([float(record.fp > 0) for record in free]),
        false_positive_area=_mean([record.fp / (record.height * record.width) for record in free]),
        seen=sum(bool(record.seen) for record in records),
    )


def _lesions(records: Sequence[Record]) -> dict[str, Any]:
    """Return the summary's values on single lesions; none if a row is from before these were counted."""
    counted = [
        (row.lesions_found, row.lesions_missed, row.false_regions, row.group)
        for row in records
        if row.lesions_found is not None and row.lesions_missed is not None and row.false_regions is not None
    ]
    if not counted or len(counted) < len(records):
        return {}
    found, missed, false, groups = zip(*counted, strict=True)
    regions = [2 * each + missed[place] + false[place] for place, each in enumerate(found)]
    score: Estimate | None = bootstrap_ratio([2 * each for each in found], regions, groups) if any(regions) else None
    values = {"lesions": sum(found) + sum(missed), "lesions_found": sum(found), "false_regions": sum(false)}
    if score is None:
        return values
    return {**values, "lesion_f1": score.value, "lesion_f1_low": score.low, "lesion_f1_high": score.high}


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None
