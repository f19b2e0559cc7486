"""Otsu and watershed as textbooks have them, and a pixel forest: by hand, and against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from hybridseg_baselines.grid import CENTRALITY, FAR
from hybridseg_baselines.multiscale import multiscale, scales
from hybridseg_baselines.pixels import PixelForestSegmenter
from hybridseg_baselines.textbook import TextbookOtsuSegmenter, TextbookWatershedSegmenter, dark_middle, passes

from hybridseg.data.phantoms import phantom

TEXTBOOK = pytest.mark.parametrize("method", [TextbookOtsuSegmenter(), TextbookWatershedSegmenter()], ids=repr)


def discs(*discs: tuple[int, int, int, int], ground: int = 130) -> np.ndarray:
    """Return uint8 (256, 304) with discs (row, column, radius, grey) on even ground."""
    image = np.full((256, 304), ground, np.uint8)
    rows, columns = np.indices(image.shape)
    for row, column, radius, grey in discs:
        image[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = grey
    return image


def iou(mask_true: np.ndarray, mask_pred: np.ndarray) -> float:
    return float((mask_true & mask_pred).sum() / (mask_true | mask_pred).sum())


@TEXTBOOK
def test_of_two_dark_discs_the_central_one_is_marked_though_smaller(method: TextbookOtsuSegmenter) -> None:
    image = discs((128, 152, 40, 40), (206, 254, 46, 40))
    assert iou(discs((128, 152, 40, 40)) == 40, method.predict(image)) > 0.75


@TEXTBOOK
def test_nothing_is_learned(method: TextbookOtsuSegmenter) -> None:
    image = discs((128, 152, 40, 40))
    before = method.predict_proba(image)
    np.testing.assert_array_equal(method.fit([image], [image > 200]).predict_proba(image), before)
    assert method._state() == {}


@TEXTBOOK
def test_an_even_picture_has_no_dark_side(method: TextbookOtsuSegmenter) -> None:
    assert not method.predict(np.full((60, 80), 90, np.uint8)).any()


def test_dark_middle_by_hand() -> None:
    grey = np.full((64, 76), 200 * 16)
    grey[20:40, 30:50] = 50 * 16
    grey[28:32, 38:42] = 200 * 16  # a hole
    grey[30, 50:70] = 50 * 16  # a line, which opening takes away
    expected = np.zeros((64, 76), bool)
    expected[20:40, 30:50] = True
    np.testing.assert_array_equal(dark_middle(grey, 2), expected)


def test_centrality_falls_from_the_middle_to_the_edges() -> None:
    # 64 rows and 76 columns: the middle cell's centre lies at 63/64 and 75/76 of the way, a corner's at 1/64 and 1/76.
    assert CENTRALITY[31, 37] == pytest.approx(63 / 64 * 75 / 76)
    assert CENTRALITY[0, 0] == pytest.approx(1 / 64 / 76)
    np.testing.assert_array_equal(CENTRALITY, CENTRALITY[::-1, ::-1])


def test_passes_by_hand() -> None:
    slope = np.array([[0, 5, 0, 9, 0], [0, 7, 0, 1, 0]])
    marker = np.zeros((2, 5), bool)
    marker[0, 0] = True
    # Over 5 to the middle, and from there through the 1 below rather than the 9.
    np.testing.assert_array_equal(passes(slope, marker), [[0, 5, 5, 9, 5], [0, 7, 5, 5, 5]])
    assert (passes(slope, np.zeros((2, 5), bool)) == FAR).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"opening": 0}, "`opening` must be an integer in 1..16, got 0"),
        ({"smoothing": 2.5}, "`smoothing` must be an integer in 1..64, got 2.5"),
        ({"margin": True}, "`margin` must be an integer in 1..16, got True"),
    ],
)
def test_a_wrong_parameter_is_named(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextbookWatershedSegmenter(**params).predict(np.zeros((8, 8), np.uint8))


def test_features_are_scikit_images_in_whole_steps() -> None:
    from skimage.feature import multiscale_basic_features

    picture = np.random.default_rng(0).random((40, 50), dtype=np.float32)
    found = multiscale(picture)
    assert found.shape == (24, 2000)
    exact = multiscale_basic_features(picture, sigma_min=0.5, sigma_max=16).reshape(2000, 24).T
    np.testing.assert_allclose(found / scales()[:, None], exact, atol=0.51 / scales().min())
    # Grey in 4096 steps, an edge at sigma 2 in twice as many, curvature there in four times as many.
    assert scales()[8:12].tolist() == [4096, 8192, 16384, 16384]


def test_a_pixel_forest_learns_its_trees_and_threshold() -> None:
    images, masks, _ = zip(*(phantom(seed, shape=(80, 96)) for seed in range(6)), strict=True)
    forest = PixelForestSegmenter(n_trees=8, max_depth=6).fit(images[:5], masks[:5])
    assert 0 < forest.operating_point_.threshold < 1 and forest.operating_point_.largest_only
    again = PixelForestSegmenter(n_trees=8, max_depth=6, n_jobs=2).fit(images[:5], masks[:5])
    np.testing.assert_array_equal(forest.predict_proba(images[5]), again.predict_proba(images[5]))
    scores = [iou(mask, forest.predict(image)) for image, mask in zip(images, masks, strict=True) if mask.any()]
    assert np.mean(scores) > 0.3
