"""The costs of methods in a run folder, and the warnings that belong to a comparison of times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...files import read_regular
from ...text import printable
from .cells import Record, RunError
from .folder import RunFolder
from .schema import MAX_FILE_BYTES, check_cost, parse_json

IDLE_CORES = 0.8
"""Below this share of one core the machine wasn't idle while a method was timed."""

_KEPT = ("cold_ms", "peak_mib", "saved_bytes", "threads", "cores_used", "parameters", "multiply_adds")


def method_cost(folder: RunFolder, key: str, records: Sequence[Record]) -> dict[str, Any]:
    """Return the cost of a method as `MethodSummary` names it.

    Where it wasn't measured apart, ``threads`` is None and ``ms_median`` and ``ms_p95`` come from the run's own rows.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    path = folder.cost(key)
    if path.is_file():
        try:
            cost = parse_json(read_regular(path, MAX_FILE_BYTES))
            check_cost(cost)
        except ValueError as error:
            raise RunError(f"{printable(path)} is damaged: {error}") from None
        return stored_cost(cost)
    times = [record.predict_ms for record in records if record.predict_ms is not None]
    median = float(np.median(times)) if times else None
    p95 = float(np.percentile(times, 95)) if times else None
    return {**stored_cost({}), "ms_median": median, "ms_p95": p95}


def stored_cost(cost: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a cost's file as `MethodSummary` names it."""
    return {
        **{name: cost.get(name) for name in _KEPT},
        "ms_median": cost.get("warm_ms_median"),
        "ms_p95": cost.get("warm_ms_p95"),
        "cost_error": cost.get("error", ""),
        "cpu": cost.get("cpu", ""),
        "exported": cost.get("exported", False),
        "sweep": tuple(cost.get("sweep", ())),
    }


def run_cpus(description: Mapping[str, Any]) -> list[str]:
    """Return the processors on which rows of a run were made; sessions that only measured costs made none."""
    sessions = [session for session in description["sessions"] if "measured" not in session]
    return sorted({
        cpu for session in sessions for cpu in session.get("worker_cpus") or [session.get("cpu")] if cpu is not None
    })  # fmt: skip


def timed_on(costs: Iterable[tuple[str, Mapping[str, Any]]], cpus: Sequence[str]) -> dict[str, list[str]]:
    """Return which methods were timed on what: ``processor, threads`` to methods.

    Parameters
    ----------
    costs : iterable of (method, cost)
        Costs as `method_cost` returns them.
    cpus : sequence of str
        See `run_cpus`.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for method, cost in costs:
        if cost["ms_median"] is None:
            continue
        if cost["threads"] is None:
            mixed = " MIXED, whose times don't compare" if len(cpus) > 1 else ""
            where = f"{' and '.join(cpus) or 'unknown processor'}{mixed}, beside the run"
        else:
            where = f"{cost['cpu'] or 'unknown processor'}, {threads_text(cost['threads'])}"
        found[where].append(method)
    return dict(found)


def time_note(places: Mapping[str, Sequence[str]]) -> str:
    """Return the footnote of a table of times, with a warning if they weren't taken on one machine alike."""
    if len(places) == 1:
        return f"{next(iter(places))}."
    where = "; ".join(f"{', '.join(methods)}: {place}" for place, methods in places.items())
    return f"TIMES DON'T COMPARE: processor, threads or occasion differ. {where}."


def busy_note(costs: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Return a warning about methods that didn't have a core to themselves while they were timed, if there are any."""
    shares = {method: cost["cores_used"] for method, cost in costs if cost.get("cores_used") is not None}
    busy = ", ".join(f"{method} {100 * share:.0f} %" for method, share in shares.items() if share < IDLE_CORES)
    note = f"TIMES ARE TOO LONG: the machine had other work; share of a core that a method got: {busy}."
    return [note] if busy else []


def threads_text(threads: int) -> str:
    """Return ``1 thread``, ``2 threads``."""
    return f"{threads} thread{'' if threads == 1 else 's'}"
