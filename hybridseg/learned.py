"""What a method has learned, and from which images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .confidence import Calibration


class Learned:
    """Attributes whose name ends in one underscore.

    ``fingerprints_`` among them says from which images, ``calibration_`` what its probabilities meant on others.
    """

    fingerprints_: NDArray[np.uint8] | None
    calibration_: Calibration | None

    def _state(self) -> dict[str, Any]:
        """What ``fit`` learned: the instance's attributes whose name ends in one underscore."""
        return {
            name: value
            for name, value in vars(self).items()
            if name.endswith("_") and not name.endswith("__") and not name.startswith("_")
        }

    def _set_state(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def _forget(self) -> None:
        for name in self._state():
            delattr(self, name)

    @property
    def fingerprints(self) -> NDArray[np.uint8] | None:
        """Fingerprints of the images that it has learned from, (N, 18) uint8, see `hybridseg.data.fingerprints`.

        None if that isn't known: an earlier version fitted it. Empty if it has learned nothing. `fit` sets
        ``fingerprints_`` before ``_fit``, which can add what it learns from in other ways, such as a teacher.
        """
        return getattr(self, "fingerprints_", None) if self._state() else take_prints([])

    @property
    def calibration(self) -> Calibration | None:
        """What its probabilities meant on held-out cases; None if nobody has measured that."""
        return getattr(self, "calibration_", None)

    def _check_carried(self) -> None:
        """Raise ValueError if it carries something else under the name of fingerprints or calibration."""
        if not isinstance(self.calibration, Calibration | None):
            raise ValueError(f"`calibration_` is of type {type(self.calibration).__name__}")
        prints = self.fingerprints
        if prints is not None:
            from .data.fingerprints import check_fingerprints

            check_fingerprints(prints)


def take_prints(sets: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Return the fingerprints of several sets of images, (N, 18) uint8."""
    from .data.fingerprints import take_fingerprints

    return take_fingerprints(image for images in sets for image in images)
