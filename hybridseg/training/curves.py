"""A training's curves, as a table and as a picture beside its model."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from ..files import write_atomically

if TYPE_CHECKING:
    pass

History = Sequence[dict[str, float]]
_SIZE = (960, 540)
_MARGIN = 60
_COLOURS = ((31, 119, 180), (214, 100, 20))


def curve_files(stem: Path) -> list[Path]:
    """Return STEM.history.csv and STEM.history.png."""
    return [stem.with_name(f"{stem.name}.history.{ending}") for ending in ("csv", "png")]


def is_history(history: Any) -> TypeGuard[History]:
    """Whether a method's history can be drawn: an epoch a row, with its loss and validation F1."""
    return (
        bool(history)
        and isinstance(history, list)
        and all(isinstance(row, dict) and {"loss", "validation_f1"} <= set(row) for row in history)
    )


def write_curves(stem: Path, history: History) -> list[Path]:
    """Write a training's history as STEM.history.csv and STEM.history.png, and return both paths."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    table, picture = curve_files(stem)
    write_atomically(table, text.getvalue().encode())
    write_atomically(picture, draw_curves(history))
    return [table, picture]


def draw_curves(history: History) -> bytes:
    """Return a PNG of loss and validation F1 over epochs, both from 0 to 1 or the largest loss."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = _SIZE
    picture = Image.new("RGB", _SIZE, "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(16)
    series = [("loss", [row["loss"] for row in history]), ("validation F1", [row["validation_f1"] for row in history])]
    top = max(1.0, *(value for _, values in series for value in values))

    def place(epoch: float, value: float) -> tuple[float, float]:
        across = (epoch - 1) / max(1, len(history) - 1)
        return _MARGIN + across * (width - 2 * _MARGIN), height - _MARGIN - value / top * (height - 2 * _MARGIN)

    for tick in range(6):
        value = top * tick / 5
        pen.line([place(1, value), (width - _MARGIN, place(1, value)[1])], fill=(220, 220, 220))
        pen.text((_MARGIN - 8, place(1, value)[1]), f"{value:.2f}", fill="black", font=font, anchor="rm")
    for epoch in sorted({1, len(history) // 2, len(history)} - {0}):
        pen.text((place(epoch, 0)[0], height - _MARGIN + 8), str(epoch), fill="black", font=font, anchor="ma")
    pen.text((width / 2, height - 14), "epoch", fill="black", font=font, anchor="mm")
    for number, ((name, values), colour) in enumerate(zip(series, _COLOURS, strict=True)):
        points: list[Any] = [place(epoch, value) for epoch, value in enumerate(values, 1)]
        pen.line(points, fill=colour, width=3)
        for x, y in points:
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)
        pen.text((_MARGIN + 20 + 160 * number, 24), name, fill=colour, font=font, anchor="lm")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
