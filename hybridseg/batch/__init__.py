"""Many files: which of them to segment, what to write of each, and segmenting them.

``plan_batch(["folder"], Path("masks"))`` returns what ``hybridseg segment folder -o masks`` would do; its ``run`` does
it. For research: not for diagnosis.
"""

from __future__ import annotations

from .outputs import DicomSeg, Mask, Output, Overlay
from .segmenting import Batch, Done, plan_batch

__all__ = ["Batch", "DicomSeg", "Done", "Mask", "Output", "Overlay", "plan_batch"]
