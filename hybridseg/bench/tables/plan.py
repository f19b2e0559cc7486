"""What a plan will do, as a matrix of methods and folds."""

from __future__ import annotations

import os
from pathlib import Path

from ...text import aligned, fields
from ..plan import Plan
from ..records.cells import count_rows
from ..records.folder import RunFolder


def plan_matrix(plan: Plan, out: str | os.PathLike[str] | None = None) -> str:
    """Return a plan as text; with a run folder, how much of it is done there."""
    folds = sorted({cell.fold for cell in plan.cells})
    tested = {(cell.method.spec, cell.fold): cell for cell in plan.cells}
    rows = []
    for method in plan.methods:
        cells = [tested[method.spec, fold] for fold in folds]
        trained = ["as given" if method.as_given else str(len(cell.train)) for cell in cells]
        rows.append([
            method.spec, *(f"{len(cell.test)} ({train})" for cell, train in zip(cells, trained, strict=True))
        ])  # fmt: skip
    lines = [
        ("data", f"{plan.dataset.name}, {len(plan.dataset)} cases, {len(set(plan.dataset.groups))} scenes"),
        ("split", plan.split_name),
        ("seed", plan.seed),
        ("predictions", f"{plan.total_cases} ({len(plan.methods)} methods x {len(folds)} folds)"),
    ]
    if out is not None and RunFolder(Path(out)).description.is_file():
        done = sum(count_rows(RunFolder(Path(out)).cell(cell.file_stem)) for cell in plan.cells)
        lines.append(("done", f"{done} of them in {out}"))
    table = aligned(["method", *(f"fold {fold}" for fold in folds)], rows, numbers=True)
    return f"{fields(lines)}\n\n{table}\n\nCases tested (trained on)."
