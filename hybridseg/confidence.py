"""How sure a method is: raw, from its probabilities, and as a chance of being right, measured on held-out cases."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CLOSEST = 1e-6
"""Raw values nearer than this to 0 or 1 count as this far from them: their log odds have no end."""

Line = tuple[float, float]
"""Intercept and slope over the log odds of a raw value; the slope isn't negative."""


@dataclass(frozen=True)
class Calibration:
    """The meaning of a method's raw confidence, measured on cases that it hadn't learned from.

    Each line leads from the log odds of a raw value to those of being right (J. Platt 1999, Probabilistic outputs for
    support vector machines). ``hybridseg.training.calibration.fit_calibration`` makes them.

    Attributes
    ----------
    lesion : tuple of (intercept, slope)
        Of a region's mean probability: that the region finds a lesion (IoU above a half).
    mask : tuple of (intercept, slope)
        Of the mean probability in a mask: that the whole mask is right (IoU above a half).
    empty : tuple of (intercept, slope)
        Of 1 less the largest probability, where the mask is empty: that there is no lesion.
    images : int
        Held-out images behind it.
    """

    lesion: Line
    mask: Line
    empty: Line
    images: int

    def __post_init__(self) -> None:
        for name in ("lesion", "mask", "empty"):
            line = getattr(self, name)
            if not isinstance(line, tuple) or len(line) != 2 or not all(map(_is_number, line)) or line[1] < 0:
                raise ValueError(f"`{name}` must be intercept and slope, the slope at least 0, got {line!r}")
        if isinstance(self.images, bool) or not isinstance(self.images, int) or self.images < 1:
            raise ValueError(f"`images` must be an integer of at least 1, got {self.images!r}")

    def of_image(self, mask: NDArray[np.bool_], probability: NDArray[np.float32]) -> float:
        """Return the chance that a mask, (H, W) bool, is right. It was made from ``probability``, of that shape."""
        return apply_line(self.mask if mask.any() else self.empty, raw_confidence(mask, probability))

    def of_lesion(self, mean_probability: float) -> float:
        """Return the chance that a region of this mean probability finds a lesion."""
        return apply_line(self.lesion, mean_probability)

    def to_json(self) -> str:
        """Return it as one line of JSON, as model files carry it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Read what `to_json` wrote; ValueError if it is something else."""
        entries = json.loads(text)
        names = [field.name for field in fields(cls)]
        if not isinstance(entries, dict) or sorted(entries) != sorted(names):
            raise ValueError(f"expected {', '.join(names)}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in entries.items()
        }
        return cls(**values)


def raw_confidence(mask: NDArray[np.bool_], probability: NDArray[np.float32]) -> float:
    """Return the mean probability in a mask, or 1 less the largest of the image where the mask is empty.

    Both are in [0, 1]. They aren't comparable with each other before they are calibrated.
    """
    if mask.any():
        return float(probability[mask].mean(dtype=np.float64))
    return 1.0 - float(probability.max())


def log_odds(raw: ArrayLike) -> NDArray[np.float64]:
    """Return the log odds of raw values in [0, 1]."""
    inside = np.clip(raw, CLOSEST, 1 - CLOSEST)
    odds: NDArray[np.float64] = np.log(inside / (1 - inside))
    return odds


def apply_line(line: Line, raw: float) -> float:
    """Return the chance that a line gives to a raw value."""
    intercept, slope = line
    exponent = intercept + slope * float(log_odds(raw))
    return 1 / (1 + math.exp(-min(max(exponent, -700.0), 700.0)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
