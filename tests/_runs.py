"""Run folders made of rows typed by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hybridseg.bench import Record
from hybridseg.bench.records.cells import CellFile, FitRecord
from hybridseg.bench.records.folder import RunFolder, write_json

CPU = "Chip A"


def write_rows(
    root: Path,
    rows: dict[str, list[Record]],
    *,
    costs: dict[str, dict[str, Any]] | None = None,
    expected: int | None = None,
    name: Callable[[int, str], str] = lambda number, method: f"cell{number}",
    operating_point: dict[str, Any] | None = None,
    **description: Any,
) -> Path:
    """Write a run folder of one fold as the harness does.

    ``costs`` by method, over some that fit a small one; ``expected`` rows of each method, as many as it has if not
    given; ``name`` of a method's files by its number and spec; ``description`` replaces what run.json says.
    """
    folder = RunFolder(root)
    for part in ("cells", "costs", "models"):
        (root / part).mkdir(parents=True)
    names = {method: name(number, method) for number, method in enumerate(rows)}
    write_json(folder.description, {
        "format_version": 1, "plan": {"hybridseg": "0.1.0"}, "dataset": root.name, "cases": 8, "split": "one fold",
        "n_folds": 1, "empty_masks": "as ever", "nsd_tolerance_px": 3.0,
        "sessions": [{"cpu": CPU, "command": ["hybridseg", "bench", "-o", str(root), "--no-cost"]}],
        "methods": [
            {"spec": method, "class": "m:M", "params": {}, "as_given": method.endswith(".onnx"), "key": f"key {name}"}
            for method, name in names.items()
        ],
        "cells": [
            {"method": method, "fold": 0, "file": name, "cases": expected or len(rows[method])}
            for method, name in names.items()
        ],
        **description,
    })  # fmt: skip
    for method, records in rows.items():
        with CellFile(folder.cell(names[method])) as file:
            file.append(FitRecord(2.5, operating_point or {}))
            for record in records:
                file.append(record)
    for method, cost in (costs or {}).items():
        known = {"cpu": CPU, "threads": 1, "warm_ms_median": 5.0, "warm_ms_p95": 9.0, "saved_bytes": 1_000_000}
        write_json(folder.cost(f"key {names[method]}"), {**known, "error": "", **cost})
    return root
