"""Weights stored in fewer bits than they are computed in."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .finish import bodies, graphs

SMALLEST_HALVED = 256  # elements; smaller tensors (biases) stay single: they cost nothing and steer everything
SMALLEST_QUANTISED = 4096  # elements; smaller kernels are halved: in 8 bits they would only slow the start
LARGEST_CODE = {8: 127, 4: 7}
"""By bits: codes are as far below zero as above it."""
SMALLEST_KEPT = 1e-30
"""A channel whose largest weight isn't larger is 0: its scale would leave the range of float32."""

FloatArrays = Mapping[str, NDArray[np.float32]]


def store_smaller(graph: Any, kernel_bits: Literal[16, 8, 4] = 16, outer: FloatArrays = MappingProxyType({})) -> None:
    """Store large float32 tensors of an `onnx.GraphProto` as float16 and widen them where they are used, in place.

    With 8 or 4 ``kernel_bits``, kernels of convolutions become integers instead, with a scale for each output channel.
    With 4, the few kernels of depthwise convolutions become 8-bit ones. Initializers and constants, those in the
    bodies of loops too. ``outer`` are tensors of graphs around this one, which don't use them themselves.
    """
    from onnx import TensorProto, helper, numpy_helper

    def large(tensor: Any) -> bool:
        return tensor.data_type == TensorProto.FLOAT and int(np.prod(tensor.dims)) >= SMALLEST_HALVED

    def store(name: str, values: Any) -> str:
        graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    tensors = dict(outer)
    for tensor in [tensor for tensor in graph.initializer if large(tensor)]:
        tensors[tensor.name] = numpy_helper.to_array(tensor)
        graph.initializer.remove(tensor)
    for node in list(graph.node):
        if node.op_type == "Constant" and node.attribute[0].name == "value" and large(node.attribute[0].t):
            tensors[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            graph.node.remove(node)
    kernels = {node.input[1] for each in graphs(graph) for node in each.node if node.op_type == "Conv"}
    # In the graph that uses it: onnxruntime rearranges weights for speed where it finds their values beside the node.
    names = [name for node in graph.node for name in node.input] + [value.name for value in graph.output]
    used = {name: tensors.pop(name) for name in names if name in tensors}
    for node in graph.node:
        for body in bodies(node):
            store_smaller(body, kernel_bits, tensors)
    widened: list[Any] = []
    packed: dict[str, NDArray[np.uint8]] = {}
    for name, values in used.items():
        if kernel_bits == 16 or name not in kernels or values.size < SMALLEST_QUANTISED:
            half = store(f"{name}_small", values.astype(np.float16))
            widened.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
            continue
        bits = 8 if values.shape[1] == 1 else kernel_bits
        codes, scale = quantise(values, bits)
        # Not DequantizeLinear, which onnxruntime would compute anew for each image.
        wide, scaled = f"{name}_wide", store(f"{name}_scale", scale)
        if bits == 4:
            packed[name] = (codes + 8).astype(np.uint8)
        else:
            eight = store(f"{name}_small", codes)
            widened.append(helper.make_node("Cast", [eight], [wide], to=TensorProto.FLOAT))
        widened.append(helper.make_node("Mul", [wide, scaled], [name]))
    if packed:
        widened[:0] = _unpacked(packed, store)
    nodes = [copy.deepcopy(node) for node in (*widened, *graph.node)]
    del graph.node[:]
    graph.node.extend(nodes)


def quantise(kernel: NDArray[np.float32], bits: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return a kernel's codes, of its shape (out, ...), and scales (out, 1, ...): their product is about the kernel.

    It is the kernel, to rounding, if that was such a product before: each channel's largest code is the largest of all.
    """
    largest = np.abs(kernel).max(axis=tuple(range(1, kernel.ndim)), keepdims=True)
    scale = np.where(largest > SMALLEST_KEPT, largest / LARGEST_CODE[bits], 1).astype(np.float32)
    return np.rint(kernel / scale).astype(np.int8), scale


def _unpacked(kernels: Mapping[str, NDArray[np.uint8]], store: Callable[[str, Any], str]) -> Sequence[Any]:
    """Store 4-bit codes two in a byte. Return the nodes that unpack each kernel as ``NAME_wide``."""
    from onnx import TensorProto, helper

    codes = np.concatenate([values.ravel() for values in kernels.values()])
    sizes = [values.size for values in kernels.values()]
    parts = [f"{name}_flat" for name in kernels]
    if len(codes) % 2:
        codes, sizes, parts = np.append(codes, np.uint8(8)), [*sizes, 1], [*parts, f"{parts[0]}_rest"]
    high, low = np.split(codes, 2)
    first = parts[0]
    packed = store(f"{first}_packed", high << 4 | low)
    four, fifteen = store(f"{first}_4", np.uint8(4)), store(f"{first}_15", np.uint8(15))
    nodes = [
        helper.make_node("BitShift", [packed, four], [f"{first}_high"], direction="RIGHT"),
        helper.make_node("BitwiseAnd", [packed, fifteen], [f"{first}_low"]),
        helper.make_node("Concat", [f"{first}_high", f"{first}_low"], [f"{first}_codes"], axis=0),
        helper.make_node("Cast", [f"{first}_codes"], [f"{first}_wide"], to=TensorProto.FLOAT),
        helper.make_node("Sub", [f"{first}_wide", store(f"{first}_8", np.float32(8))], [f"{first}_signed"]),
        helper.make_node("Split", [f"{first}_signed", store(f"{first}_sizes", np.array(sizes))], parts, axis=0),
    ]
    for name, values in kernels.items():
        shape = store(f"{name}_shape", np.array(values.shape))
        nodes.append(helper.make_node("Reshape", [f"{name}_flat", shape], [f"{name}_wide"]))
    return nodes
