"""Networks from elsewhere: floats in, logits or probabilities out, fixed size; given hybridseg's signature."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v18 as op
from spox import Tensor, Var

from ..postprocess import OperatingPoint
from ..segmenter import ModelFormatError
from .batch import const
from .exporting import set_metadata
from .network import Preprocessing, wrap_network


@dataclass(frozen=True)
class Foreign:
    """What a network from elsewhere expects and returns: what its file doesn't say.

    Attributes
    ----------
    layout : {"nchw", "nhwc"}
        Order of its axes, in and out.
    output : {"probability", "logit", "softmax"}
        What its first output holds: a probability; a number to squash with the logistic function; or one number for
        each class, to be made probabilities by softmax.
    channel : int
        The lesion's channel in that output.
    size : tuple of int, optional
        Rows and columns to run it at, where its file leaves them open.
    mean, std : float or tuple of float
        It sees ``(grey - mean) / std`` of grey levels 0..255.
    flip : bool
        Average with the mirrored image.
    """

    layout: str = "nchw"
    output: str = "logit"
    channel: int = 0
    size: tuple[int, int] | None = None
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 255.0
    flip: bool = False

    def __post_init__(self) -> None:
        for name, known in (("layout", ("nchw", "nhwc")), ("output", ("probability", "logit", "softmax"))):
            if getattr(self, name) not in known:
                raise ValueError(f"`{name}` must be one of {', '.join(known)}, got {getattr(self, name)!r}")


def read_description(path: str | os.PathLike[str]) -> tuple[Foreign, OperatingPoint]:
    """Read a TOML file: the attributes of `Foreign`, and a table ``operating_point`` with those of that class.

    Raises
    ------
    ModelFormatError
        If it isn't TOML or names something else.
    """
    try:
        entries = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        point = OperatingPoint(**entries.pop("operating_point", {}))
        unknown = sorted(set(entries) - {field.name for field in fields(Foreign)})
        if unknown:
            raise ValueError(f"unknown entries {', '.join(unknown)}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in entries.items()
        }
        return Foreign(**values), point
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFormatError(f"{path}: not a description of a network: {error}") from None


def adopt_file(path: str | os.PathLike[str]) -> Any:
    """Return an `onnx.ModelProto` of hybridseg's signature around the network in ``path``, a file that was screened.

    What it expects is described in the TOML file of its name beside it.

    Raises
    ------
    ModelFormatError
        If the network isn't as described, or can't be composed with the steps around it.
    """
    path = Path(path)
    foreign, point = read_description(path.with_suffix(".toml"))
    try:
        model = adopt(onnx.load(path), foreign, point)
    except Exception as error:  # spox and onnx raise whatever a strange graph makes them raise
        raise ModelFormatError(f"{path}: can't be adopted: {' '.join(str(error).split())}") from None
    set_metadata(model, {"method": path.name, "operating_point": json.dumps(asdict(point))}, keep=True)
    return model


def adopt(model: Any, foreign: Foreign, operating_point: OperatingPoint) -> Any:
    """Return an `onnx.ModelProto` of hybridseg's signature around a network from elsewhere.

    Parameters
    ----------
    model : onnx.ModelProto
        One float32 image input of 1 or 3 channels; its first output is used.
    foreign : Foreign
    operating_point : OperatingPoint

    Raises
    ------
    ValueError
        If the network isn't as described.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [node for node in model.graph.input if node.name not in weights]
    if len(inputs) != 1:
        raise ValueError(f"`model` must have one input, got {len(inputs)}")
    shape: list[Any] = [
        side.dim_value if side.HasField("dim_value") else None
        for side in inputs[0].type.tensor_type.shape.dim
    ]
    first = foreign.layout == "nchw"
    if len(shape) != 4 or shape[1 if first else 3] not in (1, 3):
        raise ValueError(f"`model` must take {foreign.layout} with 1 or 3 channels, got shape {shape}")
    channels = shape[1 if first else 3]
    own = shape[2:] if first else shape[1:3]
    if None in own and foreign.size is None:
        raise ValueError(f"`size` must be given: the network's own is open, its input has shape {shape}")
    height, width = (given or asked for given, asked in zip(own, foreign.size or own, strict=True))

    image = spox.argument(Tensor(np.float32, (1, height, width, channels)))
    view = op.transpose(image, perm=[0, 3, 1, 2]) if first else image
    result = spox.inline(model)(**{inputs[0].name: view})[model.graph.output[0].name]
    scores = op.transpose(result, perm=[0, 2, 3, 1]) if first else result
    network = spox.build({"image": image}, {"probability": _probability(scores, foreign, (height, width))})
    steps = Preprocessing(foreign.mean, foreign.std, foreign.flip)
    return wrap_network(network, (height, width), steps, operating_point)


def _probability(scores: Var, foreign: Foreign, size: tuple[int, int]) -> Var:
    """Return the lesion's probability, float32 [1, h, w, 1], of a network's output [1, h, w, K]."""
    if foreign.output == "softmax":
        scores = op.softmax(scores, axis=3)
    chosen = op.gather(scores, const([foreign.channel]), axis=3)
    if foreign.output == "logit":
        chosen = op.sigmoid(chosen)
    return op.reshape(chosen, const([1, *size, 1]))
