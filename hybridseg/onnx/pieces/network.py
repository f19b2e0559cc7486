"""The whole pipeline around a trained network: raw image in, mask out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import spox
import spox.opset.ai.onnx.v18 as op
from spox import Var

from ...postprocess import OperatingPoint
from .batch import assemble, const
from .resize import flip_columns, resize, resize_batch
from .scan import find_scan, put_back
from .threshold import apply_operating_point


@dataclass(frozen=True)
class Preprocessing:
    """The arithmetic on grey levels 0..255 before they reach a network.

    Attributes
    ----------
    mean, std : float or tuple of float
        The network sees ``(grey - mean) / std``, in float32; a tuple has one number for each of its channels.
    flip : bool
        Average the probability with that of the mirrored image, mirrored back.
    scan : bool
        What `hybridseg.find_scan` leaves out is left out before the resize and has probability 0.
    """

    mean: float | tuple[float, ...] = 127.0
    std: float | tuple[float, ...] = 128.0
    flip: bool = False
    scan: bool = False


def wrap_network(
    network_model: Any,
    input_size: int | tuple[int, int],
    preprocessing: Preprocessing,
    operating_point: OperatingPoint,
    blank_range: int = 0,
) -> Any:
    """Return a model of hybridseg's signature around a fixed-size network.

    Image [-> its scan] -> float32 -> antialiased resize to ``input_size`` (stretched) -> ``(x - mean) /
    std`` -> network [-> mean with the mirrored image] -> resize to the image's size -> clipped to [0, 1] [-> 0 if
    it is blank] [-> 0 around the scan] -> operating point.

    Parameters
    ----------
    network_model : onnx.ModelProto
        One float32 input [1, h, w, C] with C 1 or 3 (grey levels repeated), one float32 output [1, h', w', 1],
        a probability, of the same or of another resolution. The first dimension may be dynamic.
    input_size : int or (int, int)
        h and w.
    preprocessing : Preprocessing
    operating_point : OperatingPoint
    blank_range : int
        An image, or a scan in it, of fewer grey levels from its darkest to its brightest pixel has probability 0.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ValueError
        If the network has another signature.
    """
    height, width = (input_size, input_size) if isinstance(input_size, int) else input_size
    channels = _check_network(network_model, height, width)
    network = spox.inline(with_full_rank_scalars(network_model))
    input_name, output_name = network_model.graph.input[0].name, network_model.graph.output[0].name

    def run(view: Var) -> Var:
        batch = op.unsqueeze(view, const([0]))
        return op.squeeze(network(**{input_name: batch})[output_name], const([0]))

    def single(image: Var) -> tuple[Var, Var]:
        scan = image
        if preprocessing.scan:
            starts, ends = find_scan(image)
            scan = op.slice(image, starts, ends)
        scan = op.cast(scan, to=np.float32)
        small = resize(scan, const([height, width]))
        grey = op.expand(op.unsqueeze(small, const([2])), const([height, width, channels]))
        steps = (preprocessing.mean, preprocessing.std)
        mean, std = (const(np.reshape(value, (1, 1, -1)), np.float32) for value in steps)
        view = op.div(op.sub(grey, mean), std)
        probability = _with_mirror_image(run, view) if preprocessing.flip else run(view)
        full = resize(op.squeeze(probability, const([2])), op.shape(scan))
        clipped = op.clip(full, const(0.0, np.float32), const(1.0, np.float32))
        if blank_range:
            levels = op.sub(op.reduce_max(scan, keepdims=0), op.reduce_min(scan, keepdims=0))
            enough = op.greater_or_equal(levels, const(blank_range, np.float32))
            clipped = op.mul(clipped, op.cast(enough, to=np.float32))
        if preprocessing.scan:
            clipped = put_back(clipped, image, starts, ends)
        return apply_operating_point(clipped, operating_point), clipped

    return assemble(single)


def _with_mirror_image(run: Any, view: Var) -> Var:
    """Return the mean of ``run(view)`` and of ``run`` on its mirror image, mirrored back."""
    views = op.concat([op.unsqueeze(v, const([0])) for v in (view, flip_columns(view))], axis=0)

    def body(index: Var, going: Var) -> list[Var]:
        return [going, run(op.squeeze(op.gather(views, index, axis=0), const([0])))]

    # A Loop holds the network once; calling it twice would write its weights twice.
    (both,) = op.loop(const([2]), const([True], np.bool_), [], body=body)
    # Its results have lost their rank, which is 4: said again here.
    plane = op.reshape(op.slice(op.shape(both), const([1]), const([3])), const([2]))
    both = op.reshape(both, op.concat([const([2]), plane, const([1])], axis=0))
    direct, mirrored = op.gather(both, const(0), axis=0), op.gather(both, const(1), axis=0)
    return op.mul(op.add(direct, flip_columns(mirrored)), const(0.5, np.float32))


def mean_network(networks: Sequence[bytes]) -> bytes:
    """Return a network that gives the mean of several networks' answers: of every second one to the mirrored image.

    Each image is seen from both sides at the price of one view a network. The mean has the size of the largest. A
    smaller one is given the image stretched to its own size, and its answer is stretched back.

    Parameters
    ----------
    networks : sequence of bytes
        Serialised `onnx.ModelProto`, each with one input and one output [N, S, S, 1]. S is its own, their names aren't.

    Raises
    ------
    ValueError
        If there is none, or one has another input or output.
    """
    import onnx

    models = [onnx.load_from_string(network) for network in networks]
    ends = [(*model.graph.input, *model.graph.output) for model in models]
    found = [[(end.name, _shape(end)) for end in each] for each in ends]
    names = {tuple(name for name, _ in each) for each in found}
    sides = [each[0][1][1] or 0 for each in found]
    fitting = [all(shape[1:] == [side, side, 1] for _, shape in each) for each, side in zip(found, sides, strict=True)]
    if len(names) != 1 or not all(fitting) or len(found[0]) != 2:
        raise ValueError(f"`networks` must have one input and one output [N, S, S, 1] of the same names, got {found}")
    (source, target), largest = names.pop(), max(sides)
    image = spox.argument(spox.Tensor(np.float32, ("N", largest, largest, 1)))
    answers = []
    for k, (model, side) in enumerate(zip(models, sides, strict=True)):
        view = flip_columns(image, axis=2) if k % 2 else image
        view = resize_batch(view, side) if side != largest else view
        answer = spox.inline(model)(**{source: view})[target]
        answer = resize_batch(answer, largest) if side != largest else answer
        answers.append(flip_columns(answer, axis=2) if k % 2 else answer)
    built = spox.build({source: image}, {target: op.mean(answers)})
    built.ir_version = models[0].ir_version
    data: bytes = built.SerializeToString()
    return data


def with_full_rank_scalars(model: Any) -> Any:
    """Return the model with the scalars that its input meets first, in arithmetic, as [1, 1, 1, 1].

    Where the last dimension is 1, onnxruntime takes 25 times as long for a scalar of any other rank.
    """
    from onnx import ModelProto, numpy_helper

    changed = ModelProto()
    changed.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in changed.graph.initializer}
    for node in changed.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    users = Counter(name for node in changed.graph.node for name in node.input)
    path = {node.name for node in changed.graph.input if node.name not in tensors}
    for node in changed.graph.node:
        if node.op_type in ("Add", "Sub", "Mul", "Div") and path & set(node.input):
            for name in node.input:
                tensor = tensors.get(name)
                if tensor is not None and users[name] == 1 and (value := numpy_helper.to_array(tensor)).size == 1:
                    tensor.CopyFrom(numpy_helper.from_array(value.reshape(1, 1, 1, 1), tensor.name))
                    path.add(node.output[0])
    return changed


def _check_network(model: Any, height: int, width: int) -> int:
    """Return the network's number of input channels, or raise ValueError if its signature isn't ours."""
    initial = {tensor.name for tensor in model.graph.initializer}
    inputs = [node for node in model.graph.input if node.name not in initial]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        got = f"{len(inputs)} and {len(model.graph.output)}"
        raise ValueError(f"`network_model` must have one input and one output, got {got}")
    shape_in, shape_out = (_shape(node) for node in (inputs[0], model.graph.output[0]))
    if shape_in[1:] not in ([height, width, 1], [height, width, 3]) or shape_in[0] not in (1, None):
        raise ValueError(f"`network_model` must take [1, {height}, {width}, 1 or 3], got {shape_in}")
    if len(shape_out) != 4 or shape_out[3] not in (1, None):
        raise ValueError(f"`network_model` must return [1, h, w, 1], got {shape_out}")
    return 1 if shape_in[3] == 1 else 3


def _shape(node: Any) -> list[int | None]:
    """Return a graph input's or output's shape, None where it is dynamic."""
    sides = node.type.tensor_type.shape.dim
    return [side.dim_value if side.HasField("dim_value") else None for side in sides]
