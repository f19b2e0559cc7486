"""Describe an ONNX file and its cost, without running it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..segmenter import Segmenter
from ..text import printable
from ..validation import ModelFormatError
from .finish import bodies, graphs
from .metadata import PREFIX
from .runtime import EXPORT_LINE, MAX_REASON, opening
from .screening import screen


@dataclass(frozen=True)
class Description:
    """The result of `describe`.

    Attributes
    ----------
    inputs, outputs : dict of str to str
        Type and shape by name, such as ``uint8 [N, H, W, 1]``.
    metadata : dict of str to str
        The ``hybridseg.*`` entries, without the prefix.
    opsets : dict of str to int
        Versions of the operator sets; the default one is called ``ai.onnx``.
    operators : dict of str to int
        How often each operator stands in the file, bodies of loops included; the most frequent first.
    size_bytes : int
        Of the file.
    parameters : int
        Floating-point numbers stored in the file: weights, filter taps, thresholds of trees.
    multiply_adds : int
        Of convolutions and matrix products of known shape, for one image. What a loop repeats a fixed number
        of times counts that often; work that depends on the image's size isn't counted.
    """

    inputs: dict[str, str]
    outputs: dict[str, str]
    metadata: dict[str, str]
    opsets: dict[str, int]
    operators: dict[str, int]
    size_bytes: int
    parameters: int
    multiply_adds: int


def describe(path: str | os.PathLike[str]) -> Description:
    """Read an ONNX file, of any signature, and describe it.

    Raises
    ------
    FileNotFoundError
    ModelFormatError
        If the file isn't ONNX, contradicts itself, or takes too long (see `hybridseg.limits`); one line says which.
    ImportError
        If the package ``onnx`` (extra ``export``) is missing.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise ImportError(f"reading what is in an ONNX file needs onnx: {EXPORT_LINE}") from None
    path = Path(path)
    with opening(path):
        data, _ = screen(path)
        try:
            model = onnx.load_model_from_string(data)
        except DecodeError:
            raise ModelFormatError(f"{path}: not an ONNX file, or a truncated one") from None
        if not model.graph.node:
            raise ModelFormatError(f"{path}: not an ONNX file: no operators in it")
        try:
            return _describe(model, len(data))
        except Exception as error:  # damaged graphs raise whatever onnx, protobuf and numpy raise
            reason = printable(" ".join(str(error).split())[:MAX_REASON]) or type(error).__name__
            raise ModelFormatError(f"{path}: its graph can't be read: {reason}") from None


def _describe(model: Any, size_bytes: int) -> Description:
    import onnx

    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [node for node in model.graph.input if node.name not in weights]
    in_types = {node.name: _type(node) for node in inputs}
    out_types = {node.name: _type(node) for node in model.graph.output}
    for node in inputs:
        sides = node.type.tensor_type.shape.dim
        if sides and not sides[0].HasField("dim_value"):
            sides[0].dim_value = 1  # the cost of one image
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return Description(
        inputs=in_types,
        outputs=out_types,
        metadata={
            entry.key[len(PREFIX) :]: entry.value for entry in model.metadata_props if entry.key.startswith(PREFIX)
        },
        opsets={entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        operators=dict(_operators(graph).most_common()),
        size_bytes=size_bytes,
        parameters=_parameters(graph),
        multiply_adds=_multiply_adds(graph, {}),
    )


def _type(node: Any) -> str:
    import onnx

    tensor = node.type.tensor_type
    name = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    sides = [str(side.dim_value) if side.HasField("dim_value") else side.dim_param or "?" for side in tensor.shape.dim]
    return f"{'float32' if name == 'float' else name} [{', '.join(sides)}]"


def _operators(graph: Any) -> Counter[str]:
    nodes = (node for each in graphs(graph) for node in each.node)
    return Counter(f"{node.domain}.{node.op_type}" if node.domain else node.op_type for node in nodes)


def _parameters(graph: Any) -> int:
    import onnx

    kinds = onnx.TensorProto
    of_weights = {kinds.FLOAT, kinds.FLOAT16, kinds.DOUBLE, kinds.INT8}
    tensors = [tensor for each in graphs(graph) for tensor in each.initializer]
    packed: set[str] = set()  # bytes of two numbers
    total = 0
    for node in (node for each in graphs(graph) for node in each.node):
        packed.update(node.input[:1] if node.op_type == "BitShift" else ())
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.HasField("t"):
                tensors.append(attribute.t)
            if node.op_type.startswith("TreeEnsemble"):
                total += len(attribute.floats)
    for tensor in tensors:
        in_one = 2 if tensor.name in packed else int(tensor.data_type in of_weights)
        total += in_one * int(np.prod(tensor.dims))
    return total


def _multiply_adds(graph: Any, outer: dict[str, list[int]]) -> int:
    from onnx import numpy_helper

    shapes = dict(outer)
    constants = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sides = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(side.HasField("dim_value") for side in sides):
            shapes[value.name] = [side.dim_value for side in sides]
    for tensor in graph.initializer:
        shapes[tensor.name] = list(tensor.dims)
        constants[tensor.name] = tensor
    total = 0
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].HasField("t"):
            constants[node.output[0]] = node.attribute[0].t
            shapes[node.output[0]] = list(node.attribute[0].t.dims)
        known = all(name in shapes for name in (*node.input[:2], *node.output[:1]))
        if known and node.op_type in ("Conv", "ConvTranspose"):
            # A weight [out, in / group, kh, kw] acts once on each output pixel (on each input pixel,
            # transposed).
            acted_on = node.output[0] if node.op_type == "Conv" else node.input[0]
            total += int(np.prod(shapes[acted_on]) * np.prod(shapes[node.input[1]][1:]))
        elif known and node.op_type in ("Gemm", "MatMul"):
            inner = next((a.i for a in node.attribute if a.name == "transA"), 0)
            total += int(np.prod(shapes[node.output[0]])) * shapes[node.input[0]][-2 if inner else -1]
        times = 1
        if node.op_type == "Loop" and node.input[0] in constants:
            times = int(numpy_helper.to_array(constants[node.input[0]]).reshape(-1)[0])
        total += times * sum(_multiply_adds(body, shapes) for body in bodies(node))
    return total


def count_network(model: Segmenter) -> dict[str, int]:
    """Return ``parameters`` and ``multiply_adds`` of the network inside a method, counted from its exported graph.

    A method has a network inside if it is an ONNX file, or learns a ``network_``. Nothing for others, whose graphs take
    seconds to write, or where the packages that write graphs aren't installed.
    """
    import tempfile
    from importlib.util import find_spec

    if not model.tags.exportable or not all(map(find_spec, ("onnx", "spox"))):
        return {}
    from .segmenter import OnnxSegmenter

    if not isinstance(model, OnnxSegmenter) and not hasattr(model, "network_"):
        return {}
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "graph.onnx")
        onnx.save(model._to_onnx(), path)
        found = describe(path)
    if not found.multiply_adds:
        return {}
    return {"parameters": found.parameters, "multiply_adds": found.multiply_adds}
