"""hybridseg: find lesions in breast-ultrasound images. Public names load on first use."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from .version import __version__

# onnxruntime 1.29 and newer report to their maker unless this is set before they are loaded. No value is stricter.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_LAZY = {
    "Segmenter": "segmenter",
    "Tags": "segmenter",
    "NotFittedError": "segmenter",
    "ModelFormatError": "validation",
    "clone": "parameters",
    "OperatingPoint": "postprocess",
    "available": "registry",
    "create": "registry",
    "load": "registry",
    "find_scan": "images",
    "read_image": "images",
    "read_mask": "images",
    "Case": "data",
    "Dataset": "data",
    "load_dataset": "data",
    "check_metric": "checks",
    "check_segmenter": "checks",
    "parametrize_with_checks": "checks",
    "OnnxSegmenter": "onnx",
    "NetworkSegmenter": "training.segmenter",
    "OnnxNetworkSegmenter": "training.elsewhere",
}
__all__ = [
    "Case",
    "Dataset",
    "ModelFormatError",
    "NetworkSegmenter",
    "NotFittedError",
    "OnnxNetworkSegmenter",
    "OnnxSegmenter",
    "OperatingPoint",
    "Segmenter",
    "Tags",
    "__version__",
    "available",
    "check_metric",
    "check_segmenter",
    "clone",
    "create",
    "find_scan",
    "load",
    "load_dataset",
    "parametrize_with_checks",
    "read_image",
    "read_mask",
]

if TYPE_CHECKING:
    from .checks import check_metric, check_segmenter, parametrize_with_checks
    from .data import Case, Dataset, load_dataset
    from .images import find_scan, read_image, read_mask
    from .onnx import OnnxSegmenter
    from .parameters import clone
    from .postprocess import OperatingPoint
    from .registry import available, create, load
    from .segmenter import NotFittedError, Segmenter, Tags
    from .training.elsewhere import OnnxNetworkSegmenter
    from .training.segmenter import NetworkSegmenter
    from .validation import ModelFormatError


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
