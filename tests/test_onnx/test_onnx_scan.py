"""The scan is found in the graph as in Python, whatever the picture."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("spox")

import spox
from numpy.typing import NDArray

from hybridseg.images.scan import DARK_GREY
from hybridseg.images.scan import find_scan as find_in_python
from hybridseg.onnx.pieces.scan import find_scan, put_back
from hybridseg.onnx.runtime import open_session


def picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a few rectangles on a dark ground, some of them as dark, some no wider than a line."""
    image = np.full(rng.integers(1, 300, 2), rng.choice([0, 16, 32, 33]), np.uint8)
    for _ in range(rng.integers(0, 7)):
        spans = [np.sort(rng.integers(0, side + 1, 2)) for side in image.shape]
        if rng.random() < 0.3:  # a line through the picture, or a gap in it
            axis = rng.integers(2)
            spans[axis][1] = spans[axis][0] + rng.integers(1, 2 + image.shape[axis] // 32)
            spans[1 - axis] = [0, image.shape[1 - axis]]
        image[slice(*spans[0]), slice(*spans[1])] = rng.choice([0, DARK_GREY, DARK_GREY + 1, 18, 19, 200])
    return image


def test_the_graph_finds_the_same_scan_and_puts_it_back() -> None:
    argument = spox.argument(spox.Tensor(np.uint8, ("H", "W")))
    starts, ends = find_scan(argument)
    inside = spox.argument(spox.Tensor(np.float32, ("h", "w")))
    outputs = {"starts": starts, "ends": ends, "back": put_back(inside, argument, starts, ends)}
    model = spox.build({"image": argument, "inside": inside}, outputs)
    run = open_session(model.SerializeToString())
    rng, cut = np.random.default_rng(0), 0
    for _ in range(1500):
        image = picture(rng)
        scan = find_in_python(image)
        inside_scan = image[scan].astype(np.float32)
        starts, ends, back = run.run(["starts", "ends", "back"], {"image": image, "inside": inside_scan})
        assert [slice(*pair) for pair in zip(starts, ends, strict=True)] == list(scan)
        expected = np.zeros(image.shape, np.float32)
        expected[scan] = inside_scan
        np.testing.assert_array_equal(back, expected)
        cut += inside_scan.shape != image.shape
    assert 500 < cut < 1400
