"""A plan as a matrix of methods and folds."""

from __future__ import annotations

import os
from pathlib import Path

from ...text import aligned, fields
from ..plan import Cell, Plan
from ..records.cells import count_rows
from ..records.folder import RunFolder
from ..verdicts.origin import with_synthetic


def plan_matrix(plan: Plan, run: str | os.PathLike[str] | None = None) -> str:
    """Return a plan as text; with a run folder, how much of it is done there."""
    folds = sorted({cell.fold for cell in plan.cells})
    tested = {(cell.method.name, cell.fold): cell for cell in plan.cells}
    rows = [[method.name, *(_cell(tested.get((method.name, fold))) for fold in folds)] for method in plan.methods]
    name = with_synthetic(plan.dataset.name, (case.case_id for case in plan.dataset))
    lines = [
        ("data", f"{name}, {len(plan.dataset)} cases, {len(set(plan.dataset.groups))} scenes"),
        ("split", plan.split_name),
        ("seed", plan.seed),
        ("predictions", f"{plan.total_cases} ({len(plan.methods)} {_lines(plan)} x {len(folds)} folds)"),
    ]
    if run is not None and RunFolder(Path(run)).description.is_file():
        done = sum(count_rows(RunFolder(Path(run)).cell(cell.file_stem)) for cell in plan.cells)
        lines.append(("done", f"{done} of them in {run}"))
    names = plan.crossing.fold_names
    table = aligned(["method", *(f"fold {names[fold]}" for fold in folds)], rows, numbers=True)
    return f"{fields(lines)}\n\n{table}\n\nCases tested (trained on)."


def _lines(plan: Plan) -> str:
    return "lines" if plan.dataset.parts else "methods"


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    return f"{len(cell.test)} ({'as given' if cell.method.as_given else len(cell.train)})"
