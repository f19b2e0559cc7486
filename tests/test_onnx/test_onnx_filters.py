"""Filters, morphology, thresholds and resizing inside a graph, each alone against its oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

pytest.importorskip("spox")

import spox
from skimage import filters as sk_filters
from skimage import morphology as sk_morphology
from spox import Tensor

from hybridseg.onnx.pieces import filters, morphology
from hybridseg.onnx.pieces.batch import const
from hybridseg.onnx.pieces.resize import flip_columns, resize
from hybridseg.onnx.pieces.threshold import histogram, otsu_threshold
from hybridseg.onnx.runtime import open_session

SHAPES = [(1, 1), (1, 13), (13, 1), (2, 3), (31, 37), (64, 50)]


def runner(piece: Any, dtype: Any = np.uint8) -> Any:
    """Return a function of an array [H, W] that runs a piece of graph alone."""
    argument = spox.argument(Tensor(dtype, ("H", "W")))
    model = spox.build({"x": argument}, {"result": piece(argument)})
    session = open_session(model.SerializeToString())
    return lambda x: session.run(None, {"x": x})[0]


def images() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    found = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in SHAPES]
    return [*found, *(np.full((9, 7), value, np.uint8) for value in (0, 77, 255))]


@pytest.mark.parametrize("sigma", [0.5, 1.5, 6.0])
def test_gaussian_is_scipys(sigma: float) -> None:
    run = runner(lambda x: filters.gaussian(x, sigma), np.float32)
    for image in images():
        grey = image.astype(np.float32)
        expected = ndimage.gaussian_filter(grey.astype(np.float64), sigma, mode="nearest")
        np.testing.assert_allclose(run(grey), expected, atol=1e-4)


@pytest.mark.parametrize("radius", [1, 2, 9])
def test_box_mean_is_scipys(radius: int) -> None:
    run = runner(lambda x: filters.box_mean(x, radius))
    for image in images():
        expected = ndimage.uniform_filter(image.astype(np.float64), 2 * radius + 1, mode="nearest")
        np.testing.assert_allclose(run(image), expected, rtol=1e-6, atol=1e-9)


def test_median_is_scipys() -> None:
    run = runner(filters.median3)
    for image in images():
        np.testing.assert_array_equal(run(image), ndimage.median_filter(image, 3, mode="nearest"))


@pytest.mark.parametrize("shape", ["disc", "square"])
@pytest.mark.parametrize("radius", [1, 2, 5, 9])
def test_morphology_is_scikit_images(shape: str, radius: int) -> None:
    disc, size = sk_morphology.disk(radius), 2 * radius + 1
    footprint = disc if shape == "disc" else np.ones((size, size), np.uint8)
    for name in ("dilation", "erosion", "opening", "closing"):
        piece = getattr(morphology, {"dilation": "dilate", "erosion": "erode"}.get(name, name))
        run = runner(lambda x, piece=piece: piece(x, radius, shape=shape))
        for image in images():
            expected = getattr(sk_morphology, name)(image, footprint, mode="ignore")
            np.testing.assert_array_equal(run(image), expected, err_msg=f"{name} of {image.shape}")


def test_unknown_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="`shape` must be `disc` or `square`, got `star`"):
        runner(lambda x: morphology.dilate(x, 1, shape="star"))
    with pytest.raises(ValueError, match="`radius` must be at least 1, got 0"):
        runner(lambda x: morphology.erode(x, 0))


def test_histogram_counts_levels() -> None:
    run = runner(histogram)
    for image in images():
        np.testing.assert_array_equal(run(image), np.bincount(image.ravel(), minlength=256))


def test_otsu_is_scikit_images() -> None:
    run = runner(otsu_threshold)
    rng = np.random.default_rng(3)
    mixtures = [
        np.clip(rng.normal(rng.choice([60, 150], shape), 20), 0, 255).astype(np.uint8)
        for shape in [(40, 50), (200, 300), (7, 7)]
    ]
    two = np.array([[3, 3], [3, 250]], np.uint8)
    for image in [*images(), *mixtures, two]:
        assert run(image) == sk_filters.threshold_otsu(image)


@pytest.mark.parametrize("size", [(32, 32), (7, 100), (1, 1), (200, 90)])
def test_resize_is_pillows(size: tuple[int, int]) -> None:
    run = runner(lambda x: resize(x, const(size)), np.float32)
    for image in images():
        grey = image.astype(np.float32)
        expected = Image.fromarray(grey).resize((size[1], size[0]), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(run(grey), np.asarray(expected), atol=2e-3)


def test_flip_mirrors_columns() -> None:
    argument = spox.argument(Tensor(np.float32, ("H", "W", "C")))
    model = spox.build({"x": argument}, {"result": flip_columns(argument)})
    session = open_session(model.SerializeToString())
    x = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], x[:, ::-1])
