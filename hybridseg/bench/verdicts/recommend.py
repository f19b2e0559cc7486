"""Which model to take from a run under a budget of time and size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...metrics import image_mean
from ...text import printable
from ..records.cells import RunError
from ..records.costs import busy_note, method_cost, run_cpus, time_note, timed_on
from ..records.folder import StoredRun, open_run
from .notes import scenes_note
from .origin import NOT_KNOWN_NOTE, examined_on_training, mark, never_ran, not_known, readers, synthetic_note
from .pairing import Difference, all_pairs, differences, lesion_scores, rankings


@dataclass(frozen=True)
class Budget:
    """What a model may cost, and what it has to reach.

    Attributes
    ----------
    max_ms : float or None
        Median time per image on one thread.
    max_mb : float or None
        Size of the saved method, in 10^6 bytes.
    metric : str
        One of `hybridseg.bench.verdicts.pairing.rankings`: what is meant by accuracy.
    at_least : float or None
        Its mean over lesion images.
    """

    max_ms: float | None = None
    max_mb: float | None = None
    metric: str = "iou"
    at_least: float | None = None

    def __post_init__(self) -> None:
        if self.metric not in rankings():
            raise ValueError(f"`metric` must be one of {', '.join(rankings())}, got `{self.metric}`")
        for name in ("max_ms", "max_mb", "at_least"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"`{name}` must be above 0, got {value}")


@dataclass(frozen=True)
class Candidate:
    """A method with its accuracy, mean and 95 % interval over ``scenes``, and its cost.

    ``as_given``: a trained model, whose file's ``sha256`` is given if the run tells it. ``model``: the file of a model
    fitted in this run, relative to the run folder, or empty. ``excess``: by what factor it misses the budget where it
    misses it most; at most 1 if it fits. ``not_known``: nobody knows whether it learned from these images.
    """

    method: str
    mean: float
    low: float
    high: float
    ms: float
    mb: float
    as_given: bool
    sha256: str
    model: str
    excess: float
    scenes: int
    not_known: bool = False

    @property
    def marked(self) -> str:
        """Its name as tables show it."""
        return mark(self.method, None if self.not_known else 0)

    @property
    def is_onnx(self) -> bool:
        """Whether what was measured is the very file that runs without Python."""
        return self.method.partition("[")[0].endswith(".onnx")


@dataclass(frozen=True)
class Recommendation:
    """What `recommend_method` found.

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
    """
    stored = open_run(run)
    folder, description, rows = stored.folder, stored.description, stored.rows
    out = {**examined_on_training(stored), **never_ran(stored)}
    if len(out) == len(rows):
        why = "was trained on images that it is scored on, or failed on all"
        raise RunError(f"{printable(folder.root)}: each of its methods {why}")
    costs = {each["spec"]: method_cost(folder, each["key"], rows[each["spec"]]) for each in description["methods"]}
    candidates, notes = _candidates(stored, costs, budget, out)
    if not candidates:
        problem = f"no method's time and size were measured; {_how_to(description, run)}"
        raise RunError(f"{printable(folder.root)}: {problem}")
    fitting = [each for each in candidates if each.excess <= 1]
    only_floor = budget.max_ms is None and budget.max_mb is None and budget.at_least is not None
    chosen = None
    if fitting:
        chosen = min(fitting, key=lambda each: each.ms) if only_floor else _most_accurate(fitting)
    best = _most_accurate(candidates)
    front = _front(candidates, budget)
    cheaper, better = _neighbours(front, chosen, budget)
    groups = {record.case_id: record.group for record in stored.records}
    left_out = {*out, *readers(stored)}
    scores = {spec: lesion_scores(each, budget.metric) for spec, each in rows.items() if spec not in left_out}
    pairs = _both_ways(differences(all_pairs(scores), groups))

    def minus(first: Candidate | None, second: Candidate | None) -> Difference | None:
        return None if first is None or second is None else pairs.get((first.method, second.method))

    places = timed_on([(each.method, costs[each.method]) for each in candidates], run_cpus(description))
    notes.insert(0, f"ms: median time per image from decoded pixels to mask; {time_note(places)}")
    notes += busy_note((each.method, costs[each.method]) for each in candidates)
    if len(pairs) > 2:
        notes.append(f"p: Holm-corrected for all {len(pairs) // 2} pairs of the run's methods.")
    if chosen is not None and not chosen.is_onnx:
        notes.append(
            f"ms and MB of {chosen.method} are those of the saved method run from Python, not of the ONNX file "
            "exported from it, which may be faster or slower, larger or smaller: `hybridseg bench -m FILE.onnx` tells."
        )
    return Recommendation(
        metric=budget.metric,
        chosen=chosen,
        nearest=None if chosen else min(candidates, key=lambda each: (each.excess, -each.mean)),
        best=best,
        price=minus(best, chosen),
        front=front,
        cheaper=cheaper,
        better=better,
        to_cheaper=minus(chosen, cheaper),
        to_better=minus(better, chosen),
        notes=(*synthetic_note(groups), *notes, f"Empty masks: {description['empty_masks']}"),
    )


def _candidates(
    run: StoredRun, costs: dict[str, Any], budget: Budget, out: dict[str, str]
) -> tuple[list[Candidate], list[str]]:
    """Return the methods that can be recommended, and why the others can't; those in ``out`` are known not to."""
    folder, description, rows = run.folder, run.description, run.rows
    unknown = not_known(run)
    found: list[Candidate] = []
    notes = [f"Left out, {words}: {spec}." for spec, words in out.items()]
    for method in description["methods"]:
        spec, cost = method["spec"], costs[method["spec"]]
        if spec in out:
            continue
        scores = lesion_scores(rows[spec], budget.metric)
        expected = sum(cell["cases"] for cell in description["cells"] if cell["method"] == spec)
        if cost["threads"] is None or cost["saved_bytes"] is None or cost["ms_median"] is None:
            why = "masks only" if method["class"] == "masks" else cost["cost_error"] or "not measured"
            notes.append(f"Left out, no cost: {spec} ({why}).")
            continue
        if not scores:
            notes.append(f"Left out, no lesion image scored: {spec}.")
            continue
        if len(rows[spec]) < expected:
            notes.append(f"INCOMPLETE: {spec} has {len(rows[spec])} of {expected} rows.")
        groups = {row.case_id: row.group for row in rows[spec]}
        mean = image_mean(list(scores.values()), [groups[case_id] for case_id in scores])
        ms, mb = cost["ms_median"], cost["saved_bytes"] / 1e6
        model = next(
            (f"models/{folder.model(cell['file']).name}" for cell in description["cells"]
             if cell["method"] == spec and folder.model(cell["file"]).is_file()), "",
        )  # fmt: skip
        found.append(Candidate(
            method=spec,
            mean=mean.value,
            low=mean.low,
            high=mean.high,
            ms=ms,
            mb=mb,
            as_given=method["as_given"],
            sha256=method.get("sha256", ""),
            model=model,
            excess=_excess(budget, mean.value, ms, mb),
            scenes=len({groups[case_id] for case_id in scores}),
            not_known=spec in unknown,
        ))  # fmt: skip
    notes += scenes_note({each.method: each.scenes for each in found})
    if any(each.not_known for each in found):
        notes.append(NOT_KNOWN_NOTE)
    return found, notes


