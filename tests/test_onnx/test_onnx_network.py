"""The pipeline around a network against Pillow, numpy and the network alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip("spox")

import onnx
from onnx import TensorProto, helper, numpy_helper

from hybridseg import OperatingPoint
from hybridseg.onnx import Preprocessing, wrap_network
from hybridseg.onnx.pieces.network import with_full_rank_scalars
from hybridseg.onnx.runtime import open_session
from hybridseg.postprocess import apply_operating_point

SIZE = 16


def tiny_network(channels: int = 1, batch: int | str = 1) -> Any:
    """A random 3x3 convolution with a sigmoid, NHWC: enough to tell left from right and channels apart."""
    rng = np.random.default_rng(7)
    weights = rng.normal(0, 0.6, (1, channels, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Transpose", ["picture"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "weights"], ["filtered"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["filtered"], ["squashed"]),
        helper.make_node("Transpose", ["squashed"], ["score"], perm=[0, 2, 3, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [batch, SIZE, SIZE, channels])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [batch, SIZE, SIZE, 1])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def session(model: Any) -> Any:
    return open_session(model.SerializeToString())


def pillow_resize(array: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(array).resize((width, height), Image.Resampling.BILINEAR))


def pipeline(image: NDArray[np.uint8], network: Any, steps: Preprocessing, channels: int) -> NDArray[np.float32]:
    """The same steps in numpy and Pillow, around the network run alone."""
    small = pillow_resize(image.astype(np.float32), SIZE, SIZE)
    small = (small - np.float32(steps.mean)) / np.float32(steps.std)
    view = np.repeat(small[np.newaxis, :, :, np.newaxis], channels, axis=3)
    score = network.run(None, {"picture": view})[0][0, :, :, 0]
    if steps.flip:
        mirrored = network.run(None, {"picture": np.ascontiguousarray(view[:, :, ::-1])})[0][0, :, ::-1, 0]
        score = (score + mirrored) / 2
    return np.clip(pillow_resize(score, *image.shape), 0, 1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (23, 1), (5, 7), (16, 16), (37, 90), (211, 131)])
@pytest.mark.parametrize(
    ("channels", "batch", "steps"),
    [(1, 1, Preprocessing(flip=False)), (3, "N", Preprocessing(mean=100.0, std=50.0, flip=True))],
)
def test_the_graph_equals_the_steps(
    shape: tuple[int, int], channels: int, batch: int | str, steps: Preprocessing
) -> None:
    point = OperatingPoint(threshold=0.5, min_area_fraction=0.01, presence_threshold=0.6)
    network = tiny_network(channels, batch)
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    expected = pipeline(image, session(network), steps, channels)
    wrapped = session(wrap_network(network, SIZE, steps, point))
    mask, probability = wrapped.run(["mask", "probability"], {"image": image[np.newaxis, :, :, np.newaxis]})
    np.testing.assert_allclose(probability[0, :, :, 0], expected, atol=2e-5)
    np.testing.assert_array_equal(mask[0, :, :, 0].astype(bool), apply_operating_point(probability[0, :, :, 0], point))


def test_what_is_around_the_scan_is_left_out() -> None:
    inside = np.random.default_rng(0).integers(5, 256, (20, 30), dtype=np.uint8)
    image = np.pad(inside, ((3, 9), (0, 8)))
    wrapped = [wrap_network(tiny_network(), SIZE, Preprocessing(scan=scan), OperatingPoint()) for scan in (False, True)]
    plain, cutting = map(session, wrapped)
    (expected,) = plain.run(["probability"], {"image": inside[np.newaxis, :, :, np.newaxis]})
    (found,) = cutting.run(["probability"], {"image": image[np.newaxis, :, :, np.newaxis]})
    np.testing.assert_array_equal(found[0, :, :, 0], np.pad(expected[0, :, :, 0], ((3, 9), (0, 8))))


@pytest.mark.parametrize("grey", [0, 128])
def test_a_scan_of_nearly_one_grey_has_probability_0(grey: int) -> None:
    blank = np.full((20, 30), grey, np.uint8)
    blank[0, 0] += 31
    wrapped = session(wrap_network(tiny_network(), SIZE, Preprocessing(scan=True), OperatingPoint(), blank_range=32))
    for image in (blank, np.pad(blank, 5)):
        (found,) = wrapped.run(["probability"], {"image": image[np.newaxis, :, :, np.newaxis]})
        assert not found.any()
    blank[0, 0] += 1
    assert wrapped.run(["probability"], {"image": blank[np.newaxis, :, :, np.newaxis]})[0].any()


def test_flipping_makes_the_result_symmetric() -> None:
    image = np.random.default_rng(1).integers(0, 256, (20, 30), dtype=np.uint8)
    wrapped = session(wrap_network(tiny_network(), SIZE, Preprocessing(flip=True), OperatingPoint()))
    batch = np.stack([image, image[:, ::-1]])[..., np.newaxis]
    _, probability = wrapped.run(["mask", "probability"], {"image": batch})
    np.testing.assert_allclose(probability[0, :, ::-1], probability[1], atol=2e-5)


def test_the_weights_are_written_once() -> None:
    plain = wrap_network(tiny_network(), SIZE, Preprocessing(flip=False), OperatingPoint())
    flipped = wrap_network(tiny_network(), SIZE, Preprocessing(flip=True), OperatingPoint())

    def convolutions(graph: Any) -> int:
        inner = [a.g for node in graph.node for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
        return sum(node.op_type == "Conv" for node in graph.node) + sum(map(convolutions, inner))

    assert convolutions(plain.graph) == convolutions(flipped.graph) == 1


@pytest.mark.parametrize("shape", [[], [1], [1, 1]])
def test_scalars_at_the_network_s_input_get_full_rank_and_change_nothing(shape: list[int]) -> None:
    network = tiny_network()
    scalars = {"scale": 1 / 128, "offset": -127 / 128}
    network.graph.node[0].input[0] = "moved"
    network.graph.node.insert(0, helper.make_node("Add", ["scaled", "offset"], ["moved"]))
    network.graph.node.insert(0, helper.make_node("Mul", ["picture", "scale"], ["scaled"]))
    for name, value in scalars.items():
        network.graph.initializer.append(numpy_helper.from_array(np.full(shape, value, np.float32), name))
    ranked = with_full_rank_scalars(network)
    shapes = {tensor.name: list(tensor.dims) for tensor in ranked.graph.initializer}
    assert shapes == {"weights": [1, 1, 3, 3], "scale": [1, 1, 1, 1], "offset": [1, 1, 1, 1]}
    picture = np.random.default_rng(3).uniform(0, 255, (1, SIZE, SIZE, 1)).astype(np.float32)
    before, after = (session(model).run(None, {"picture": picture})[0] for model in (network, ranked))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("size", "channels", "message"),
    [(32, 1, r"must take \[1, 32, 32, 1 or 3\], got \[1, 16, 16, 1\]"), (SIZE, 2, r"got \[1, 16, 16, 2\]")],
)
def test_another_network_is_refused(size: int, channels: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrap_network(tiny_network(channels), size, Preprocessing(), OperatingPoint())
