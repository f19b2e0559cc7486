"""Published results that ship with the package: counts of each case and cost of each file, to choose a model from."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

from ...files import read_regular
from .cells import Record
from .costs import stored_cost
from .folder import RunFolder, StoredRun
from .schema import MAX_FILE_BYTES, parse_json

COUNTS, COSTS = "counts.csv", "costs.json"
_EMPTY_MASKS = "an empty mask scores 0 where there is a lesion; lesion-free images count as false alarms only."


def read_published(folder: str | os.PathLike[str]) -> tuple[StoredRun, dict[str, dict[str, Any]]]:
    """Return published results as a run, and the cost of each of its methods as `method_cost` tells it.

    ``counts.csv`` has a line for each file and unseen case: ``method``, ``set``, ``case_id``, ``group``, ``label``,
    ``tp``, ``fp``, ``fn``, ``tn``. ``costs.json`` has for each method what the ``costs`` of a run folder say, and its
    ``sha256`` where the file ships.

    Parameters
    ----------
    folder : path
    """
    folder = Path(folder)
    costs = parse_json(read_regular(folder / COSTS, MAX_FILE_BYTES))
    lines = csv.DictReader(io.StringIO(read_regular(folder / COUNTS, MAX_FILE_BYTES).decode("utf-8")))
    records = [_record(line) for line in lines]
    rows = {spec: [row for row in records if row.method == spec] for spec in costs}
    description = {
        "plan": {}, "dataset": "published results", "cases": len({row.case_id for row in records}), "n_folds": 1,
        "split": "cases that no training saw", "empty_masks": _EMPTY_MASKS, "sessions": [],
        "sources": {row.tested_on: "" for row in records},
        "methods": [
            {"spec": spec, "class": "published", "params": {}, "as_given": True, "key": spec,
             "sha256": cost.get("sha256", "")}
            for spec, cost in costs.items()
        ],
        "cells": [{"method": spec, "fold": 0, "file": spec, "cases": len(each)} for spec, each in rows.items()],
    }  # fmt: skip
    run = StoredRun(RunFolder(folder), description, records, rows, {spec: [] for spec in costs})
    return run, {spec: stored_cost(cost) for spec, cost in costs.items()}


def _record(line: dict[str, str]) -> Record:
    """Return a line's row. Sides aren't published, so each image is one pixel high and as wide as it has pixels."""
    tp, fp, fn, tn = (int(line[name]) for name in ("tp", "fp", "fn", "tn"))
    name = line["set"]
    return Record(
        line["method"], 0, f"{name}/{line['case_id']}", f"{name}/{line['group']}", line["label"], 1, tp + fp + fn + tn,
        tp, fp, fn, tn, predict_ms=None, tested_on=name, seen=False,
    )  # fmt: skip
