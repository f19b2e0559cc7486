"""Runs to report on, and what a test asks a report for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _runs import write_rows
from click.testing import CliRunner

from hybridseg.bench import Record
from hybridseg.bench.report.document import Document
from hybridseg.bench.run.score import score_masks
from hybridseg.cli import main
from hybridseg.data import load_dataset
from hybridseg.images import write_image, write_mask

HOSTILE = [
    "<script>alert(1)<",
    "a\"b'c",
    "new\nline",
    "50% & $5 #1_{x}^~\\",
    "| `tick` *b* [l](javascript:1)",
    "日本 é",
]
NAMES = ("<script>alert('m')</script>", "it's | 100% _x_ $y$ & \\textbf{z}\" onclick=x")


def row(method: str, case: str, counts: tuple[int, int, int, int], **more: Any) -> Record:
    tp, fp, fn, tn = counts
    rest = {"group": case, "label": "", "predict_ms": 10.0, **more}
    rest["metrics"] = {"hd95_px": None, "nsd": 0.5 if tp + fn else None, **more.get("metrics", {})}
    return Record(method=method, fold=0, case_id=case, height=10, width=10, tp=tp, fp=fp, fn=fn, tn=tn, **rest)  # type: ignore[arg-type]


def write_run(root: Path, rows: dict[str, list[Record]], expected: int = 0, **description: object) -> Path:
    expected = expected or max(map(len, rows.values()))
    known = {
        "plan": {"hybridseg": "0.0.9", "data": "d" * 64, "split": "s" * 64, "seed": 3}, "dataset": "made up",
        "cases": expected, "groups_from": "me", "empty_masks": "as ever.",
        "sessions": [{"cpu": "A", "command": ["do", "it; now"]}],
        "methods": [
            {"spec": method, "class": "c", "params": {"p": 1}, "as_given": False, "key": f"key cell{i}"}
            for i, method in enumerate(rows)
        ],
    }  # fmt: skip
    point = {"threshold": 0.25, "fill_holes": True, "largest_only": False}
    return write_rows(root, rows, expected=expected, operating_point=point, **{**known, **description})


def write_small_run(root: Path) -> Path:
    """Three lesions of two scenes (IoU 0.5, 0.5, 0 by the first method, 0.2, 0.4, 0 by the second), one normal."""
    return write_run(root, {
        "first": [
            row("first", "s/a", (10, 5, 5, 80), group="s1", label="benign"),
            row("first", "s/b", (10, 5, 5, 80), group="s1", label="benign"),
            row("first", "t/c", (0, 10, 30, 60), group="s2", label="malignant", error="RuntimeError: <no>"),
            row("first", "t/d", (0, 25, 0, 75), label="normal"),
        ],
        "second": [
            row("second", "s/a", (3, 0, 12, 85), group="s1", label="benign"),
            row("second", "s/b", (6, 0, 9, 85), group="s1", label="benign"),
            row("second", "t/c", (0, 10, 30, 60), group="s2", label="malignant"),
            row("second", "t/d", (0, 0, 0, 100), label="normal"),
        ],
    })  # fmt: skip


def write_pictured_run(place: Path) -> Path:
    """A run with images and masks, every name hostile, in the folder ``pictured`` of a place."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(HOSTILE):
        kind = place / "data" / ("normal" if number == 2 else "malig<b>nant" if number % 2 else "benign")
        kind.mkdir(parents=True, exist_ok=True)
        mask = np.zeros((40, 50), bool)
        mask[5 : 15 + number, 8:20] = number != 2
        write_image(kind / f"{name}.png", rng.integers(0, 255, mask.shape).astype(np.uint8))
        write_mask(kind / f"{name}_mask.png", mask)
        for shift, reader in enumerate("AB", 2):
            (place / reader).mkdir(exist_ok=True)
            found = np.roll(mask, shift * (number + 1), 1) if number != 2 else np.eye(40, 50, shift, dtype=bool)
            write_mask(place / reader / f"{name}_mask.png", found)
    truth = load_dataset(place / "data")
    for reader, name in zip("AB", NAMES, strict=True):
        score_masks(truth, place / reader, place / "pictured", name=name)
    return place / "pictured"


def section(document: Document, slug: str):
    return next(each for each in document.sections if each.slug == slug)


def words(document: Document, slug: str) -> str:
    return "\n".join(text.text for text in section(document, slug).texts)


def entries(document: Document, slug: str, table: int = 0) -> list[list[str]]:
    return [[entry.text for entry in line] for line in section(document, slug).tables[table].rows]


def command(*arguments: object):
    return CliRunner().invoke(main, ["report", *map(str, arguments)], prog_name="hybridseg")
