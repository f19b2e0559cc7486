"""From a graph for one image to the file's signature, for any number of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import spox
import spox.opset.ai.onnx.v18 as op
from spox import Tensor, Var

IR_VERSION = 8
"""Old enough for the onnxruntime versions that opset 18 needs, in any language."""


def assemble(single: Callable[[Var], tuple[Var, Var]]) -> Any:
    """Return an `onnx.ModelProto` of hybridseg's signature around a graph for one image.

    Parameters
    ----------
    single : callable
        Takes the image as a uint8 tensor [H, W] and returns (mask, probability): a bool or uint8 tensor and a
        float32 tensor, both [H, W].

    Notes
    -----
    The images of a batch go through a Loop one after another. Memory stays that of one image, and each image gets
    exactly the result that it gets alone.
    """
    image = spox.argument(Tensor(np.uint8, ("N", "H", "W", 1)))
    shape = op.shape(image)
    size = op.slice(shape, const([1]), const([3]))

    def body(index: Var, going: Var) -> list[Var]:
        mask, probability = single(op.reshape(op.gather(image, index, axis=0), size))
        # Masks lose their rank inside their own loops. The Reshape gives it back to whoever reads the file.
        return [going, op.reshape(op.cast(mask, to=np.uint8), size), op.reshape(probability, size)]

    count = op.slice(shape, const([0]), const([1]))
    masks, probabilities = op.loop(count, const([True], np.bool_), [], body=body)
    model = spox.build(
        {"image": image}, {"mask": op.reshape(masks, shape), "probability": op.reshape(probabilities, shape)}
    )
    for output in model.graph.output:
        del output.type.tensor_type.shape.dim[:]
        for side in ("N", "H", "W"):
            output.type.tensor_type.shape.dim.add(dim_param=side)
        output.type.tensor_type.shape.dim.add(dim_value=1)
    model.ir_version = IR_VERSION
    model.producer_name = "hybridseg"
    return model


def const(value: Any, dtype: Any = np.int64) -> Var:
    """Return a constant tensor; int64 if no type is given, as shapes and indices need."""
    return op.const(np.asarray(value, dtype))


def sides(image: Var) -> tuple[Var, Var]:
    """Return the height and width of a tensor [H, W], as int64 scalars."""
    shape = op.shape(image)
    return op.gather(shape, const(0), axis=0), op.gather(shape, const(1), axis=0)
