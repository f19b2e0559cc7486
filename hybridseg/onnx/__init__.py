"""One ONNX file per method: graph pieces, assembly, parity-checked export, and the class that runs such
files.

Public names load on first use. Running a file needs numpy and onnxruntime only. Writing one needs the extra ``export``
(onnx and spox), whose graphs are made of `hybridseg.onnx.pieces`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_LAZY = {
    "OnnxSegmenter": "segmenter",
    "export": "exporting",
    "ParityError": "parity",
    "ParityReport": "parity",
    "Preprocessing": "pieces",
    "wrap_network": "pieces",
    "Foreign": "foreign",
    "adopt": "foreign",
    "assemble": "pieces",
    "describe": "inspect",
    "Compression": "quantise",
    "CompressionError": "quantise",
    "export_smaller": "quantise",
}
__all__ = [
    "Compression",
    "CompressionError",
    "Foreign",
    "OnnxSegmenter",
    "ParityError",
    "ParityReport",
    "Preprocessing",
    "adopt",
    "assemble",
    "describe",
    "export",
    "export_smaller",
    "wrap_network",
]

if TYPE_CHECKING:
    from .exporting import export
    from .foreign import Foreign, adopt
    from .inspect import describe
    from .parity import ParityError, ParityReport
    from .pieces import Preprocessing, assemble, wrap_network
    from .quantise import Compression, CompressionError, export_smaller
    from .segmenter import OnnxSegmenter


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
