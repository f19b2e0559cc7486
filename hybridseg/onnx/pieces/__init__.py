"""The pieces that exported graphs are made of, for authors of a ``_to_onnx``. Each equals a function of NumPy, SciPy,
scikit-image or Pillow, which its docstring names. Needs the extra ``export``.
"""

from __future__ import annotations

from .batch import assemble, const, sides
from .components import Components, fill_holes, keep_components, label, numbered
from .confidence import add_confidence
from .filters import box_mean, convolve, gaussian, median3
from .morphology import closing, dilate, erode, opening, windows
from .network import Preprocessing, wrap_network
from .resize import flip_columns, resize
from .scan import find_scan, put_back
from .threshold import apply_operating_point, bounding_box, histogram, otsu_threshold, smallest_area
from .trees import Trees, round_down, sum_of_trees

__all__ = [
    "Components",
    "Preprocessing",
    "Trees",
    "add_confidence",
    "apply_operating_point",
    "assemble",
    "bounding_box",
    "box_mean",
    "closing",
    "const",
    "convolve",
    "dilate",
    "erode",
    "fill_holes",
    "find_scan",
    "flip_columns",
    "gaussian",
    "histogram",
    "keep_components",
    "label",
    "median3",
    "numbered",
    "opening",
    "otsu_threshold",
    "put_back",
    "resize",
    "round_down",
    "sides",
    "smallest_area",
    "sum_of_trees",
    "windows",
    "wrap_network",
]
