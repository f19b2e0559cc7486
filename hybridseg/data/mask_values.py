"""The meaning of values in masks, decided from all masks of a data set: one file alone can mislead.

A survey lists the values in each mask: grey values, and colours as ``#rrggbb``. JPEG, floats and deep colour aren't
surveyed, since their values are blurred, and are cut at half their range. Then:

- 0 and one bright value, or labels from 1 to `MAX_LABEL`: everything but 0 is lesion.
- Labels with 255 in one mask: the labels are lesion, and 255 is ignored, as most tools write it.
- A few other values or colours (at most `MAX_CODES`) are codes for classes: everything but 0 is lesion. PASCAL VOC's
  colour for what is void is ignored.
- Values between 0 and white that only fringe white areas, or more than a few values: grey edges, cut at half.

Whoever knows better says so: a manifest's columns ``lesion`` and ``ignore``, or ``DIR[lesion=1;2,ignore=255]``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images import MAX_LABEL, ImageError, Pixels, read_pixels
from ..text import printable
from .cases import DataError

MAX_CODES = 8
VOC_VOID = "#e0e0c0"
WHITE = "255"

_FRINGE = 0.3  # an edge of a lesion 20 pixels wide has a fifth of its pixels


@dataclass(frozen=True)
class MaskReading:
    """How the values of masks are read.

    Attributes
    ----------
    lesion : frozenset of str, or None
        Values that are lesion; None: all but 0 and the ignored, unless ``by_file``.
    ignored : frozenset of str
        Values of pixels that count neither way.
    by_file : bool
        Each file is read by `Pixels.to_mask`.
    how : str
        In words.
    """

    lesion: frozenset[str] | None = None
    ignored: frozenset[str] = frozenset()
    by_file: bool = True
    how: str = "each mask by its own values"

    def of(self, pixels: Pixels) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
        """Return lesion and ignored pixels of a decoded mask, (H, W) bool; None where nothing can be ignored.

        Raises
        ------
        ValueError
            See `Pixels.to_mask`.
        """
        if self.by_file or not _is_exact(pixels):
            return pixels.to_mask(), None
        flat, coloured = _flat(pixels)
        ignored = _any_of(flat, self.ignored, pixels, coloured)
        lesion = flat != 0 if self.lesion is None else _any_of(flat, self.lesion, pixels, coloured)
        return lesion & ~ignored, ignored if self.ignored else None


BY_FILE = MaskReading()
"""Where nobody has looked at the whole data set."""


@dataclass(frozen=True)
class Survey:
    """The values other than 0 in the masks of a data set.

    Attributes
    ----------
    files, pixels : Counter of str
        Files that hold a value, and pixels that have it.
    together : set of frozenset of str
        The values that occur in one file, each combination once.
    """

    files: Counter[str] = field(default_factory=Counter)
    pixels: Counter[str] = field(default_factory=Counter)
    together: set[frozenset[str]] = field(default_factory=set)


def survey_masks(paths: Iterable[Path]) -> Survey:
    """Read masks and count their values; pass over files that can't be read: reading the case reports them."""
    survey = Survey()
    for path in paths:
        try:
            pixels = read_pixels(path)
        except ImageError:
            continue  # the same reader refuses it, by name, when its case is read
        if _is_exact(pixels):
            found = _count(pixels)
            survey.files.update(found.keys())
            survey.pixels.update(found)
            survey.together.add(frozenset(found))
    return survey


def decide_reading(survey: Survey) -> MaskReading:
    """Return how the masks of a surveyed data set are read, by the rules of this module."""
    values = set(survey.files)
    labels = {value for value in values if value.isdigit() and int(value) <= MAX_LABEL}
    if values <= {WHITE} or values == labels:
        return MaskReading(how="labels" if labels else "black and white")
    if values == labels | {WHITE}:
        if any(WHITE in found and len(found) > 1 for found in survey.together):
            return MaskReading(
                frozenset(labels), frozenset({WHITE}), by_file=False, how="labels are lesion, 255 is ignored"
            )
        return MaskReading(how="labels in some masks, black and white in others")
    if len(values) > MAX_CODES:
        return MaskReading(how="grey edges, cut at half the range")
    between = {value for value in values - {WHITE} if value.isdigit()}
    fringe = sum(survey.pixels[value] for value in between)
    if between == values - {WHITE} and fringe <= _FRINGE * survey.pixels[WHITE] and all(
        WHITE in found for found in survey.together if found
    ):  # fmt: skip
        return MaskReading(how="grey edges, cut at half the range")
    ignored = frozenset(values & {VOC_VOID})
    how = "codes, all but 0 are lesion" + (f", {VOC_VOID} is ignored" if ignored else "")
    return MaskReading(None, ignored, by_file=False, how=how)


