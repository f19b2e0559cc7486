"""What the tests of other runtimes share: files to run, and what is missing where they can't run."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray

RUNTIMES = Path(__file__).resolve().parents[1] / "docs" / "examples"
ZOO = Path(__file__).resolve().parents[1] / "hybridseg" / "zoo"
NAMES = ["otsu", "watershed", "random-forest", "network", *sorted(path.name for path in ZOO.glob("*.onnx"))]
"""Every method that exports, a small network, and every model that ships."""


def missing(reason: str) -> NoReturn:
    """Skip for want of a runtime; fail where HYBRIDSEG_RUNTIMES=required promises that all are there."""
    if os.environ.get("HYBRIDSEG_RUNTIMES") == "required":
        pytest.fail(f"HYBRIDSEG_RUNTIMES=required, but {reason}")
    pytest.skip(reason)


def node_modules() -> Path:
    """Return the folder with onnxruntime-web in it."""
    modules = Path(os.environ.get("HYBRIDSEG_NODE_MODULES", RUNTIMES / "node_modules"))
    if not (modules / "onnxruntime-web").is_dir():
        missing(f"no onnxruntime-web in {modules}: npm ci in docs/examples, or set HYBRIDSEG_NODE_MODULES")
    return modules


@functools.cache
def exported(name: str) -> Path:
    """Return the file of one of `NAMES`, written once for all tests."""
    if name.endswith(".onnx"):
        return ZOO / name
    import onnx

    from hybridseg import create
    from hybridseg.data.phantoms import phantom
    from hybridseg.onnx.finish import finish, simplify

    if name == "network":
        model = small_network()
    else:
        forest = "random-forest[n_trees=5,max_depth=6,samples_per_image=60]"
        images, masks, _ = zip(*(phantom(seed, shape=(120, 140)) for seed in range(6)), strict=True)
        model = create(forest if name == "random-forest" else name).fit(images, masks)._to_onnx()
    model = simplify(model)
    finish(model)  # as `export` does, which compares besides
    path = _folder() / f"{name}.onnx"
    onnx.save(model, path)
    return path


@functools.cache
def _folder() -> Path:
    import atexit

    folder = Path(tempfile.mkdtemp(prefix="hybridseg-runtimes-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def small_network() -> Any:
    """A U-Net of two levels with random weights, its pipeline around it: what a trained one is made of.

    The first layer's random filters see a smooth picture, so its probabilities are smooth too, and spread.
    """
    from onnx import TensorProto, helper, numpy_helper

    from hybridseg import OperatingPoint
    from hybridseg.onnx import Preprocessing, wrap_network

    rng = np.random.default_rng(5)

    def weights(name: str, *shape: int) -> Any:
        scale = np.sqrt(2 / np.prod(shape[1:]))
        return numpy_helper.from_array(rng.normal(0, scale, shape).astype(np.float32), name)

    def conv(source: str, kernel: str, target: str, **attributes: Any) -> Any:
        return helper.make_node("Conv", [source, kernel], [target], pads=[1, 1, 1, 1], **attributes)

    nodes = [
        helper.make_node("Transpose", ["picture"], ["x"], perm=[0, 3, 1, 2]),
        conv("x", "w1", "c1"),
        helper.make_node("Relu", ["c1"], ["a1"]),
        helper.make_node("MaxPool", ["a1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        conv("p1", "w2", "c2"),
        helper.make_node("Clip", ["c2", "zero", "six"], ["a2"]),
        conv("a2", "depthwise", "c3", group=16),
        helper.make_node(
            "Resize", ["c3", "", "scales"], ["up"], mode="linear", coordinate_transformation_mode="half_pixel"
        ),
        helper.make_node("Concat", ["a1", "up"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "w3"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["squashed"]),
        helper.make_node("Transpose", ["squashed"], ["score"], perm=[0, 2, 3, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 64, 64, 1])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [1, 64, 64, 1])],
        [
            weights("w1", 8, 1, 3, 3),
            weights("w2", 16, 8, 3, 3),
            weights("depthwise", 16, 1, 3, 3),
            weights("w3", 1, 24, 1, 1),
            numpy_helper.from_array(np.float32(0), "zero"),
            numpy_helper.from_array(np.float32(6), "six"),
            numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    point = OperatingPoint(threshold=0.4, min_area_fraction=0.001)
    return wrap_network(model, 64, Preprocessing(flip=True), point)


@functools.cache
def pictures() -> list[NDArray[np.uint8]]:
    """Three pictures of odd sizes, lesions in two of them."""
    from hybridseg.data.phantoms import phantom

    kinds = [(3, None, (353, 431)), (4, None, (241, 199)), (5, "normal", (97, 310))]
    return [phantom(seed, kind=kind, shape=shape)[0] for seed, kind, shape in kinds]
