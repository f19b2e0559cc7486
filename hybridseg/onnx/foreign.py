"""Networks from elsewhere: floats in, logits or probabilities out, fixed size; given hybridseg's signature."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.version_converter
import spox
import spox.opset.ai.onnx.v18 as op
from spox import Tensor, Var

from ..files import read_regular
from ..postprocess import OperatingPoint
from ..text import printable
from ..validation import ModelFormatError
from .finish import OPSET
from .metadata import set_metadata
from .pieces.batch import const
from .pieces.network import Preprocessing, wrap_network
from .runtime import parse_screened

MAX_DESCRIPTION_BYTES = 2**20
SCALES = ("0-255", "0-1")
MAX_SIDE = 8192
MAX_CHANNELS = 4096
MAX_NUMBER = 1e30
"""Times 255 it is still a float32."""


@dataclass(frozen=True)
class Foreign:
    """The input and output of a network from elsewhere, which its file doesn't tell.

    Attributes
    ----------
    layout : {"nchw", "nhwc"}
        Order of its axes, in and out.
    output : {"probability", "logit", "softmax"}
        What its first output holds. It is a probability, a number to squash with the logistic function, or one number
        for each class, for softmax.
    channel : int
        The lesion's channel in that output, from 0.
    size : tuple of int, optional
        Rows and columns to run it at, where its file leaves them open.
    mean, std : float or tuple of float
        It sees ``(grey - mean) / std`` of grey levels 0..255; a tuple has one number for each channel of its input.
    flip : bool
        Average with the mirrored image.
    scan : bool
        Show it the scan alone, without a black frame and captions (`hybridseg.find_scan`).
    """

    layout: str = "nchw"
    output: str = "logit"
    channel: int = 0
    size: tuple[int, int] | None = None
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 255.0
    flip: bool = False
    scan: bool = False

    def __post_init__(self) -> None:
        for name, known in (("layout", ("nchw", "nhwc")), ("output", ("probability", "logit", "softmax"))):
            if getattr(self, name) not in known:
                value = getattr(self, name)
                near = difflib.get_close_matches(str(value), known, 1)
                guess = f"; did you mean `{near[0]}`?" if near else ""
                raise ValueError(f"`{name}` must be one of {', '.join(known)}, got {value!r}{guess}")
        if not _is_whole(self.channel, 0, MAX_CHANNELS):
            raise ValueError(f"`channel` must be an integer from 0, got {self.channel!r}")
        size = self.size
        if size is not None and not (
            isinstance(size, tuple) and len(size) == 2 and all(_is_whole(side, 1, MAX_SIDE) for side in size)
        ):
            raise ValueError(f"`size` must be two integers from 1 to {MAX_SIDE}, got {size!r}")
        for name in ("mean", "std"):
            value = getattr(self, name)
            numbers = value if isinstance(value, tuple) else (value,)
            if len(numbers) not in (1, 3) or not all(_is_number(number) for number in numbers):
                raise ValueError(f"`{name}` must be a number, or one for each of 3 channels, got {value!r}")
            if not all(abs(number) <= MAX_NUMBER for number in numbers):
                got = printable(repr(value), 99)
                raise ValueError(f"`{name}` must be a number of at most {MAX_NUMBER:g}, got {got}")
            if name == "std" and not all(abs(number) >= 1 / MAX_NUMBER for number in numbers):
                raise ValueError(f"`std` must not be 0, got {value!r}")
        for name in ("flip", "scan"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"`{name}` must be true or false, got {getattr(self, name)!r}")


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_description(path: str | os.PathLike[str]) -> tuple[Foreign, OperatingPoint]:
    """Read a TOML file: the attributes of `Foreign`, and a table ``operating_point`` with those of that class.

    ``scale = "0-1"`` says that ``mean`` and ``std`` are of grey levels from 0 to 1, not from 0 to 255.

    Raises
    ------
    ModelFormatError
        If it isn't TOML, is empty, names something else, or ``std`` is below 1 with grey levels from 0 to 255.
    """
    try:
        entries = tomllib.loads(read_regular(path, MAX_DESCRIPTION_BYTES).decode("utf-8"))
        if not entries:
            raise ValueError('it is empty: say at least what the network gives, such as output = "logit"')
        point = OperatingPoint(**entries.pop("operating_point", {}))
        scale = entries.pop("scale", SCALES[0])
        if scale not in SCALES:
            raise ValueError(f"`scale` must be one of {', '.join(SCALES)}, got {scale!r}")
        known = [field.name for field in fields(Foreign)]
        for name in sorted(set(entries) - set(known)):
            raise ValueError(f"unknown entry `{name}`{_nearest(name, [*known, 'scale', 'operating_point'])}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in entries.items()
        }
        return _in_grey_levels(Foreign(**values), scale, set(values)), point
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFormatError(f"{path}: not a description of a network: {error}") from None


def _in_grey_levels(foreign: Foreign, scale: str, given: set[str]) -> Foreign:
    """Return a description whose mean and std are of grey levels from 0 to 255."""
    deviations = foreign.std if isinstance(foreign.std, tuple) else (foreign.std,)
    if scale == SCALES[1]:
        scaled: dict[str, Any] = {name: _times_255(getattr(foreign, name)) for name in ("mean", "std") if name in given}
        return replace(foreign, **scaled)
    if any(abs(deviation) < 1 for deviation in deviations):
        raise ValueError(
            f"`std` is {foreign.std}, below 1 for grey levels from 0 to 255: multiply mean and std by 255, or write "
            f'scale = "{SCALES[1]}"'
        )
    return foreign


def _times_255(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
    return tuple(255 * each for each in value) if isinstance(value, tuple) else 255 * value


def _nearest(name: str, known: list[str]) -> str:
    """Return a question that names the known word most like ``name``, if there is one."""
    near = difflib.get_close_matches(str(name), known, 1)
    return f"; did you mean `{near[0]}`?" if near else f"; known: {', '.join(known)}"


def adopt_file(path: str | os.PathLike[str]) -> Any:
    """Return an `onnx.ModelProto` of hybridseg's signature around the network in ``path``.

    What it expects is described in the TOML file of its name beside it.

    Raises
    ------
    ModelFormatError
        If the network isn't as described, or can't be composed with the steps around it.
    """
    path = Path(path)
    foreign, point = read_description(path.with_suffix(".toml"))
    try:
        network = parse_screened(path)
        _, channels, size = read_layout(network, foreign)
        model = adopt(network, foreign, point)
    except Exception as error:  # spox and onnx raise whatever a strange graph makes them raise
        raise ModelFormatError(f"{path}: can't be adopted: {' '.join(str(error).split())}") from None
    entries = {
        "method": path.name,
        "params": json.dumps({**asdict(foreign), "size": size, "channels": channels}),
        "operating_point": json.dumps(asdict(point)),
    }
    set_metadata(model, entries, keep=True)
    return model


def describe_feeding(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return in words the input and output of the network in ``path``, as the TOML file beside it says.

    Raises
    ------
    ModelFormatError
        If the network isn't as described.
    """
    path = Path(path)
    description = path.with_suffix(".toml")
    foreign, point = read_description(description)
    try:
        name, channels, (height, width) = read_layout(parse_screened(path), foreign)
    except ValueError as error:
        raise ModelFormatError(f"{path}: isn't as {description.name} says: {error}") from None
    mean, std = (np.broadcast_to(np.asarray(each, float), channels) for each in (foreign.mean, foreign.std))
    black, white = (" ".join(f"{level:.4g}" for level in (grey - mean) / std) for grey in (0, 255))
    part = "the scan without its black frame" if foreign.scan else "the whole image"
    order = (1, channels, height, width) if foreign.layout == "nchw" else (1, height, width, channels)
    return {
        "described in": description.name,
        "fed": f"{part}, grey, resized to {height} rows x {width} columns, as `{name}` float32 {list(order)}",
        "black is fed as": black,
        "white is fed as": white,
        "taken from it": f"channel {foreign.channel} of its first output, a {foreign.output}"
        + (", averaged with that of the mirrored image" if foreign.flip else ""),
        "operating_point": json.dumps(asdict(point)),
    }


