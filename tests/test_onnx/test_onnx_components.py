"""Components, holes and the operating point inside a graph, against scipy and hybridseg.postprocess."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

pytest.importorskip("spox")

import spox
import spox.opset.ai.onnx.v18 as op
from spox import Tensor

from hybridseg import OperatingPoint
from hybridseg.onnx import assemble
from hybridseg.onnx.pieces.batch import const
from hybridseg.onnx.pieces.components import Components, fill_holes, keep_components, label, numbered
from hybridseg.onnx.pieces.threshold import apply_operating_point
from hybridseg.onnx.runtime import open_session
from hybridseg.postprocess import apply_operating_point as in_python


def session(model: Any) -> Any:
    return open_session(model.SerializeToString())


def runner(piece: Any, dtype: Any = np.bool_) -> Any:
    """Return a function of an array [H, W] that runs a piece of graph alone."""
    argument = spox.argument(Tensor(dtype, ("H", "W")))
    result = piece(argument)
    outputs = result if isinstance(result, dict) else {"result": result}
    run = session(spox.build({"x": argument}, outputs))

    def call(x: NDArray[Any]) -> Any:
        found = run.run(list(outputs), {"x": x})
        return found[0] if len(found) == 1 else found

    return call


def masks() -> list[NDArray[np.bool_]]:
    """Random masks of many densities, a spiral, combs, a checkerboard, all, nothing, single lines."""
    rng = np.random.default_rng(0)
    found = [
        rng.random(shape) < density
        for shape in [(1, 1), (1, 30), (30, 1), (2, 2), (17, 23), (60, 41)]
        for density in (0.0, 0.3, 0.5, 0.6, 1.0)
    ]
    found += [ndimage.gaussian_filter(rng.random((80, 90)), 3) > 0.5 for _ in range(5)]
    found.append(np.indices((9, 9)).sum(axis=0) % 2 == 0)
    comb = np.zeros((20, 41), bool)
    comb[:, ::2] = True
    comb[-1] = True
    spiral = np.zeros((21, 21), bool)
    for ring in range(0, 10, 2):
        spiral[ring, ring : 21 - ring] = spiral[20 - ring, ring : 21 - ring] = True
        spiral[ring : 21 - ring, ring] = spiral[ring : 21 - ring, 20 - ring] = True
        spiral[ring + 1, ring] = False
        spiral[ring + 2, ring + 1] = True
    return [*found, comb, comb[::-1].copy(), spiral]


def component_map(found: Components) -> Any:
    """The number of each pixel's component (its first run's), -1 outside; and each component's size."""
    runs = op.range(const(0), op.size(found.sizes), const(1))
    return {
        "numbers": found.spread(runs, const(-1)),
        "sizes": found.spread(found.sizes, const(0)),
    }


@pytest.mark.parametrize("diagonal", [False, True])
def test_components_are_scipys(diagonal: bool) -> None:
    run = runner(lambda mask: component_map(label(mask, diagonal=diagonal)))
    for mask in masks():
        labels, count = ndimage.label(mask, np.ones((3, 3)) if diagonal else None)
        numbers, sizes = run(mask)
        np.testing.assert_array_equal(numbers >= 0, mask)
        area = np.bincount(labels[mask], minlength=count + 1)
        np.testing.assert_array_equal(sizes[mask], area[labels[mask]])
        # One number for one label, both ways, and rising in row order.
        pairs = np.unique(np.stack([labels[mask], numbers[mask]]), axis=1)
        assert pairs.shape[1] == count
        assert (np.diff(pairs[1]) > 0).all()


def test_holes_are_filled_as_by_scipy() -> None:
    run = runner(fill_holes)
    for mask in masks():
        np.testing.assert_array_equal(run(mask), ndimage.binary_fill_holes(mask))


def test_a_hole_that_opens_diagonally_is_a_hole() -> None:
    mask = np.array([[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]], bool)
    filled = mask.copy()
    filled[1, 1] = True
    np.testing.assert_array_equal(runner(fill_holes)(mask), filled)
    ring = ~np.eye(3, dtype=bool)
    filled = ring.copy()
    filled[1, 1] = True
    np.testing.assert_array_equal(runner(fill_holes)(ring), filled)


def test_the_first_of_equally_large_components_stays() -> None:
    mask = np.array([[0, 0, 0, 1], [1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 1]], bool)
    kept = np.array([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]], bool)
    run = runner(lambda x: keep_components(x, largest_by=op.cast(x, to=np.int64)))
    np.testing.assert_array_equal(run(mask), kept)


def test_the_component_with_the_largest_sum_stays() -> None:
    mask = np.array([[1, 1, 1, 0, 1], [0, 0, 0, 0, 1]], bool)
    weights = const(np.array([[3, 3, 3, 99, 4], [99, 99, 99, 99, 6]]))
    kept = np.array([[0, 0, 0, 0, 1], [0, 0, 0, 0, 1]], bool)
    np.testing.assert_array_equal(runner(lambda x: keep_components(x, largest_by=weights))(mask), kept)


def test_small_components_go() -> None:
    mask = np.array([[1, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 1, 0]], bool)
    kept = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0]], bool)
    run = runner(lambda x: keep_components(x, min_area_px=const(3)))
    np.testing.assert_array_equal(run(mask), kept)


def test_numbered_regions_need_not_touch() -> None:
    labels = np.array([[1, 1, 2, 0], [2, 1, 1, 3], [0, 3, 3, 3]], np.int64)

    def piece(x: Any) -> Any:
        found = numbered(x)
        grey = op.const(np.arange(12, dtype=np.int64).reshape(3, 4))
        return {"sizes": found.sizes, "sums": found.sums(found.run_sums(grey))}

    sizes, sums = runner(piece, np.int64)(labels)
    assert sizes[:4].tolist() == [0, 4, 2, 4]
    assert sums[:4].tolist() == [0, 0 + 1 + 5 + 6, 2 + 4, 7 + 9 + 10 + 11]
    assert not sizes[4:].any()


@pytest.mark.parametrize(
    "point",
    [
        OperatingPoint(0.5, fill_holes=False),
        OperatingPoint(0.0),
        OperatingPoint(1.0),
        OperatingPoint(0.4, largest_only=True),
        OperatingPoint(0.55, min_area_fraction=0.01),
        OperatingPoint(0.55, largest_only=True, min_area_fraction=0.02, presence_threshold=0.9),
        OperatingPoint(0.3, fill_holes=False, min_area_fraction=0.001, presence_threshold=0.7),
        OperatingPoint(0.6, relative=True),
        OperatingPoint(0.0, relative=True, largest_only=True, presence_threshold=0.2),
    ],
)
def test_the_operating_point_is_bit_identical(point: OperatingPoint) -> None:
    def single(image: Any) -> Any:
        probability = op.div(op.cast(image, to=np.float32), const(255, np.float32))
        return apply_operating_point(probability, point), probability

    run = session(assemble(single))
    rng = np.random.default_rng(1)
    for shape in [(1, 1), (1, 9), (9, 1), (13, 17), (97, 61)]:
        for sigma in (0, 1, 3):
            field = ndimage.gaussian_filter(rng.random(shape), sigma)
            image = (200 * (field - field.min()) / max(float(np.ptp(field)), 1e-9)).astype(np.uint8)
            batch = image[np.newaxis, :, :, np.newaxis]
            mask, probability = run.run(["mask", "probability"], {"image": batch})
            expected = image.astype(np.float32) / np.float32(255)
            np.testing.assert_array_equal(probability[0, :, :, 0], expected)
            np.testing.assert_array_equal(mask[0, :, :, 0].astype(bool), in_python(expected, point))
