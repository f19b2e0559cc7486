"""Checking parameters, in one wording for all methods here."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np


def is_number(value: Any) -> bool:
    """Whether a parameter is a real number, which True and False aren't."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_whole(segmenter: Any, name: str, least: int, most: int) -> None:
    """Raise ValueError unless a segmenter's parameter is an integer in these bounds."""
    value = getattr(segmenter, name)
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise ValueError(f"`{name}` must be an integer in {least}..{most}, got {value!r}")
