"""Grey morphology of uint8 images [H, W] by minima and maxima of shifted images: exact, fast for any size.

A binary mask is the same thing with 0 and 1. Pixels outside the image never win: as in scikit-image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from .batch import const, sides

Choose = Callable[[Sequence[Var]], Var]


def windows(image: Var, offsets: Sequence[tuple[int, int]], border: int | None = None) -> list[Var]:
    """Return the image seen from each offset: ``out[k][r, c] = image[r + offsets[k][0], c + offsets[k][1]]``.

    Outside the image lies ``border``, or, without it, its border pixels repeated.
    """
    height, width = sides(image)
    rows, columns = zip(*offsets, strict=True)
    before = np.array([max(0, *(-row for row in rows)), max(0, *(-column for column in columns))])
    after = np.array([max(0, *rows), max(0, *columns)])
    pads = const(np.concatenate([before, after]))
    outside = {"mode": "edge"} if border is None else {"constant_value": const(border, np.uint8)}
    padded = op.pad(image, pads, **outside)
    size = op.concat([op.unsqueeze(side, const([0])) for side in (height, width)], axis=0)
    seen = []
    for offset in offsets:
        start = before + offset
        seen.append(op.slice(padded, const(start), op.add(const(start), size), const([0, 1])))
    return seen


def disc(radius: int) -> list[int]:
    """Return for each row of a disc, -radius..radius, how many columns it reaches to each side."""
    return [int(np.sqrt(radius * radius - row * row)) for row in range(-radius, radius + 1)]


def dilate(image: Var, radius: int, *, shape: str = "disc") -> Var:
    """Largest value within a ``disc`` or ``square`` of that radius."""
    return _extremum(image, op.max, 0, radius, shape)


def erode(image: Var, radius: int, *, shape: str = "disc") -> Var:
    """Smallest value within a ``disc`` or ``square`` of that radius."""
    return _extremum(image, op.min, 255, radius, shape)


def opening(image: Var, radius: int, *, shape: str = "disc") -> Var:
    """Dilation of the erosion: bright details smaller than the shape go."""
    return dilate(erode(image, radius, shape=shape), radius, shape=shape)


def closing(image: Var, radius: int, *, shape: str = "disc") -> Var:
    """Erosion of the dilation: dark details smaller than the shape go."""
    return erode(dilate(image, radius, shape=shape), radius, shape=shape)


def _extremum(image: Var, choose: Choose, border: int, radius: int, shape: str) -> Var:
    if radius < 1:
        raise ValueError(f"`radius` must be at least 1, got {radius}")
    if shape == "square":
        for axis in (0, 1):
            image = _lines(image, choose, border, {radius}, axis=axis)[radius]
        return image
    if shape != "disc":
        raise ValueError(f"`shape` must be `disc` or `square`, got `{shape}`")
    reach = disc(radius)
    lines = _lines(image, choose, border, set(reach), axis=1)
    parts = []
    for half in sorted(set(reach)):
        rows = [(row - radius, 0) for row, columns in enumerate(reach) if columns == half]
        parts += windows(lines[half], rows, border)
    return choose(parts)


def _lines(image: Var, choose: Choose, border: int, halves: set[int], *, axis: int) -> dict[int, Var]:
    """Return by half length the extremum over lines of ``2 half + 1`` pixels along an axis, by doubling."""
    height, width = sides(image)
    size = op.unsqueeze(width if axis else height, const([0]))
    longest = max(halves)
    pads = [0, 0, 0, 0]
    pads[axis] = pads[2 + axis] = longest
    padded = op.pad(image, const(pads), const(border, np.uint8))
    # doubled[k][i] is the extremum of padded[i : i + 2 ** k]
    doubled = [padded]
    while 2 ** len(doubled) <= 2 * longest + 1:
        last, step = doubled[-1], 2 ** (len(doubled) - 1)
        early = op.slice(last, const([0]), const([-step]), const([axis]))
        late = op.slice(last, const([step]), const([np.iinfo(np.int64).max]), const([axis]))
        doubled.append(choose([early, late]))
    found = {}
    for half in halves:
        length = 2 * half + 1
        power = length.bit_length() - 1
        starts = {longest - half, longest - half + length - 2**power}
        found[half] = choose(
            [
                op.slice(doubled[power], const([start]), op.add(const([start]), size), const([axis]))
                for start in sorted(starts)
            ]
        )
    return found