def given_reading(lesion: str, ignore: str, where: str) -> MaskReading | None:
    """Return the reading that somebody asks for, None where both are empty.

    Parameters
    ----------
    lesion, ignore : str
        Values joined by ``;``: grey values, or colours as ``#rrggbb``.
    where : str
        What an error message starts with.

    Raises
    ------
    DataError
        If a value isn't one, is 0, or is both.
    """
    sets = []
    for text in (lesion, ignore):
        values = [part.strip().lower() for part in text.split(";") if part.strip()]
        for value in values:
            if not re.fullmatch(r"[1-9][0-9]{0,4}|#[0-9a-f]{6}", value):
                raise DataError(
                    f"{where}: mask values are numbers above 0 or colours such as #ff0000, got `{printable(value, 99)}`"
                )
        sets.append(frozenset(values))
    if sets[0] & sets[1]:
        raise DataError(f"{where}: mask value {min(sets[0] & sets[1])} can't be both lesion and ignored")
    if not any(sets):
        return None
    lesion_values, ignored = sets
    how = f"as asked for: lesion {' '.join(sorted(lesion_values)) or 'all others'}"
    how += f", ignored {' '.join(sorted(ignored))}" if ignored else ""
    return MaskReading(lesion_values or None, ignored, by_file=False, how=how)


def read_mask_as(path: Path, reading: MaskReading) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Return lesion and ignored pixels of a mask's file; see `MaskReading.of`, and `read_pixels` for errors."""
    try:
        return reading.of(read_pixels(path))
    except ImageError:
        raise
    except ValueError as error:
        raise ImageError(f"{printable(path)}: {error}") from error


def join_ignored(paths: Sequence[Path], reading: MaskReading) -> NDArray[np.bool_] | None:
    """Return what some of a case's masks ignores and none calls lesion, (H, W) bool; None where nothing can be."""
    found: NDArray[np.bool_] | None = None
    lesion: NDArray[np.bool_] | None = None
    for path in paths if reading.ignored else ():
        part, ignored = read_mask_as(path, reading)
        lesion = part if lesion is None else lesion | part
        if ignored is not None:
            found = ignored if found is None else found | ignored
    return None if found is None or lesion is None else found & ~lesion


def _is_exact(pixels: Pixels) -> bool:
    return pixels.file_format != "JPEG" and pixels.array.dtype.kind != "f" and not pixels.shortened


def _flat(pixels: Pixels) -> tuple[NDArray[Any], bool]:
    """Return one number a pixel, (H, W), 0 where transparent, and whether the numbers are colours (0xrrggbb)."""
    array, coloured = pixels.array, pixels.coloured
    if coloured:
        red, green, blue = (array[..., channel].astype(np.int32) for channel in range(3))
        flat: NDArray[Any] = red << 16 | green << 8 | blue
    else:
        flat = array[..., 0] if array.ndim == 3 else array
    return (flat if pixels.opaque is None else np.where(pixels.opaque, flat, flat.dtype.type(0))), coloured


def _count(pixels: Pixels) -> dict[str, int]:
    """Return how many pixels have each value but 0."""
    flat, coloured = _flat(pixels)
    if flat.dtype == np.uint8:  # many times faster than sorting
        counts = np.bincount(flat.ravel(), minlength=256)
        values = np.flatnonzero(counts)
        counts = counts[values]
    else:
        values, counts = np.unique(flat[flat != 0], return_counts=True)
    named = zip((_name(int(value), pixels, coloured) for value in values), counts.tolist(), strict=True)
    return {name: count for name, count in named if name != "0"}


def _name(value: int, pixels: Pixels, coloured: bool) -> str:
    """Return a value as people write it: 255 is white whatever the depth, and equal channels are a grey value."""
    if not coloured:
        return WHITE if value == pixels.white else str(value)
    grey = value & 0xFF
    return str(grey) if value == grey * 0x010101 else f"#{value:06x}"


def _any_of(flat: NDArray[Any], names: frozenset[str], pixels: Pixels, coloured: bool) -> NDArray[np.bool_]:
    """Return where a pixel has one of these values; the inverse of `_name`."""
    found = np.zeros(flat.shape, np.bool_)
    for name in names:
        if name.startswith("#"):
            if coloured:
                found |= flat == int(name[1:], 16)
        elif coloured:
            found |= flat == int(name) * 0x010101
        else:
            found |= flat == int(name)
            if name == WHITE:
                found |= flat == pixels.white
    return found
