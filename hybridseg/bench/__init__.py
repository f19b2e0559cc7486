"""The benchmark harness: plan -> run -> records -> verdicts -> tables and report. Names load on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_LAZY = {
    "Budget": "verdicts.budget",
    "Cell": "plan",
    "Method": "method",
    "Plan": "plan",
    "PlanError": "method",
    "compare_runs": "verdicts.compare",
    "make_plan": "plan",
    "merge_runs": "run.merge",
    "Record": "records.cells",
    "RunError": "records.cells",
    "read_run": "records.folder",
    "run_plan": "run.running",
    "measure_cost": "run.cost",
    "recommend_method": "verdicts.recommend",
    "score_masks": "run.score",
    "summarize": "verdicts.summary",
}
__all__ = [
    "Budget",
    "Cell",
    "Method",
    "Plan",
    "PlanError",
    "Record",
    "RunError",
    "compare_runs",
    "make_plan",
    "measure_cost",
    "merge_runs",
    "read_run",
    "recommend_method",
    "run_plan",
    "score_masks",
    "summarize",
]

if TYPE_CHECKING:
    from .method import Method, PlanError
    from .plan import Cell, Plan, make_plan
    from .records.cells import Record, RunError
    from .records.folder import read_run
    from .run.cost import measure_cost
    from .run.merge import merge_runs
    from .run.running import run_plan
    from .run.score import score_masks
    from .verdicts.budget import Budget
    from .verdicts.compare import compare_runs
    from .verdicts.recommend import recommend_method
    from .verdicts.summary import summarize


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