def adopt(model: Any, foreign: Foreign, operating_point: OperatingPoint) -> Any:
    """Return an `onnx.ModelProto` of hybridseg's signature around a network from elsewhere.

    Parameters
    ----------
    model : onnx.ModelProto
        One float32 image input of 1 or 3 channels; its first output is used. One of an operator set newer than 18 is
        converted down where onnx can.
    foreign : Foreign
    operating_point : OperatingPoint

    Raises
    ------
    ValueError
        If the network isn't as described.
    """
    name, channels, (height, width) = read_layout(model, foreign)
    model = _with_known_opset(model)
    first = foreign.layout == "nchw"
    image = spox.argument(Tensor(np.float32, (1, height, width, channels)))
    view = op.transpose(image, perm=[0, 3, 1, 2]) if first else image
    result = spox.inline(model)(**{name: view})[model.graph.output[0].name]
    scores = op.transpose(result, perm=[0, 2, 3, 1]) if first else result
    network = spox.build({"image": image}, {"probability": _probability(scores, foreign)})
    steps = Preprocessing(foreign.mean, foreign.std, foreign.flip, foreign.scan)
    return wrap_network(network, (height, width), steps, operating_point)


def read_layout(model: Any, foreign: Foreign) -> tuple[str, int, tuple[int, int]]:
    """Return the name of a network's input, its channels, and the rows and columns to run it at.

    Raises
    ------
    ValueError
        If the network isn't as described.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [node for node in model.graph.input if node.name not in weights]
    if len(inputs) != 1:
        raise ValueError(f"`model` must have one input, got {len(inputs)}")
    if inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise ValueError("`model` must take float32")
    shape, returned = _shape(inputs[0]), _shape(model.graph.output[0])
    axis = 1 if foreign.layout == "nchw" else 3
    if len(shape) != 4 or shape[axis] not in (1, 3):
        raise ValueError(f"`model` must take {foreign.layout} with 1 or 3 channels, got shape {shape}")
    if len(returned) != 4:
        raise ValueError(f"`model` must return {foreign.layout}, got shape {returned}")
    channels, classes = shape[axis], returned[axis]
    for name in ("mean", "std"):
        value = getattr(foreign, name)
        if isinstance(value, tuple) and len(value) not in (1, channels):
            raise ValueError(f"`{name}` has {len(value)} numbers, the network's input {channels} channels")
    if classes is not None and foreign.channel >= classes:
        raise ValueError(f"`channel` is {foreign.channel}, the network's output has channels 0 to {classes - 1}")
    if foreign.output == "softmax" and classes == 1:
        raise ValueError("`output` is softmax, which is 1 for the only class that the network returns")
    own = shape[2:] if axis == 1 else shape[1:3]
    if None in own and foreign.size is None:
        raise ValueError(f"`size` must be given: the network's own is open, its input has shape {shape}")
    height, width = foreign.size or own
    if own[0] not in (None, height) or own[1] not in (None, width):
        raise ValueError(f"`size` is {foreign.size}, the network's own is fixed, its input has shape {shape}")
    return inputs[0].name, channels, (height, width)


def _shape(node: Any) -> list[Any]:
    sides = node.type.tensor_type.shape.dim
    return [side.dim_value if side.HasField("dim_value") else None for side in sides]


def _with_known_opset(model: Any) -> Any:
    """Return a model of an operator set that exported files may have."""
    version = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if version <= OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, OPSET)
    except Exception as error:  # the converter raises whatever a strange graph makes it raise
        reason = " ".join(str(error).split())
        raise ValueError(f"operators of set {version}, at most {OPSET} is run, can't be converted: {reason}") from None


def _probability(scores: Var, foreign: Foreign) -> Var:
    """Return the lesion's probability, float32 [1, h, w, 1], of a network's output [1, h, w, K]."""
    if foreign.output == "softmax":
        scores = op.softmax(scores, axis=3)
    chosen = op.gather(scores, const([foreign.channel]), axis=3)
    return op.sigmoid(chosen) if foreign.output == "logit" else chosen
