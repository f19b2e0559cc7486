"""Two runs over the same cases, method by method."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...former import former
from ...metrics import CaseMetric, case_metrics
from ...text import printable
from ..records.cells import Record, RunError
from ..records.costs import busy_note, method_cost, run_cpus, time_note, timed_on
from ..records.folder import open_run
from .notes import scenes_note
from .origin import NOT_KNOWN_NOTE, examined_on_training, never_ran, not_known, readers, synthetic_note
from .pairing import SIGNIFICANT, TEST, differences, false_claim, in_words, lesion_scores, metric_value, rankings


@dataclass(frozen=True)
class SharedMeans:
    """Means of a metric over the ``images`` where both methods have it; None where there are none."""

    a: float | None
    b: float | None
    images: int


@dataclass(frozen=True)
class MethodPair:
    """A method of run A and one of run B on the lesion images that both have.

    Attributes
    ----------
    method_a, method_b : str
    cases, scenes : int
    mean_a, mean_b : float
        Mean score over these images.
    difference, low, high : float
        B minus A with the 95 % interval by bootstrap over scenes.
    p_holm : float
        Corrected for the number of pairs.
    better : str
        ``A``, ``B``, or empty where `p_holm` isn't below `SIGNIFICANT`.
    p_false : float
        How likely the one with the higher mean isn't better; see `hybridseg.metrics.false_claim_probability`.
    false_positives_a, false_positives_b, lesion_free : int
        Lesion-free images with a predicted pixel, and how many such images both have.
    ms_a, ms_b : float or None
        Median time per image.
    words : str
    in_mm : dict of str to SharedMeans
        Metrics in mm by name.
    """

    method_a: str
    method_b: str
    cases: int
    scenes: int
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    p_holm: float
    better: str
    p_false: float
    false_positives_a: int
    false_positives_b: int
    lesion_free: int
    ms_a: float | None
    ms_b: float | None
    words: str
    in_mm: dict[str, SharedMeans] = field(default_factory=dict, hash=False)

    hd95_mm_a = former("hd95_mm_a", 'in_mm["hd95_mm"].a', lambda pair: pair.in_mm["hd95_mm"].a)
    hd95_mm_b = former("hd95_mm_b", 'in_mm["hd95_mm"].b', lambda pair: pair.in_mm["hd95_mm"].b)
    hd95_mm_images = former("hd95_mm_images", 'in_mm["hd95_mm"].images', lambda pair: pair.in_mm["hd95_mm"].images)


@dataclass(frozen=True)
class RunComparison:
    """The result of `compare_runs`. ``notes`` go under the table, one a line.

    ``not_known`` are methods of which nobody knows whether they learned from these images.
    """

    run_a: str
    run_b: str
    metric: str
    pairs: tuple[MethodPair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    notes: tuple[str, ...]
    not_known: tuple[str, ...] = ()


class _Run:
    """A run folder, read."""

    def __init__(self, run: str | os.PathLike[str], letter: str, metric: str) -> None:
        self.letter, self.root = letter, Path(run)
        stored = open_run(run)
        self.description, self.records = stored.description, stored.records
        self.left_out, self.not_known = {**examined_on_training(stored), **never_ran(stored)}, not_known(stored)
        left_out = {*self.left_out, *readers(stored)}
        self.rows = {spec: records for spec, records in stored.rows.items() if records and spec not in left_out}
        self.cases = {record.case_id: record for record in self.records}
        self.scores = {spec: lesion_scores(records, metric) for spec, records in self.rows.items()}
        self.costs: dict[str, dict[str, Any]] = {
            method["spec"]: method_cost(stored.folder, method["key"], stored.rows[method["spec"]])
            for method in self.description["methods"]
        }

    def false_positives(self, spec: str, cases: set[str]) -> int:
        found = {row.case_id for row in self.rows[spec] if not row.has_lesion and row.fp > 0}
        return len(found & cases)

    def lesion_free(self, spec: str) -> set[str]:
        return {row.case_id for row in self.rows[spec] if not row.has_lesion}


def compare_runs(
    run_a: str | os.PathLike[str], run_b: str | os.PathLike[str], *, metric: str = "iou", every: bool = False
) -> RunComparison:
    """Compare the methods of two runs, paired by case.

    Parameters
    ----------
    run_a, run_b : path
        Run folders, whole or half done, over the same data; cases that only one has are left out and counted.
    metric : str
        A name of `hybridseg.bench.verdicts.pairing.rankings`.
    every : bool
        Compare each method of A with each of B; otherwise each with its namesake, or, where no name is in both
        runs, each with each.

    Raises
    ------
    RunError
        If a folder is no run, has no rows, or the runs are over different data.
    """
    if metric not in rankings():
        raise ValueError(f"`metric` must be one of {', '.join(rankings())}, got `{metric}`")
    a, b = _Run(run_a, "A", metric), _Run(run_b, "B", metric)
    shared_cases = _refuse_other_data(a, b)
    groups = _groups(a, b, shared_cases)
    namesakes = [(spec, spec) for spec in a.rows if spec in b.rows]
    chosen = [(first, second) for first in a.rows for second in b.rows] if every or not namesakes else namesakes
    pairs = _pairs(a, b, chosen, groups, rankings()[metric][0])
    return RunComparison(
        run_a=str(run_a),
        run_b=str(run_b),
        metric=metric,
        pairs=pairs,
        only_a=tuple(spec for spec in a.rows if spec not in b.rows),
        only_b=tuple(spec for spec in b.rows if spec not in a.rows),
        notes=(*_notes(a, b, shared_cases, chosen, pairs), *_time_note(a, b, chosen)),
        not_known=tuple(sorted({*a.not_known.intersection(a.rows), *b.not_known.intersection(b.rows)})),
    )


def _refuse_other_data(a: _Run, b: _Run) -> list[str]:
    """Return the cases that both runs have; raise `RunError` where they can't be compared."""
    shared = [case_id for case_id in a.cases if case_id in b.cases]
    names = " and ".join(f"{printable(run.root)} ({run.description['dataset']})" for run in (a, b))
    if not shared:
        raise RunError(f"{names} have no case in common: runs over different data can't be compared")
    for case_id in shared:
        sides = [
            f"{row.height} x {row.width} with {row.tp + row.fn} lesion pixels"
            for row in (a.cases[case_id], b.cases[case_id])
        ]
        if sides[0] != sides[1]:
            raise RunError(
                f"{names} are over different data: the ground truth of `{printable(case_id)}` is {sides[0]} in A, "
                f"{sides[1]} in B"
            )
    return shared


