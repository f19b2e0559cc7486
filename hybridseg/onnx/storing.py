"""Weights stored in fewer bits than they are computed in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from .finish import graphs

SMALLEST_HALVED = 256  # elements; smaller tensors (biases) stay single: they cost nothing and steer everything
SMALLEST_QUANTISED = 4096  # elements; smaller kernels are halved: in 8 bits they would only slow the start


def store_smaller(
    graph: Any, kernels_in_8_bits: bool = False, outer: Mapping[str, bool] = MappingProxyType({})
) -> None:
    """Store large float32 tensors of an `onnx.GraphProto` as float16 and widen them where they are used, in place.

    With ``kernels_in_8_bits`` those of convolutions become int8 instead, with a scale for each output channel.
    Initializers and constants, those in the bodies of loops too. ``outer`` names tensors of graphs around this one that
    are stored smaller already, and whether in 8 bits.
    """
    from onnx import TensorProto, helper, numpy_helper

    def large(tensor: Any) -> bool:
        return tensor.data_type == TensorProto.FLOAT and int(np.prod(tensor.dims)) >= SMALLEST_HALVED

    for node in list(graph.node):
        if node.op_type == "Constant" and node.attribute[0].name == "value" and large(node.attribute[0].t):
            tensor = graph.initializer.add()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
            graph.node.remove(node)
    kernels = {node.input[1] for each in graphs(graph) for node in each.node if node.op_type == "Conv"}
    small = dict(outer)
    for tensor in [tensor for tensor in graph.initializer if large(tensor)]:
        name, values = tensor.name, numpy_helper.to_array(tensor)
        small[name] = kernels_in_8_bits and name in kernels and values.size >= SMALLEST_QUANTISED
        if small[name]:
            largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
            scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
            graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
            values = np.rint(values / scale).astype(np.int8)
        else:
            values = values.astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(values, f"{name}_small"))
    # In the graph that uses it: onnxruntime rearranges weights for speed where it finds their values beside the node.
    used = {name: None for node in graph.node for name in node.input if name in small}
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                unused = {name: eight for name, eight in small.items() if name not in used}
                store_smaller(attribute.g, kernels_in_8_bits, unused)
    widened = []
    for name in used:
        wide = f"{name}_wide" if small[name] else name
        widened.append(helper.make_node("Cast", [f"{name}_small"], [wide], to=TensorProto.FLOAT))
        if small[name]:  # not DequantizeLinear, which onnxruntime would compute anew for each image
            widened.append(helper.make_node("Mul", [wide, f"{name}_scale"], [name]))
    nodes = [copy.deepcopy(node) for node in (*widened, *graph.node)]
    del graph.node[:]
    graph.node.extend(nodes)
