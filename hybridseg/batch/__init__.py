"""Many files: which of them to segment, what to write of each, and segmenting them.

``plan_batch(["folder"], Path("masks"))`` returns what ``hybridseg segment folder -o masks`` would do; its ``run`` does
it. For research: not for diagnosis.
"""

from __future__ import annotations

from .outputs import DicomSeg, FileOutput, Frame, FrameOutput, Mask, Output, Overlay, Probability, ProbabilityArray
from .segmenting import Batch, plan_batch
from .work import Done

__all__ = [
    "Batch", "DicomSeg", "Done", "FileOutput", "Frame", "FrameOutput", "Mask", "Output", "Overlay", "Probability",
    "ProbabilityArray", "plan_batch",
]  # fmt: skip
