"""The cost of every method of a run, each measured once and kept in the run folder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...data import Case
from ...processes.machine import cpu_model, describe_machine, now, thread_counts
from ...text import Progress, one_line
from ..method import Method, create_method
from ..plan import Plan
from ..records.costs import threads_text
from ..records.folder import RunFolder, read_description, write_json
from .cost import MAX_IMAGES, measure_cost

SWEPT = ("threads", "warm_ms_median", "warm_ms_p95", "cores_used", "peak_mib", "error")


def measure_costs(
    plan: Plan,
    run: str | os.PathLike[str],
    *,
    threads: Sequence[int] = (),
    counter: str = "",
    retry: bool = False,
    as_exported: bool = False,
    command: Sequence[str] = (),
    progress: Progress | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure what isn't measured yet; return the cost of each method by its name (see `measure_cost`).

    Methods that learn are measured as fitted on the run's first fold. Images are evenly spaced test cases. Each number
    of threads has a process of its own. The first one's answer is the method's cost, and ``sweep`` holds what changed
    with the others.

    Parameters
    ----------
    plan : Plan
    run : path
        The run folder.
    threads : sequence of int, optional
        1, 2 and all cores if not given.
    counter : str, optional
        See `measure_cost`.
    retry : bool
        Measure again where that failed.
    as_exported : bool
        Measure the ONNX file that each method is exported to (kept among the run's models), not the method in Python.
    command : sequence of str
        The command line, for the record: what is measured becomes a session of the run.
    progress : callable, optional
    """
    folder = RunFolder(Path(run))
    threads = threads or thread_counts()
    costs: dict[str, dict[str, Any]] = {}
    images: list[Any] = []
    session = {"command": list(command), "start": now(), **describe_machine()}
    measured = []
    with folder.locked():
        for number, method in enumerate(plan.methods):
            path = folder.cost(method.key)
            export = as_exported and not method.is_onnx
            if not path.is_file() or (retry and _has_failed(path)) or _was_exported(path) != export:
                images = images or [case.image for case in sample_cases(plan)]
                answers: list[dict[str, Any]] = []
                subject = _exported(plan, folder, method) if export else _subject(plan, folder, method)
                for count in threads:
                    if progress is not None:
                        what = f"{method.name}: time and memory in a fresh process, {threads_text(count)}"
                        progress(number, len(plan.methods), what)
                    answers.append(_measure(plan, subject, images, count, "" if answers else counter))
                    if answers[0]["error"]:
                        break
                sweep = [{name: answer.get(name) for name in SWEPT} for answer in answers]
                write_json(path, {"cpu": cpu_model(), **answers[0], "sweep": sweep, "exported": export})
                measured.append(method.name)
            costs[method.name] = json.loads(path.read_text("utf-8"))
        if measured and folder.description.exists():
            description = read_description(folder)
            description["sessions"].append({**session, "measured": measured, "end": now()})
            write_json(folder.description, description)
    return costs


def _has_failed(path: Path) -> bool:
    cost = json.loads(path.read_text("utf-8"))
    return any(answer["error"] for answer in (cost, *cost["sweep"]))


def _was_exported(path: Path) -> bool:
    exported: bool = json.loads(path.read_text("utf-8")).get("exported", False)
    return exported


@dataclass(frozen=True)
class _Subject:
    """A spec with its fitted model to measure, or the reason why there is nothing to measure."""

    spec: str
    model: Path | None = None
    error: str = ""


def _subject(plan: Plan, folder: RunFolder, method: Method) -> _Subject:
    """Return the method as its first fold fitted it."""
    cell = next(cell for cell in plan.cells if cell.method == method)
    path = folder.model(cell.file_stem)
    return _Subject(cell.spec, path if path.is_file() else None)


def _exported(plan: Plan, folder: RunFolder, method: Method) -> _Subject:
    """Return the file that `_subject` is exported to, which is kept beside its model."""
    cell = next(cell for cell in plan.cells if cell.method == method)
    fitted, path = _subject(plan, folder, method), folder.model(cell.file_stem).with_suffix(".onnx")
    try:
        model = create_method(plan.factory, fitted.spec, plan.seed, as_given=fitted.model is not None)
        (model if fitted.model is None else type(model).load(fitted.model)).to_onnx(path)
    except Exception as error:  # a method's code may raise anything; it becomes the cost's error
        return _Subject(fitted.spec, error=f"no exported file: {type(error).__name__}: {one_line(error)}")
    return _Subject(str(path))


def _measure(plan: Plan, subject: _Subject, images: list[Any], threads: int, counter: str) -> dict[str, Any]:
    if subject.error:
        return {"threads": threads, "error": subject.error}
    return measure_cost(plan.factory, subject.spec, images, model_path=subject.model, threads=threads, counter=counter)


def sample_cases(plan: Plan) -> list[Case]:
    cases = plan.dataset.select([case_id for cell in plan.cells for case_id in cell.test]).cases
    places = np.linspace(0, len(cases) - 1, min(len(cases), MAX_IMAGES)).round().astype(int)
    return [cases[place] for place in places]