def _both_ways(pairs: dict[tuple[str, str], Difference]) -> dict[tuple[str, str], Difference]:
    """Return the differences, and each the other way round."""
    turned = {
        (second, first): replace(each, mean=-each.mean, low=-each.high, high=-each.low)
        for (first, second), each in pairs.items()
    }
    return {**pairs, **turned}


def _excess(budget: Budget, mean: float, ms: float, mb: float) -> float:
    """Return by what factor the worst-kept part of a budget is missed."""
    factors = [0.0]
    if budget.max_ms is not None:
        factors.append(ms / budget.max_ms)
    if budget.max_mb is not None:
        factors.append(mb / budget.max_mb)
    if budget.at_least is not None:
        factors.append(budget.at_least / max(mean, 1e-9))
    return max(factors)


def _most_accurate(candidates: Sequence[Candidate]) -> Candidate:
    """Return the best; of those that the table shows alike, a file whose cost is its own."""
    return max(candidates, key=lambda each: (round(each.mean, 3), each.is_onnx, each.mean, -each.ms, -each.mb))


def _front(candidates: Sequence[Candidate], budget: Budget) -> tuple[Candidate, ...]:
    """Return the Pareto front over accuracy and what the budget limits; over time and size if it limits neither."""
    both = (budget.max_ms is None) == (budget.max_mb is None)
    by_time, by_size = both or budget.max_ms is not None, both or budget.max_mb is not None

    def goods(each: Candidate) -> tuple[float, ...]:
        return (each.mean, *([-each.ms] if by_time else []), *([-each.mb] if by_size else []))

    def beaten(each: Candidate) -> bool:
        return any(
            goods(other) != goods(each) and all(a >= b for a, b in zip(goods(other), goods(each), strict=True))
            for other in candidates
        )

    return tuple(sorted((each for each in candidates if not beaten(each)), key=lambda each: each.mean))


def _neighbours(
    front: Sequence[Candidate], chosen: Candidate | None, budget: Budget
) -> tuple[Candidate | None, Candidate | None]:
    """Return those next to the chosen one on the front: less accurate and within time and size, and more accurate."""
    if chosen is None:
        return None, None
    affordable = replace(budget, at_least=None)
    below = [
        each for each in front if each.mean < chosen.mean and _excess(affordable, each.mean, each.ms, each.mb) <= 1
    ]
    above = [each for each in front if each.mean > chosen.mean]
    return (below[-1] if below else None), (above[0] if above else None)


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
