"""The table that ``segment --measure`` writes: a row a lesion."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..metrics.measure import Lesion
    from .outputs import Frame

Row = dict[str, Any]

_IMAGE_COLUMNS = (
    "image", "frame", "mask", "height", "width", "row_mm", "column_mm", "in_scope", "image_confidence", "refused",
    "lesion",
)  # fmt: skip


def check_target(path: Path, existing: str, shard: str) -> Path:
    """Return the table's name, a shard's own; raise before anything is segmented if it can't be written."""
    from ..processes.shards import parse_shard
    from ..text import printable

    if path.suffix.lower() not in (".csv", ".json"):
        raise ValueError(f"`--measure` must end in .csv or .json, got {printable(path)}")
    if shard:
        path = path.with_stem("{}_{}_of_{}".format(path.stem, *parse_shard(shard)))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{printable(path)}: there is no folder {printable(path.parent)}")
    if path.exists() and existing == "error":
        raise ValueError(f"{printable(path)} exists; give another name, or --existing overwrite or skip")
    return path


def rows_of(image: Path, number: int | None, mask_path: Path, frame: Frame, *, refused: bool = False) -> list[Row]:
    """Return a row for each lesion of one mask, largest first, and one with lesion 0 and area 0 where there is none.

    ``number`` counts frames from 1; None for the only one. A refused frame has one row, without mask and lesion.
    """
    from ..metrics.measure import Lesion, measure_lesions

    row_mm, column_mm = frame.spacing_mm or (None, None)
    values = (
        os.fspath(image), number, None if refused else os.fspath(mask_path), *frame.mask.shape, row_mm,
        column_mm, frame.in_scope, frame.confidence, refused,
    )  # fmt: skip
    common = dict(zip(_IMAGE_COLUMNS, values, strict=False))
    unknown = dict.fromkeys([*(entry.name for entry in fields(Lesion)), "confidence"])
    if refused:
        return [{**common, "lesion": None, **unknown}]
    found = measure_lesions(frame.mask, frame.spacing_mm, frame.probability)
    if not found:
        return [{**common, "lesion": 0, **unknown, "area_px": 0}]
    return [
        {**common, "lesion": place, **asdict(lesion), "confidence": _confidence(lesion, frame)}
        for place, lesion in enumerate(found, 1)
    ]


def _confidence(lesion: Lesion, frame: Frame) -> float | None:
    if frame.calibration is None or lesion.mean_probability is None:
        return None
    return frame.calibration.of_lesion(lesion.mean_probability)


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write rows as CSV or JSON, whole or not at all."""
    from ..files import write_atomically
    from ..metrics.measure import Lesion

    rows = [{key: round(v, 6) if isinstance(v, float) else v for key, v in row.items()} for row in rows]
    if path.suffix.lower() == ".json":
        text = json.dumps(rows, indent=1) + "\n"
    else:
        stream = io.StringIO()
        columns = [*_IMAGE_COLUMNS, *(entry.name for entry in fields(Lesion)), "confidence"]
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text = stream.getvalue()
    # A file's name may hold bytes that aren't text.
    write_atomically(path, text.encode(errors="backslashreplace"))