def _groups(a: _Run, b: _Run, cases: Sequence[str]) -> dict[str, str]:
    """Return each case's scene, from the run that knows more copies."""
    sides = [{case_id: run.cases[case_id].group for case_id in cases} for run in (a, b)]
    return min(sides, key=lambda groups: len(set(groups.values())))


def _pairs(
    a: _Run, b: _Run, chosen: list[tuple[str, str]], groups: dict[str, str], unit: str
) -> tuple[MethodPair, ...]:
    scores = {(first, second): (b.scores[second], a.scores[first]) for first, second in chosen}
    found = differences(scores, groups)
    pairs = []
    for (first, second), result in found.items():
        shared = [case_id for case_id in a.scores[first] if case_id in b.scores[second]]
        free = a.lesion_free(first) & b.lesion_free(second)
        same = first == second
        words = in_words("B" if same else f"{second} (B)", "A" if same else f"{first} (A)", result, unit=unit)
        better = "" if result.p_value >= SIGNIFICANT else ("B" if result.mean > 0 else "A")
        pairs.append(MethodPair(
            method_a=first,
            method_b=second,
            cases=result.cases,
            scenes=result.scenes,
            mean_a=sum(a.scores[first][each] for each in shared) / len(shared),
            mean_b=sum(b.scores[second][each] for each in shared) / len(shared),
            difference=result.mean,
            low=result.low,
            high=result.high,
            p_holm=result.p_value,
            better=better,
            p_false=false_claim(scores[first, second], result, groups),
            false_positives_a=a.false_positives(first, free),
            false_positives_b=b.false_positives(second, free),
            lesion_free=len(free),
            ms_a=a.costs[first]["ms_median"],
            ms_b=b.costs[second]["ms_median"],
            words=f"{first}: {words}" if same else words,
            in_mm={each.name: _shared_means(each, a.rows[first], b.rows[second]) for each in metrics_in_mm()},
        ))  # fmt: skip
    return tuple(pairs)


