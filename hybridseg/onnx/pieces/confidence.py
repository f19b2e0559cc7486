"""How sure a file is, inside the file: the twin of `hybridseg.confidence.Calibration.of_image`."""

from __future__ import annotations

from typing import Any

import numpy as np
import spox
import spox.opset.ai.onnx.v18 as op
from spox import Tensor, Var

from ...confidence import CLOSEST, Calibration
from .batch import IR_VERSION, const


def add_confidence(model: Any, calibration: Calibration) -> Any:
    """Return an `onnx.ModelProto` of hybridseg's signature with one output more, ``confidence``, float32 [N].

    It is the chance that the image's mask is right. Input, outputs and metadata of ``model`` stay as they are.
    """
    image = spox.argument(Tensor(np.uint8, ("N", "H", "W", 1)))
    outputs = spox.inline(model)(image=image)
    masks, probabilities = outputs["mask"], outputs["probability"]

    def body(index: Var, going: Var) -> list[Var]:
        mask, probability = (op.gather(planes, index, axis=0) for planes in (masks, probabilities))
        return [going, _of_image(mask, op.cast(probability, to=np.float64), calibration)]

    # One image after another, as in `assemble`: float64 of a whole batch would be much memory.
    count = op.slice(op.shape(image), const([0]), const([1]))
    (confidences,) = op.loop(count, const([True], np.bool_), [], body=body)
    built = spox.build({"image": image}, {**outputs, "confidence": op.reshape(confidences, const([-1]))})
    for output, before in zip(built.graph.output[:-1], model.graph.output, strict=True):
        output.CopyFrom(before)  # its shape, which is lost with `inline`
    built.graph.output[-1].type.tensor_type.shape.dim[0].dim_param = "N"
    built.metadata_props.extend(model.metadata_props)
    built.ir_version = IR_VERSION
    built.producer_name = model.producer_name
    return built


def _of_image(mask: Var, probability: Var, calibration: Calibration) -> Var:
    """Return the confidence of one mask, a float32 scalar, from its probability in float64."""

    def number(value: float) -> Var:
        return const(value, np.float64)

    inside = op.cast(mask, to=np.float64)
    area = op.reduce_sum(inside, keepdims=False)
    found = op.greater(area, number(0))
    mean = op.div(op.reduce_sum(op.mul(probability, inside), keepdims=False), op.max([area, number(1)]))
    raw = op.where(found, mean, op.sub(number(1), op.reduce_max(probability, keepdims=False)))
    raw = op.clip(raw, number(CLOSEST), number(1 - CLOSEST))
    odds = op.log(op.div(raw, op.sub(number(1), raw)))
    lines = zip(calibration.mask, calibration.empty, strict=True)
    intercept, slope = (op.where(found, number(of_mask), number(of_empty)) for of_mask, of_empty in lines)
    return op.cast(op.sigmoid(op.add(intercept, op.mul(slope, odds))), to=np.float32)
