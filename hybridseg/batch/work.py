"""The work to do on every image, and its result for one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .outputs import FileOutput, FrameOutput, Mask, Output


@dataclass(frozen=True)
class Work:
    """What is wanted of every image.

    ``sources`` are the keys of the inputs that have the name of an output. With ``refuse_below``, a mask
    isn't written if its confidence is below that, or its image out of scope.
    """

    spec: str
    outputs: tuple[Output, ...] = (Mask(),)
    existing: str = "error"
    measuring: bool = False
    sources: frozenset[str] = frozenset()
    refuse_below: float | None = None

    @property
    def per_frame(self) -> list[FrameOutput]:
        """The outputs that each frame has."""
        return [output for output in self.outputs if isinstance(output, FrameOutput)]

    @property
    def per_file(self) -> list[FileOutput]:
        """The outputs that a file has once."""
        return [output for output in self.outputs if isinstance(output, FileOutput)]


@dataclass
class Done:
    """The result for one file, beside the files written. With a ``note`` alone, it comes later.

    ``refused`` has a line for each frame that was refused, ``strange`` for each that is out of the method's scope.
    """

    number: int
    lines: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    may_name_patient: bool = False
    error: str = ""
    note: str = ""
