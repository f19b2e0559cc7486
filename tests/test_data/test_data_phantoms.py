"""Phantoms: deterministic, of the promised kinds and sizes, with the physics that the generator claims."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from hybridseg.data.phantoms import KINDS, PhantomCase, phantom, phantom_dataset

SHAPE = (235, 280)


@pytest.mark.parametrize("kind", KINDS)
def test_image_and_mask_have_the_promised_types(kind):
    image, mask, label = phantom(5, kind, SHAPE)
    assert image.shape == mask.shape == SHAPE
    assert image.dtype == np.uint8
    assert mask.dtype == np.bool_
    assert label == kind
    assert mask.any() == (kind != "normal")
    assert 25 < image.mean() < 160
    assert image.std() > 15


def test_equal_seeds_give_equal_pixels_and_other_seeds_others():
    first, again, other = phantom(3), phantom(3), phantom(4)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert first.label == again.label
    assert first.image.shape != other.image.shape or (first.image != other.image).any()


def test_the_global_random_state_is_left_alone():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    phantom(1, shape=(64, 64))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_sizes_vary_and_stay_near_those_of_a_scanner():
    shapes = {phantom(seed, "benign").image.shape for seed in range(4)}
    assert len(shapes) == 4
    assert all(400 <= rows <= 560 and 470 <= columns <= 680 for rows, columns in shapes)


@pytest.mark.parametrize("shape", [(32, 32), (33, 97), (97, 33), (64, 400)])
@pytest.mark.parametrize("kind", KINDS)
def test_small_and_odd_shapes_work(shape, kind):
    image, mask, _ = phantom(9, kind, shape)
    assert image.shape == mask.shape == shape
    assert mask.any() == (kind != "normal")


def test_lesions_are_darker_than_what_surrounds_them():
    darker = 0
    for seed in range(12):
        image, mask, _ = phantom(seed, ("benign", "malignant")[seed % 2], SHAPE)
        rows = np.flatnonzero(mask.any(axis=1))
        beside = np.zeros_like(mask)
        beside[rows[0] : rows[-1] + 1] = True
        darker += image[mask].mean() < image[beside & ~mask].mean()
    assert darker >= 11


def test_a_global_threshold_does_not_solve_them():
    from skimage.filters import threshold_otsu

    overlaps = []
    for seed in range(10):
        image, mask, _ = phantom(seed, ("benign", "malignant")[seed % 2], SHAPE)
        dark = image < threshold_otsu(image)
        overlaps.append((dark & mask).sum() / (dark | mask).sum())
    assert np.mean(overlaps) < 0.5


def test_malignant_outlines_are_rougher_than_benign_ones():
    def roughness(kind):  # perimeter^2 / (4 pi area), 1 for a disc
        values = []
        for seed in range(8):
            mask = phantom(seed, kind, SHAPE).mask
            edges = (mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum()
            values.append(edges**2 / (4 * np.pi * mask.sum()))
        return np.median(values)

    assert roughness("malignant") > 1.15 * roughness("benign")


def test_speckle_widens_away_from_the_focus():
    def lateral_correlation(rows):
        values = rows.astype(float) - rows.mean(axis=1, keepdims=True)
        return (values[:, 3:] * values[:, :-3]).mean() / values.var()

    focus, deep = [], []
    for seed in range(6):
        image = phantom(seed, "normal", (470, 280)).image
        focus.append(lateral_correlation(image[160:230]))
        deep.append(lateral_correlation(image[330:400]))
    assert np.mean(deep) > np.mean(focus)


def test_a_data_set_mixes_kinds_five_three_two():
    dataset = phantom_dataset(20)
    assert {kind: dataset.labels.count(kind) for kind in KINDS} == {"benign": 10, "malignant": 6, "normal": 4}
    assert len({case.case_id for case in dataset}) == len(set(dataset.groups)) == 20
    assert set(phantom_dataset().labels) == set(KINDS)
    assert len(phantom_dataset()) == 24


def test_a_larger_data_set_begins_with_the_smaller_one():
    assert phantom_dataset(8, seed=2).cases[:3] == phantom_dataset(3, seed=2).cases


def test_cases_are_read_again_the_same_even_after_pickling():
    case = phantom_dataset(2, seed=1, shape=(64, 80))[1]
    copy = pickle.loads(pickle.dumps(case))
    assert copy == case
    np.testing.assert_array_equal(copy.image, case.image)
    np.testing.assert_array_equal(copy.mask, case.mask)
    assert case.label == "malignant"


def test_content_hash_follows_what_makes_the_pixels():
    case = PhantomCase("a", "a", "benign", (0, 1))
    assert case.content_hash() == PhantomCase("b", "b", "benign", (0, 1)).content_hash()
    hashes = {
        case.content_hash(),
        PhantomCase("a", "a", "benign", (1, 0)).content_hash(),
        PhantomCase("a", "a", "normal", (0, 1)).content_hash(),
        PhantomCase("a", "a", "benign", (0, 1), (64, 64)).content_hash(),
    }
    assert len(hashes) == 4


def test_captions_and_callipers_are_burnt_into_some_images():
    bright = [int((phantom(seed, "benign", SHAPE).image == 235).sum()) for seed in range(12)]
    assert max(bright) > 40


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: phantom(0, "cyst"), "`kind` must be one of benign, malignant, normal, got `cyst`"),
        (lambda: phantom(0, shape=(31, 99)), r"`shape` must be .*at least 32, got \(31, 99\)"),
        (lambda: phantom_dataset(0), "`n` must be at least 1, got 0"),
        (lambda: phantom_dataset(1, seed=-1), "`seed` must not be negative, got -1"),
        (lambda: phantom_dataset(1, shape=(5, 5)), "`shape` must be"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
