"""Otsu on hand-made images, its pieces on literal grids, and the contract."""

from __future__ import annotations

import numpy as np
import pytest
from hybridseg_baselines.candidates import FEATURES, SHARPNESSES, describe, vote
from hybridseg_baselines.grid import bowl, box_mean, close, from_grid, to_grid
from hybridseg_baselines.otsu import OtsuSegmenter, components, otsu, recursive_otsu

from hybridseg.parameters import clone


def disc_image(disc_grey, ground_grey, *, centre=(110, 160), radius=40, shape=(256, 304), seed=0):
    """A disc on noise; return the image and the disc."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    disc = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2
    noise = np.random.default_rng(seed).normal(0, 15, shape)
    return np.clip(np.where(disc, disc_grey, ground_grey) + noise, 0, 255).astype(np.uint8), disc


def iou(mask_true, mask_pred):
    return (mask_true & mask_pred).sum() / (mask_true | mask_pred).sum()


def test_dark_disc_is_found_without_fit():
    image, disc = disc_image(40, 130)
    assert iou(disc, OtsuSegmenter().predict(image)) > 0.8


def test_bright_disc_is_not_found():
    image, disc = disc_image(220, 100)
    assert not (OtsuSegmenter().predict(image) & disc)[90:130, 140:180].any()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_constant_image_gives_an_empty_mask(grey):
    probability = OtsuSegmenter().predict_proba(np.full((60, 80), grey, np.uint8))
    assert probability.max() == 0.0


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (5, 7), (63, 77), (700, 1000)])
def test_any_size(shape):
    image = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    probability = OtsuSegmenter().predict_proba(image)
    assert probability.shape == shape
    assert probability.dtype == np.float32


def test_fit_learns_where_lesions_lie_and_is_deterministic():
    # Two equal discs in every image; the lesion is the left one.
    images, masks = [], []
    for seed in range(6):
        left, disc = disc_image(40, 130, centre=(110 + 4 * seed, 90), radius=30, seed=seed)
        _, right = disc_image(40, 130, centre=(190 - 4 * seed, 220), radius=30, seed=seed)
        left[right] = np.minimum(left[right], 60)
        images.append(left)
        masks.append(disc)
    fitted = OtsuSegmenter().fit(images[:5], masks[:5])
    again = clone(fitted).fit(images[:5], masks[:5])
    assert iou(masks[5], fitted.predict(images[5])) > 0.7
    np.testing.assert_array_equal(fitted.predict_proba(images[5]), again.predict_proba(images[5]))


def test_sharpness_is_chosen_by_fit_or_given():
    image, disc = disc_image(40, 130)
    fitted = OtsuSegmenter().fit([image], [disc])
    assert fitted.sharpness_ in SHARPNESSES and fitted.current_sharpness == fitted.sharpness_
    given = OtsuSegmenter(sharpness=0.01).fit([image], [disc])
    assert given.current_sharpness == 0.01 and not hasattr(given, "sharpness_")
    assert OtsuSegmenter().current_sharpness == 0.03


def test_sharpness_and_threshold_are_those_with_the_best_training_iou_by_hand():
    # Two candidates, the better-scored one the lesion: a sharp vote leaves it alone, at any threshold up to its score.
    masks = np.zeros((2, 24, 24), bool)
    masks[0, 2:8, 2:8] = masks[1, 12:20, 12:20] = True
    candidates = describe(np.zeros((24, 24), np.int64), components(masks))
    method = OtsuSegmenter()
    method._score = lambda features: np.array([0.5, 0.4])
    method._choose_sharpness_and_threshold([candidates], [masks[0]])
    cells = vote(candidates, np.array([0.5, 0.4]), method.sharpness_) / 4096
    assert ((cells >= method.operating_point_.threshold) == masks[0]).all()
    method._choose_sharpness_and_threshold([candidates], [masks[0] | masks[1]])  # now both are
    cells = vote(candidates, np.array([0.5, 0.4]), method.sharpness_) / 4096
    assert ((cells >= method.operating_point_.threshold) == (masks[0] | masks[1])).all()


def test_saved_model_predicts_the_same(tmp_path):
    image, disc = disc_image(40, 130)
    fitted = OtsuSegmenter(depth=3).fit([image], [disc])
    fitted.save(tmp_path / "otsu.hybridseg")
    loaded = OtsuSegmenter.load(tmp_path / "otsu.hybridseg")
    assert loaded.depth == 3
    np.testing.assert_array_equal(loaded.predict_proba(image), fitted.predict_proba(image))


def test_fit_without_any_candidate_keeps_the_hand_set_score():
    image, _ = disc_image(40, 130)
    blank = np.full((50, 50), 9, np.uint8)
    fitted = OtsuSegmenter().fit([blank], [np.zeros((50, 50), bool)])
    np.testing.assert_array_equal(fitted.predict(image), OtsuSegmenter().predict(image))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"depth": 0}, "`depth` must be an integer in 1..6, got 0"),
        ({"depth": 2.0}, "`depth` must be an integer in 1..6, got 2.0"),
        ({"surroundings": 0}, "`surroundings` must be an integer in 1..64, got 0"),
        ({"sharpness": 0.0}, r"`sharpness` must be None or lie in \[0.0005, 10\], got 0.0"),
        ({"depth": True}, "`depth` must be an integer in 1..6, got True"),
        ({"sharpness": "x"}, r"`sharpness` must be None or lie in \[0.0005, 10\], got 'x'"),
        ({"bowl": "abc"}, r"`bowl` must lie in \[0, 255\], got 'abc'"),
        ({"bowl": -1.0}, r"`bowl` must lie in \[0, 255\], got -1.0"),
    ],
)
def test_a_wrong_parameter_is_named(params, message):
    with pytest.raises(ValueError, match=message):
        OtsuSegmenter(**params).predict(np.zeros((8, 8), np.uint8))


def test_otsu_by_hand():
    # Levels 0, 0, 3, 3: any t in 1..3 parts them; the lowest wins. One level: none.
    assert otsu(np.array([2, 0, 0, 2])) == 1
    assert otsu(np.array([0, 0, 5, 0])) == 0
    # Levels 0, 1, 4: t=1 gives 1*2*(0-2.5)^2 = 12.5, t=2 gives 2*1*(0.5-4)^2 = 24.5.
    assert otsu(np.array([1, 1, 0, 0, 1])) == 2


def test_recursive_otsu_by_hand():
    # 0, 1, 4 -> t=2; then {0, 1} -> t=1, and {4} isn't split.
    assert recursive_otsu(np.array([1, 1, 0, 0, 1]), 1) == [2]
    assert recursive_otsu(np.array([1, 1, 0, 0, 1]), 2) == [1, 2]
    assert recursive_otsu(np.array([1, 1, 0, 0, 1]), 3) == [1, 2]


def test_to_grid_by_hand():
    image = np.array([[1, 2, 3], [4, 6, 6]], np.uint8)
    # Columns fall into blocks [0, 1) and [1, 3); means 2.5 and 4.25.
    np.testing.assert_array_equal(to_grid(image, (1, 2), scale=4), [[10, 17]])
    np.testing.assert_array_equal(to_grid(image, (1, 2), scale=1), [[3, 4]])
    # Fewer pixels than cells: pixels repeat.
    np.testing.assert_array_equal(to_grid(image, (2, 6), scale=1)[0], [1, 1, 2, 2, 3, 3])


def test_from_grid_by_hand():
    grid = np.array([[0, 1], [0, 1]], np.float32)
    # Four columns: centres at -0.25, 0.25, 0.75, 1.25 cells.
    np.testing.assert_array_equal(from_grid(grid, (1, 4)), [[0, 0.25, 0.75, 1]])


def test_box_mean_and_close_by_hand():
    dot = np.zeros((3, 5), np.int64)
    dot[1, 2] = 18
    np.testing.assert_array_equal(box_mean(dot, 1), [[0, 2, 2, 2, 0]] * 3)
    line = np.array([[9, 9, 0, 9, 9]] * 3)
    np.testing.assert_array_equal(close(line, 1), np.full((3, 5), 9))
    wide = np.array([[9, 0, 0, 0, 9]] * 3)
    np.testing.assert_array_equal(close(wide, 1), wide)


def test_bowl_is_lowest_where_lesions_lie():
    height = bowl((64, 76), 20.0)
    assert np.unravel_index(height.argmin(), height.shape)[0] in (25, 26, 27)
    assert height.max() <= 2 * 20 * 16


def test_features_of_a_square_by_hand():
    grey = np.full((24, 24), 160, np.int64)
    masks = np.zeros((1, 24, 24), bool)
    masks[0, 6:10, 0:4] = True
    grey[masks[0]] = 0
    grey[10:12, 0:4] = 320
    candidates = describe(grey, components(masks))
    feature = dict(zip(FEATURES, candidates.features[0], strict=True))
    assert candidates.labels.max() == 1
    assert feature["log_area"] == pytest.approx(np.log(16 / 576))
    assert feature["row"] == 7.5 / 24
    assert feature["width_over_height"] == 0.0
    assert feature["sides"] == 4 / 4
    assert feature["top_edge"] == feature["bottom_edge"] == 0.0
    assert feature["boundary_rise"] == (8 * 10 + 4 * 20) / 12
    assert feature["below_brightness"] == 20.0
    assert feature["first_row"] == 6 / 24
    assert feature["last_row"] == 10 / 24
    # A square of side 4 has the moments of an ellipse of area pi / 3 of its own.
    assert feature["ellipse_fill"] == pytest.approx(3 / np.pi)


def test_vote_by_hand():
    masks = np.zeros((2, 24, 24), bool)
    masks[0, 5:15, 5:15] = True
    masks[1, 5:10, 5:15] = True
    candidates = describe(np.zeros((24, 24), np.int64), components(masks))
    votes = vote(candidates, np.array([0.5, 0.5]), 0.03)
    assert votes[12, 7] == 1024  # one of two candidates with an expected IoU of 0.5
    assert votes[7, 7] == 2048
    assert votes[0, 0] == 0
