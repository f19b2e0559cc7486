"""Which model to take from a run under a budget of time and size."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...metrics import image_mean
from ...text import printable
from ..records.cells import Record, RunError
from ..records.costs import busy_note, method_cost, run_cpus, time_note, timed_on
from ..records.folder import StoredRun, open_run
from .budget import Budget, Candidate, excess, most_accurate, neighbours, pareto_front
from .notes import scenes_note
from .origin import NOT_KNOWN_NOTE, examined_on_training, never_ran, not_known, readers, synthetic_note
from .pairing import Difference, all_pairs, differences, lesion_scores


@dataclass(frozen=True)
class Recommendation:
    """The result of `recommend_method`.

    Attributes
    ----------
    metric : str
    chosen : Candidate or None
        None where nothing fits.
    nearest : Candidate or None
        What misses the budget least, where nothing fits.
    best : Candidate
        The most accurate of all with a cost, whatever it costs.
    price : Difference or None
        ``best`` minus ``chosen`` on the same images; None where they are one, or share none. Here and below p-values
        are corrected for all pairs of the run's methods, as its report's are.
    front : tuple of Candidate
        Those that no other beats in accuracy and in what the budget limits, by rising accuracy.
    cheaper, better : Candidate or None
        The chosen one's neighbours on the front; ``cheaper`` is one that keeps the budget's time and size.
    to_cheaper, to_better : Difference or None
        ``chosen`` minus ``cheaper``, ``better`` minus ``chosen``.
    notes : tuple of str
    """

    metric: str
    chosen: Candidate | None
    nearest: Candidate | None
    best: Candidate
    price: Difference | None
    front: tuple[Candidate, ...]
    cheaper: Candidate | None
    better: Candidate | None
    to_cheaper: Difference | None
    to_better: Difference | None
    notes: tuple[str, ...]


def recommend_method(run: str | os.PathLike[str], budget: Budget) -> Recommendation:
    """Name the most accurate method of a run that keeps a budget.

    With nothing but ``at_least`` asked for, the fastest that reaches it.

    Raises
    ------
    RunError
        If the folder is no run, has no rows, or no method's cost was measured, or each was trained on its images.
    ValueError
        If the run has no test set called ``budget.hospital``.
    """
    stored = open_run(run)
    rows = stored.rows
    costs = {
        each["spec"]: method_cost(stored.folder, each["key"], rows[each["spec"]])
        for each in stored.description["methods"]
    }
    return recommend_stored(stored, costs, budget)


def recommend_stored(stored: StoredRun, costs: Mapping[str, Mapping[str, Any]], budget: Budget) -> Recommendation:
    """Do what `recommend_method` promises for a run that was read; ``costs`` by method, as `method_cost` tells them."""
    run, out = _at_hospital(stored, budget), {**examined_on_training(stored), **never_ran(stored)}
    root = printable(stored.folder.root)
    if len(out) == len(run.rows):
        raise RunError(f"{root}: each of its methods was trained on images that it is scored on, or failed on all")
    candidates, notes = _candidates(run, stored, costs, budget, out)
    if not candidates:
        how = _how_to(run.description, stored.folder.root)
        raise RunError(f"{root}: no method's time and size were measured; {how}")
    fitting = [each for each in candidates if each.excess <= 1 and not each.unknown(budget)]
    chosen = None
    if fitting:
        only_floor = not budget.limits and budget.at_least is not None
        chosen = min(fitting, key=lambda each: each.ms) if only_floor else most_accurate(fitting)
    best, front = most_accurate(candidates), pareto_front(candidates, budget)
    cheaper, better = neighbours(front, chosen, budget)
    groups = {record.case_id: record.group for record in run.records}
    left_out = {*out, *readers(stored)}
    scores = {spec: lesion_scores(each, budget.metric) for spec, each in run.rows.items() if spec not in left_out}
    pairs = _both_ways(differences(all_pairs(scores), groups))

    def minus(first: Candidate | None, second: Candidate | None) -> Difference | None:
        return None if first is None or second is None else pairs.get((first.method, second.method))

    measured = [(each.method, costs[each.method]) for each in candidates]
    notes.insert(0, f"ms: median time per image from decoded pixels to mask; {_places(measured, run.description)}")
    notes += busy_note(measured) + _pairs_note(len(pairs) // 2) + _python_note(chosen)
    return Recommendation(
        metric=budget.metric,
        chosen=chosen,
        nearest=None
        if chosen
        else min(candidates, key=lambda each: (bool(each.unknown(budget)), each.excess, -each.mean)),
        best=best,
        price=minus(best, chosen),
        front=front,
        cheaper=cheaper,
        better=better,
        to_cheaper=minus(chosen, cheaper),
        to_better=minus(better, chosen),
        notes=(*synthetic_note(groups), *notes, f"Empty masks: {run.description['empty_masks']}"),
    )


def _at_hospital(run: StoredRun, budget: Budget) -> StoredRun:
    """Return the rows of the one test set that counts."""
    if not budget.hospital:
        return run
    known = sorted({row.tested_on for row in run.records} - {""})
    if budget.hospital not in known:
        raise ValueError(
            f"`hospital` must be one of {', '.join(known) or 'none, there is one data set'}, "
            f"got `{printable(budget.hospital)}`"
        )
    rows = {spec: [row for row in each if row.tested_on == budget.hospital] for spec, each in run.rows.items()}
    return replace(run, rows=rows, records=[row for row in run.records if row.tested_on == budget.hospital])


def _places(measured: Sequence[tuple[str, Mapping[str, Any]]], description: Mapping[str, Any]) -> str:
    return time_note(timed_on(measured, run_cpus(description)))


def _pairs_note(pairs: int) -> list[str]:
    return [f"p: Holm-corrected for all {pairs} pairs of the run's methods."] if pairs > 1 else []


def _python_note(chosen: Candidate | None) -> list[str]:
    if chosen is None or chosen.is_file:
        return []
    return [
        f"ms and MB of {chosen.method} are those of the saved method run from Python, not of the ONNX file "
        "exported from it, which may be faster or slower, larger or smaller: `hybridseg bench --as-exported` tells."
    ]


def _candidates(
    run: StoredRun, whole: StoredRun, costs: Mapping[str, Mapping[str, Any]], budget: Budget, out: Mapping[str, str]
) -> tuple[list[Candidate], list[str]]:
    """Return the methods that can be recommended, and why the others can't; those in ``out`` are known not to.

    ``run`` has the rows that count, ``whole`` those of all test sets.
    """
    unknown = not_known(whole)
    found: list[Candidate] = []
    notes = [f"Left out, {words}: {spec}." for spec, words in out.items()]
    for method in run.description["methods"]:
        spec, cost = method["spec"], costs[method["spec"]]
        if spec in out:
            continue
        expected = sum(cell["cases"] for cell in run.description["cells"] if cell["method"] == spec)
        if cost["threads"] is None or cost["saved_bytes"] is None or cost["ms_median"] is None:
            why = "masks only" if method["class"] == "masks" else cost["cost_error"] or "not measured"
            notes.append(f"Left out, no cost: {spec} ({why}).")
            continue
        if not any(row.has_lesion for row in run.rows[spec]):
            notes.append(f"Left out, no lesion image scored: {spec}.")
            continue
        if len(whole.rows[spec]) < expected:
            notes.append(f"INCOMPLETE: {spec} has {len(whole.rows[spec])} of {expected} rows.")
        each = _candidate(run, whole, method, cost, budget, not_known=spec in unknown)
        if missing := each.unknown(budget):
            notes.append(f"Doesn't count as fitting, since not known: {', '.join(missing)} of {spec}.")
        found.append(each)
    notes += scenes_note({each.method: each.scenes for each in found})
    if any(each.not_known for each in found):
        notes.append(NOT_KNOWN_NOTE)
    return found, notes


def _candidate(
    run: StoredRun,
    whole: StoredRun,
    method: Mapping[str, Any],
    cost: Mapping[str, Any],
    budget: Budget,
    *,
    not_known: bool,
) -> Candidate:
    """Return one method with its accuracy, its mistakes and its cost."""
    spec = method["spec"]
    rows, scores = run.rows[spec], lesion_scores(run.rows[spec], budget.metric)
    groups = {row.case_id: row.group for row in rows}
    mean = image_mean(list(scores.values()), [groups[case_id] for case_id in scores])
    models = (run.folder.model(cell["file"]) for cell in run.description["cells"] if cell["method"] == spec)
    start = cost["cold_ms"]
    found = Candidate(
        method=spec,
        mean=mean.value,
        low=mean.low,
        high=mean.high,
        ms=cost["ms_median"],
        mb=cost["saved_bytes"] / 1e6,
        as_given=method["as_given"],
        sha256=method.get("sha256", ""),
        model=next((f"models/{path.name}" for path in models if path.is_file()), ""),
        excess=0.0,
        scenes=len({groups[case_id] for case_id in scores}),
        not_known=not_known,
        exported=bool(cost["exported"]),
        p95_ms=cost["ms_p95"],
        mib=cost["peak_mib"],
        start_s=None if start is None else start / 1e3,
        missed=_share([row.tp == 0 for row in rows if row.has_lesion]),
        false_alarms=_share([row.fp > 0 for row in rows if not row.has_lesion]),
        hospitals=_by_hospital(whole.rows[spec], budget.metric),
    )
    return replace(found, excess=excess(found, budget))


def _by_hospital(rows: Sequence[Record], metric: str) -> dict[str, float]:
    """Return the mean over lesion images of each test set that has a short name."""
    found = {}
    for name in dict.fromkeys(row.tested_on for row in rows if row.tested_on):
        scores = lesion_scores([row for row in rows if row.tested_on == name], metric)
        if scores:
            found[name] = sum(scores.values()) / len(scores)
    return found


def _share(marks: Sequence[bool]) -> float | None:
    return sum(marks) / len(marks) if marks else None


def _both_ways(pairs: dict[tuple[str, str], Difference]) -> dict[tuple[str, str], Difference]:
    """Return the differences, and each the other way round."""
    turned = {
        (second, first): replace(each, mean=-each.mean, low=-each.high, high=-each.low)
        for (first, second), each in pairs.items()
    }
    return {**pairs, **turned}


def _how_to(description: dict[str, Any], run: str | os.PathLike[str]) -> str:
    """Return what to run so that the cost is there, as one line."""
    import shlex

    if all(method["class"] == "masks" for method in description["methods"]):
        return "it holds masks only, which have neither"
    commands = [each.get("command", []) for each in description["sessions"]]
    command: list[str] = next((each for each in commands if each[1:2] == ["bench"]), [])
    if not command:
        return f"run `hybridseg bench` with -o {run} again, without --no-cost"
    parts, rest = [], iter(command)
    for part in rest:  # a shard measures no cost, a merged run has other runs' methods, and the folder may have moved
        if part in ("-o", "--output", "--shard", "-m", "--method"):
            next(rest, None)
        elif part != "--no-cost" and not part.startswith(("--output=", "--shard=", "--method=", "-o", "-m")):
            parts.append(part)
    for method in description["methods"]:
        parts += ["-m", method["spec"]] if method["class"] != "masks" else []
    return f"run: {shlex.join([*parts, '-o', str(run)])}"
