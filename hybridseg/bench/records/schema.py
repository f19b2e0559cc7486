"""Validate the JSON in a run folder before using it: somebody else may have made or damaged it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ...text import printable

MAX_FILE_BYTES = 2**28
"""Larger files in a run folder are refused: a million rows of one cell have as much."""

METRICS_OF_0_1_0 = ("hd95_px", "nsd", "hd95_mm")
"""Metrics that version 0.1.0 wrote as columns of a row; all are in ``metrics`` now."""
_PIXELS = ("height", "width", "tp", "fp", "fn", "tn")
_ROW: dict[str, Any] = {
    "method": str, "fold": int, "case_id": str, "group": str, "label": str, **dict.fromkeys(_PIXELS, int),
    "predict_ms": "number or none", "error": str, "ignored": int, "facts": dict, "trained_on": str, "tested_on": str,
    **dict.fromkeys(METRICS_OF_0_1_0, "number or none"),
    **dict.fromkeys(("lesions_found", "lesions_missed", "false_regions"), "whole number or none"),
    "seen": "yes, no or none", "metrics": dict, "raw_confidence": "number or none", "confidence": "number or none",
}  # fmt: skip
_LATER = {
    *METRICS_OF_0_1_0, "error", "ignored", "facts", "trained_on", "tested_on", "lesions_found", "lesions_missed",
    "false_regions", "seen", "metrics", "raw_confidence", "confidence",
}  # fmt: skip
"""What older versions didn't write, or newer ones don't."""
_FIT = {"seconds": "number or none", "operating_point": dict, "unsaved": str, "error": str, "search": dict}
_SEARCH = {"fold": str, "chosen": str, "iou": dict}
_DESCRIPTION = {
    "plan": dict, "dataset": str, "cases": int, "groups_from": str, "groups_known": bool, "split": str,
    "n_folds": int, "empty_masks": str,
    "nsd_tolerance_px": "number", "methods": list, "cells": list, "sessions": list, "sources": dict,
    "fold_names": list, "trainings": dict, "references": dict,
}  # fmt: skip
_CROSSING = ("sources", "fold_names", "trainings")
_METHOD = {
    "spec": str, "class": str, "params": dict, "as_given": bool, "key": str, "sha256": str, "trained_on": str,
    "reader": bool, "summary": str, "references": list,
}  # fmt: skip
_METHOD_LATER = {"sha256", "trained_on", "reader", "summary", "references"}
_CELL = {"method": str, "fold": int, "file": str, "cases": int}
_SESSION = {"command": list, "deaths": list, "worker_cpus": list, "cpu": str}
_COST = {
    **dict.fromkeys((
        "warm_ms_median", "warm_ms_p95", "cold_ms", "peak_mib", "cores_used", "saved_bytes", "threads", "parameters",
        "multiply_adds",
    ), "number or none"),
    "error": str, "cpu": str, "sweep": list, "exported": bool,
}  # fmt: skip


def parse_json(text: str | bytes) -> Any:
    """Return what JSON text says; raise ValueError for what isn't JSON, endless nesting and NaN included."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def check_row(row: Any) -> None:
    """Raise ValueError unless a row is one that a run writes."""
    _check(row, _ROW, optional=_LATER)
    counted = row["tp"] + row["fp"] + row["fn"] + row["tn"] + row.get("ignored", 0)
    if counted != row["height"] * row["width"]:
        raise ValueError("its counts don't add up to its pixels")
    for name, value in row.get("metrics", {}).items():
        if not _is(value, "number or none"):
            raise ValueError(f"metric `{printable(name)[:80]}` can't be {printable(repr(value))[:80]}")
    for name, value in row.get("facts", {}).items():
        if not (_is(value, str) or _is(value, "number")):
            raise ValueError(f"fact `{printable(name)[:80]}` can't be {printable(repr(value))[:80]}")


def check_fit(row: Any) -> None:
    """Raise ValueError unless this is the first line of a cell's file."""
    _check(row, _FIT, optional={"unsaved", "error", "search"})
    if row.get("search"):
        _check(row["search"], _SEARCH)
        for spec, value in row["search"]["iou"].items():
            if not _is(value, "number"):
                raise ValueError(f"`{printable(spec)[:80]}` can't have the IoU {printable(repr(value))[:80]}")


def check_description(description: Any) -> None:
    """Raise ValueError unless this is a run's description; cells can't name files outside the folder."""
    _check(description, _DESCRIPTION, optional={"groups_from", "groups_known", "references", *_CROSSING}, others=True)
    for name, kinds in (("methods", _METHOD), ("cells", _CELL), ("sessions", _SESSION)):
        for entry in description[name]:
            _check(entry, kinds, optional={*_SESSION, *_METHOD_LATER}, others=True)
    known = {method["spec"] for method in description["methods"]}
    for cell in description["cells"]:
        if cell["method"] not in known:
            raise ValueError(f"a cell is of `{printable(cell['method'])}`, which isn't among its methods")
        check_name(cell["file"])
    for method in description["methods"]:
        check_name(method["key"])
    if not isinstance(description["plan"].get("folds", []), list):
        raise ValueError("`folds` of its plan can't be other than a list")
    _check_crossing(description)
    for session in description["sessions"]:
        for name in ("command", "deaths", "worker_cpus"):
            if not all(isinstance(part, str) for part in session.get(name, ())):
                raise ValueError(f"`{name}` can't be other than texts")


def _check_crossing(description: dict[str, Any]) -> None:
    texts = [*description.get("sources", {}).values(), *description.get("fold_names", ())]
    texts += description.get("references", {}).values()
    texts += [text for method in description["methods"] for text in method.get("references", ())]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("`sources`, `fold_names` and `references` can't be other than texts")
    n_names = len(description.get("fold_names", ()))
    for fold_of in description.get("trainings", {}).values():
        if not isinstance(fold_of, dict) or not all(_is(fold, int) and fold < n_names for fold in fold_of.values()):
            raise ValueError("`trainings` must say the fold of each case")


def check_cost(cost: Any) -> None:
    """Raise ValueError unless this is a method's measured cost."""
    _check(cost, _COST, optional=set(_COST), others=True)
    for entry in cost.get("sweep", ()):
        _check(entry, _COST, optional=set(_COST))


def check_name(name: str) -> None:
    """Raise ValueError unless ``name`` can only be a file's in the folder where it is looked for."""
    if not name or name.startswith(".") or any(c in name for c in "/\\:\0") or not name.isprintable():
        raise ValueError(f"`{printable(name)[:80]}` isn't the name of a file of a run")


def _check(value: Any, kinds: Mapping[str, Any], *, optional: set[str] | None = None, others: bool = False) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    missing = [name for name in kinds if name not in value and name not in (optional or ())]
    if missing:
        raise ValueError(f"it lacks `{missing[0]}`")
    for name, content in value.items():
        if name in kinds:
            if not _is(content, kinds[name]):
                raise ValueError(f"`{name}` can't be {printable(repr(content))[:80]}")
        elif not others:
            raise ValueError(f"`{printable(name)[:80]}` isn't known")


def _is(value: Any, kind: Any) -> bool:
    if kind == "number or none":
        return value is None or _is(value, "number")
    if kind == "whole number or none":
        return value is None or _is(value, int)
    if kind == "yes, no or none":
        return value is None or isinstance(value, bool)
    if kind == "number":
        return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value) and value >= 0
    if kind is int:
        return not isinstance(value, bool) and isinstance(value, int) and 0 <= value < 2**53
    return isinstance(value, kind)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
