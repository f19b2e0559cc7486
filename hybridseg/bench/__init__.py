"""The benchmark harness: plan -> run -> records -> tables. Names load on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_LAZY = {
    "Budget": "recommend",
    "Cell": "plan",
    "Method": "plan",
    "Plan": "plan",
    "PlanError": "plan",
    "compare_runs": "compare",
    "make_plan": "plan",
    "merge_runs": "merge",
    "Record": "records",
    "RunError": "records",
    "read_run": "records",
    "run_plan": "run",
    "measure_cost": "cost",
    "recommend_method": "recommend",
    "score_masks": "score",
    "summarize": "summary",
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
    from .compare import compare_runs
    from .cost import measure_cost
    from .merge import merge_runs
    from .plan import Cell, Method, Plan, PlanError, make_plan
    from .recommend import Budget, recommend_method
    from .records import Record, RunError, read_run
    from .run import run_plan
    from .score import score_masks
    from .summary import summarize


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
