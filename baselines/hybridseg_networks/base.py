"""The common part of the networks here: a width, and a size that their poolings divide."""

from __future__ import annotations

from typing import Any, ClassVar

from hybridseg import NetworkSegmenter


class KnownNetwork(NetworkSegmenter):
    """A published network.

    Parameters
    ----------
    width : int, optional
        Filters of the first level, the others in proportion; the published one if not given.
    **training
        As those of `hybridseg.NetworkSegmenter`; ``size`` is a multiple of `multiple`.

    Class attributes
    ----------------
    published_width : int
    multiple : int
        What ``size`` must be divisible by.
    """

    published_width: ClassVar[int]
    multiple: ClassVar[int] = 16

    def __init__(self, *, width: int | None = None, **training: Any) -> None:
        super().__init__(**training)
        self.width = width

    @property
    def current_width(self) -> int:
        """Filters of the first level."""
        return self.published_width if self.width is None else self.width

    def scaled(self, filters: int) -> int:
        """Return so many of the published filters at the current width, at least one."""
        return max(1, round(filters * self.current_width / self.published_width))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        width = self.width
        if width is not None and (isinstance(width, bool) or not isinstance(width, int) or width < 1):
            raise ValueError(f"`width` must be None or an integer of at least 1, got {width!r}")
        if self.size % self.multiple:
            raise ValueError(f"`size` must be a multiple of {self.multiple}, got {self.size}")
