"""The trained network as ONNX bytes, through tf2onnx, compared with Keras before they are returned."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..onnx.parity import ParityError, speckle
from ..onnx.runtime import open_session
from ..segmenter import Segmenter

OPSET = 18
MAX_DIFFERENCE = 1e-3
"""Between probabilities of Keras and of the converted network, both in single precision; 1e-5 is usual."""


def convert_weights(segmenter: Segmenter, model: Any) -> bytes:
    """Return the ONNX bytes of a trained model, whichever Keras backend trained it.

    tf2onnx reads TensorFlow graphs, and a process has one Keras backend for life. So weights trained with another
    backend are converted by a fresh process that has TensorFlow.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        return network_to_onnx(model)
    if importlib.util.find_spec("tensorflow") is None:
        raise ModuleNotFoundError(
            "converting the trained network needs tensorflow, which is not installed; the training is kept in its "
            'checkpoint: run pip install "hybridseg[train]", then the same fit again'
        )
    with tempfile.TemporaryDirectory() as folder:
        weights, target = Path(folder, "weights.npz"), Path(folder, "network.onnx")
        np.savez(weights, *model.get_weights())
        kind = type(segmenter)
        source = inspect.getsourcefile(kind) or ""
        params = json.dumps(segmenter.get_params(deep=False))
        arguments = [kind.__module__, kind.__qualname__, source, params, str(weights), str(target)]
        environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
        # -P: a numpy.py in the working folder isn't what is meant.
        subprocess.run([sys.executable, "-P", "-m", __name__, *arguments], check=True, env=environment)
        return target.read_bytes()


def main(module: str, name: str, source: str, params: str, weights: str, target: str) -> None:
    """Convert weights saved by `convert_weights`: what its fresh process runs.

    A class in a plain file, which no module of that name brings, comes from its ``source``.
    """
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError:
        spec = importlib.util.spec_from_file_location(module, source)
        assert spec is not None and spec.loader is not None  # a Python file
        found = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
    segmenter = getattr(found, name)(**json.loads(params))
    model = segmenter._build(segmenter.size)
    with np.load(weights, allow_pickle=False) as stored:
        model.set_weights([stored[f"arr_{k}"] for k in range(len(stored.files))])
    Path(target).write_bytes(network_to_onnx(model))


def network_to_onnx(model: Any) -> bytes:
    """Return the network of a `keras.Model` (TensorFlow backend) as a serialised ONNX model.

    Input ``image``: float32 (N, S, S, 1), 0..255; output ``probability``: float32 (N, S, S, 1).

    Raises
    ------
    ParityError
        If the two networks don't give the same probabilities.
    """
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="image")]

    @tf.function(input_signature=signature, autograph=False)  # type: ignore[untyped-decorator]
    def forward(image: Any) -> dict[str, Any]:
        return {"probability": model(image, training=False)}

    _teach_erfc()
    network, _ = tf2onnx.convert.from_function(forward, input_signature=signature, opset=OPSET)
    network.ir_version = 8
    _number_names(network.graph)
    data: bytes = network.SerializeToString()
    check_conversion(model, data)
    return data


def _teach_erfc() -> None:
    """Have tf2onnx write 1 - Erf for Erfc, which Keras' GELU is made of and ONNX lacks."""
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")
    class _Erfc:
        @classmethod
        def version_9(cls, ctx: Any, node: Any, **_: Any) -> None:
            (source,), (target,) = node.input, node.output
            shape, dtype = ctx.get_shape(target), ctx.get_dtype(target)
            ctx.remove_node(node.name)
            one = ctx.make_const(f"{node.name}_one", np.array(1, np.float32)).output[0]
            erf = ctx.make_node("Erf", [source], shapes=[shape], dtypes=[dtype]).output[0]
            ctx.make_node("Sub", [one, erf], name=node.name, outputs=[target], shapes=[shape], dtypes=[dtype])


def check_conversion(model: Any, data: bytes) -> None:
    """Raise `ParityError` unless a `keras.Model` and ONNX bytes give the same probabilities on a few pictures."""
    height, width = model.input_shape[1:3]
    pictures = [np.full((height, width), 128, np.uint8), *(speckle(seed, height, width, 2) for seed in range(3))]
    batch = np.stack(pictures)[..., np.newaxis].astype(np.float32)
    session = open_session(data)
    (converted,) = session.run(["probability"], {"image": batch})
    difference = float(np.abs(np.asarray(model(batch, training=False)) - converted).max())
    if not difference <= MAX_DIFFERENCE:
        raise ParityError(
            f"the converted network and Keras differ by {difference:.3g}, {MAX_DIFFERENCE:g} is allowed: "
            "a fault of tf2onnx or of this version of Keras"
        )


def _number_names(graph: Any) -> None:
    """Number the names that tf2onnx made by their order in the graph: its own hold counters of the process."""
    graph.ClearField("doc_string")
    ends = {value.name for value in (*graph.input, *graph.output)}
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    known: dict[str, str] = {}

    def renamed(name: str) -> str:
        if not name or name in ends:
            return name
        return known.setdefault(name, f"{re.sub(r'__[0-9]+', '', name)}__{len(known)}")

    for number, node in enumerate(graph.node):
        for names in (node.input, node.output):
            names[:] = [renamed(name) for name in names]
        node.name = f"{re.sub(r'__[0-9]+', '', node.name)}__{number}"
    for value in (*graph.initializer, *graph.value_info):
        value.name = renamed(value.name)
    initializers = sorted(graph.initializer, key=lambda tensor: tensor.name)
    del graph.initializer[:]
    graph.initializer.extend(initializers)


if __name__ == "__main__":
    main(*sys.argv[1:])
