"""The last steps before a graph is written: versions that are widely read, weights where they load fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .runtime import open_session

OPSET = 18
IR_VERSION = 8
LARGE = 256  # elements of a tensor that is worth moving


def simplify(model: Any) -> Any:
    """Return an `onnx.ModelProto` with half the nodes: constants folded and steps without effect left out.

    That is what onnxruntime would do at each start, in standard operators; a U-Net starts a sixth faster without.

    Raises
    ------
    ModelFormatError
        If onnxruntime can't run it.
    """
    import onnx

    with TemporaryDirectory() as folder:
        path = Path(folder, "simple.onnx")
        open_session(model.SerializeToString(), simplified=path)
        return onnx.load(path)


def finish(model: Any) -> None:
    """Make an `onnx.ModelProto` ready to be written, in place; what it computes stays.

    Raises
    ------
    ValueError
        If it needs a newer operator set than `OPSET`.
    """
    used = {node.domain or "ai.onnx" for graph in graphs(model.graph) for node in graph.node}
    imports = [entry for entry in model.opset_import if (entry.domain or "ai.onnx") in used]
    del model.opset_import[:]
    model.opset_import.extend(imports)
    for entry in imports:
        if entry.domain in ("", "ai.onnx") and entry.version > OPSET:
            raise ValueError(f"operators of set {entry.version}, at most {OPSET} is written")
    model.ir_version = min(model.ir_version, IR_VERSION)
    _move_weights_out(model.graph)
    _number_values(model.graph)


def graphs(graph: Any) -> Iterator[Any]:
    """Yield a graph and those inside its nodes."""
    yield graph
    for node in graph.node:
        for body in bodies(node):
            yield from graphs(body)


def bodies(node: Any) -> list[Any]:
    """Return the graphs inside a node: the body of a Loop, the branches of an If."""
    found = []
    for attribute in node.attribute:
        found += [attribute.g] if attribute.HasField("g") else list(attribute.graphs)
    return found


def _move_weights_out(graph: Any) -> None:
    """Move large tensors in half precision or fewer bits from the bodies of loops to the outermost graph.

    onnxruntime copies a body several times while it loads. Single-precision ones stay. Those of a convolution are
    rearranged for speed only if they stand in the graph that uses them, as casts of smaller ones do.
    """
    everywhere = list(graphs(graph))
    names = Counter(value.name for g in everywhere for value in (*g.initializer, *g.output))
    names += Counter(name for g in everywhere for node in g.node for name in node.output)
    for body in everywhere[1:]:
        for tensor in [tensor for tensor in body.initializer if _moves(tensor, names[tensor.name])]:
            graph.initializer.append(tensor)
            body.initializer.remove(tensor)
        for node in list(body.node):
            tensor = node.attribute[0].t if node.op_type == "Constant" and node.attribute[0].name == "value" else None
            if tensor is not None and _moves(tensor, names[node.output[0]]):
                moved = graph.initializer.add()
                moved.CopyFrom(tensor)
                moved.name = node.output[0]
                body.node.remove(node)


def _moves(tensor: Any, bearers_of_its_name: int) -> bool:
    from onnx import TensorProto

    small_numbers = tensor.data_type in (TensorProto.FLOAT16, TensorProto.INT8, TensorProto.UINT8)
    return small_numbers and int(np.prod(tensor.dims)) >= LARGE and bearers_of_its_name == 1


def _number_values(graph: Any) -> None:
    """Name everything between a graph's inputs and outputs v0, v1...; nodes have no names.

    The names that inlining and folding leave are a thirtieth of a U-Net's file. While it loads, onnxruntime compares
    them all the time: 5 of 58 ms.
    """
    numbers: dict[str, str] = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}

    ends = frozenset(numbers)
    free = (name for k in count() if (name := f"v{k}") not in ends)

    def number(name: str) -> str:
        if name not in numbers:
            numbers[name] = next(free)
        return numbers[name]

    for inner in graphs(graph):
        for value in (*inner.input, *inner.initializer, *inner.value_info, *inner.output):
            value.name = number(value.name)
        for sparse in inner.sparse_initializer:
            sparse.values.name = number(sparse.values.name)
        for node in inner.node:
            node.name = ""
            node.input[:], node.output[:] = ([number(name) for name in names] for names in (node.input, node.output))