def metrics_in_mm() -> list[CaseMetric]:
    """Return the metrics that a comparison shows beside the one that is compared."""
    return [metric for metric in case_metrics().values() if metric.unit == "mm"]


def _shared_means(metric: CaseMetric, first: list[Record], second: list[Record]) -> SharedMeans:
    """Return the means of a metric of two methods on the images where both have it."""
    sides = [
        {row.case_id: value for row in rows if (value := metric_value(metric, row)) is not None}
        for rows in (first, second)
    ]
    shared = sides[0].keys() & sides[1].keys()
    if not shared:
        return SharedMeans(None, None, 0)
    means = [sum(side[key] for key in shared) / len(shared) for side in sides]
    return SharedMeans(means[0], means[1], len(shared))


def _notes(
    a: _Run, b: _Run, shared: Sequence[str], chosen: list[tuple[str, str]], pairs: Sequence[MethodPair]
) -> list[str]:
    notes = [*synthetic_note(shared), f"{TEST}, Holm-corrected for the number of pairs."]
    notes += scenes_note({pair.method_b: pair.scenes for pair in pairs})
    policies = dict.fromkeys(run.description["empty_masks"] for run in (a, b))
    notes.append(f"Empty masks: {' | '.join(policies)}")
    for run in (a, b):
        notes += [f"Left out of {run.letter}: {spec}, {words}." for spec, words in run.left_out.items()]
        left_out = len(run.cases) - len(shared)
        if left_out:
            notes.append(f"{run.letter}: {left_out} of its {len(run.cases)} cases aren't in the other run: left out.")
        expected: dict[str, int] = {}
        for cell in run.description["cells"]:
            expected[cell["method"]] = expected.get(cell["method"], 0) + cell["cases"]
        compared = {pair[run is b] for pair in chosen}
        for spec, total in expected.items():
            if spec not in compared:
                continue
            rows = run.rows.get(spec, [])
            if len(rows) < total:
                notes.append(f"INCOMPLETE: {spec} has {len(rows)} of {total} rows in {run.letter}.")
            failed = sum(bool(row.error) for row in rows)
            if failed:
                notes.append(f"{run.letter}: {failed} predictions of {spec} failed, scored as the worst mask.")
    if a.not_known.intersection(a.rows) or b.not_known.intersection(b.rows):
        notes.append(NOT_KNOWN_NOTE)
    versions = [run.description["plan"].get("hybridseg", "unknown") for run in (a, b)]
    if versions[0] != versions[1]:
        notes.append(f"Made by different versions of hybridseg: A {versions[0]}, B {versions[1]}.")
    return notes


def _time_note(a: _Run, b: _Run, chosen: list[tuple[str, str]]) -> list[str]:
    """Return the warnings about times that belong to a comparison."""
    places: dict[str, list[str]] = {}
    busy: list[str] = []
    for run, specs in ((a, [pair[0] for pair in chosen]), (b, [pair[1] for pair in chosen])):
        costs = [(f"{spec} ({run.letter})", run.costs[spec]) for spec in dict.fromkeys(specs)]
        for place, methods in timed_on(costs, run_cpus(run.description)).items():
            places.setdefault(place, []).extend(methods)
        busy += busy_note(costs)
    return [*([f"Times: {time_note(places)}"] if places else []), *busy]
