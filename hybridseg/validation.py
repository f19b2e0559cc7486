"""Checks at the door. numpy only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 64_000_000
"""Images above this many pixels are refused: ultrasound frames have about half a million."""


class ModelFormatError(ValueError):
    """A file is not a saved hybridseg model, or one this version can't read."""


def check_image(image: Any, name: str = "image") -> NDArray[np.uint8]:
    """Return ``image`` if it is a uint8 array of shape (H, W); raise ValueError naming ``name`` otherwise."""
    if not isinstance(image, np.ndarray):
        raise ValueError(f"`{name}` must be an ndarray of uint8, got {type(image).__name__}")
    if image.ndim != 2:
        raise ValueError(f"`{name}` must be 2-D (H, W), got shape {image.shape}")
    if image.dtype != np.uint8:
        raise ValueError(f"`{name}` must be uint8 in 0..255, got {image.dtype}")
    if image.size == 0:
        raise ValueError(f"`{name}` must have at least one pixel, got shape {image.shape}")
    if image.size > MAX_PIXELS:
        raise ValueError(f"`{name}` must have at most {MAX_PIXELS} pixels, got shape {image.shape}")
    return image


def check_mask(mask: Any, shape: tuple[int, ...] | None = None, name: str = "mask") -> NDArray[np.bool_]:
    """Return ``mask`` as bool (H, W). Taken: bool, and integers with only {0, 1} or {0, 255}."""
    if not isinstance(mask, np.ndarray):
        raise ValueError(f"`{name}` must be an ndarray of bool, got {type(mask).__name__}")
    if mask.ndim != 2:
        raise ValueError(f"`{name}` must be 2-D (H, W), got shape {mask.shape}")
    if shape is not None and mask.shape != shape:
        raise ValueError(f"`{name}` must have its image's shape {shape}, got {mask.shape}")
    if mask.dtype == np.bool_:
        return mask
    if mask.dtype.kind not in "ui" or not (np.isin(mask, (0, 1)).all() or np.isin(mask, (0, 255)).all()):
        raise ValueError(f"`{name}` must be bool, or hold only 0 and 1 or only 0 and 255, got {mask.dtype}")
    return mask > 0


def check_training_set(
    images: Sequence[Any], masks: Sequence[Any], groups: Sequence[Any] | None = None, name: str = ""
) -> tuple[Sequence[NDArray[np.uint8]], Sequence[NDArray[np.bool_]], list[Any] | None]:
    """Return checked images, masks and groups of one length.

    What is in memory (a list, a tuple, an array, a generator) is checked at once and comes back as a list. Any other
    sequence may be larger than memory: it is checked as it is read.
    """
    prefix = f"{name} " if name else ""
    images, masks = _as_sequence(images, f"{prefix}images"), _as_sequence(masks, f"{prefix}masks")
    if not len(images):
        raise ValueError(f"`{prefix}images` must hold at least one image, got none")
    if len(images) != len(masks):
        raise ValueError(f"`{prefix}masks` must have one mask per image ({len(images)}), got {len(masks)}")
    if groups is not None:
        groups = _as_list(groups, f"{prefix}groups")
        if len(groups) != len(images):
            wanted = f"one value per image ({len(images)})"
            raise ValueError(f"`{prefix}groups` must have {wanted}, got {len(groups)}")

    shapes: dict[int, tuple[int, ...]] = {}

    def checked_image(i: int) -> NDArray[np.uint8]:
        image = check_image(images[i], f"{prefix}images[{i}]")
        shapes[i] = image.shape
        return image

    def checked_mask(i: int) -> NDArray[np.bool_]:
        shape = shapes.get(i) or checked_image(i).shape
        return check_mask(masks[i], shape, f"{prefix}masks[{i}]")

    if isinstance(images, list) and isinstance(masks, list):
        return [checked_image(i) for i in range(len(images))], [checked_mask(i) for i in range(len(masks))], groups
    return _CheckedAsRead(checked_image, len(images)), _CheckedAsRead(checked_mask, len(masks)), groups


class _CheckedAsRead(Sequence[Any]):
    """A sequence made by a function of the index."""

    def __init__(self, item: Callable[[int], Any], length: int) -> None:
        self._item, self._length = item, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._item(i) for i in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return self._item(index % self._length)


def _as_sequence(values: Any, name: str) -> Sequence[Any]:
    if isinstance(values, Sequence) and not isinstance(values, (list, tuple, str, bytes)):
        return values
    return _as_list(values, name)


def _as_list(values: Any, name: str) -> list[Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise ValueError(f"`{name}` must be a sequence, got {type(values).__name__}")
    return list(values)


def check_probability(probability: Any, shape: tuple[int, ...], method: str) -> NDArray[np.float32]:
    """Return a method's output as float32 if it is a probability map of the image's shape.

    A method that breaks this contract is at fault, not its user: the error says so.
    """
    author = f"{method}._predict_proba"
    if not isinstance(probability, np.ndarray) or probability.shape != shape:
        got = getattr(probability, "shape", type(probability).__name__)
        raise RuntimeError(f"{author} must return an array of the image's shape {shape}, got {got}")
    if probability.dtype.kind not in "fb":
        raise RuntimeError(f"{author} must return floats in [0, 1], got {probability.dtype}")
    values: NDArray[np.float32] = np.ascontiguousarray(probability, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0.0 and high <= 1.0):  # written so that NaN fails
        raise RuntimeError(f"{author} must return values in [0, 1], got {low:.4g} to {high:.4g}")
    return values


def check_spacing(spacing_mm: tuple[float, float] | None) -> None:
    """Raise ValueError unless a pixel spacing is None or two positive, finite numbers."""
    if spacing_mm is not None and not (len(spacing_mm) == 2 and all(0 < each < float("inf") for each in spacing_mm)):
        raise ValueError(f"`spacing_mm` must be two positive numbers (row, column), got {spacing_mm}")
