"""The cost of every method of a run, each measured once and kept in the run folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..data import Case
from .cell import Progress
from .cost import MAX_IMAGES, measure_cost
from .machine import cpu_model
from .plan import Method, Plan
from .records import RunFolder, write_json


def measure_costs(
    plan: Plan, out: str | os.PathLike[str], *, threads: int = 1, progress: Progress | None = None
) -> dict[str, dict[str, Any]]:
    """Measure what isn't measured yet; return the cost of each method by its spec (see `measure_cost`).

    Methods that learn are measured as fitted on the run's first fold. Images are evenly spaced test cases.
    """
    folder = RunFolder(Path(out))
    costs: dict[str, dict[str, Any]] = {}
    images: list[Any] = []
    with folder.locked():
        for number, method in enumerate(plan.methods):
            path = folder.cost(method.key)
            if not path.is_file():
                if progress is not None:
                    progress(number, len(plan.methods), f"{method.spec}: time and memory in a fresh process")
                images = images or [case.image for case in _sample(plan)]
                write_json(path, {"cpu": cpu_model(), **_measure(plan, folder, method, images, threads)})
            costs[method.spec] = json.loads(path.read_text("utf-8"))
    return costs


def _measure(plan: Plan, folder: RunFolder, method: Method, images: list[Any], threads: int) -> dict[str, Any]:
    cell = next(cell for cell in plan.cells if cell.method == method)
    path = folder.model(cell.file_stem)
    return measure_cost(plan.factory, method.spec, images, model_path=path if path.is_file() else None, threads=threads)


def _sample(plan: Plan) -> list[Case]:
    cases = plan.dataset.select([case_id for cell in plan.cells for case_id in cell.test]).cases
    step = max(1, len(cases) // MAX_IMAGES)
    return list(cases[::step][:MAX_IMAGES])
