"""Augmentation: image and mask move together, and every change is one."""

from __future__ import annotations

import numpy as np
import pytest
from _training import disc
from PIL import Image

from hybridseg.training import augment


def moved(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Image and mask of one disc, after the geometry alone."""
    stored, rng = 255 * disc().astype(np.uint8), np.random.default_rng(seed)
    pair = augment.cut(stored, stored, augment.draw_box(64, rng), 48, rng)
    return augment.turn(*pair, rng)


@pytest.mark.parametrize("seed", range(20))
def test_image_and_mask_move_together(seed: int) -> None:
    image, mask = moved(seed)
    assert image.shape == mask.shape == (48, 48)
    inside = mask > 0.99  # around the picture its border may be mirrored, or dark
    assert inside.any()
    np.testing.assert_allclose(image[inside], 255 * mask[inside], atol=1e-3)


def test_move_really_moves_and_flips_about_half_the_time() -> None:
    centres = []
    for seed in range(200):
        mask = moved(seed)[1]
        assert 0.1 < mask.sum() / (disc().sum() * (48 / 64) ** 2) < 5
        centres.append((np.arange(48) * mask.sum(axis=0)).sum() / mask.sum())
    assert np.std(centres) > 4
    right = np.mean(np.array(centres) > 23.5)
    assert 0.3 < right < 0.7  # the disc lies on the right: it stays there unless flipped


def test_what_lies_outside_is_mirrored_or_dark_and_dark_is_no_lesion() -> None:
    stored = np.full((32, 32), 255, np.uint8)
    outside = (-32.0, -32.0, 64.0, 64.0)
    kinds = set()
    for seed in range(30):
        image, mask = augment.cut(stored, stored, outside, 96, np.random.default_rng(seed))
        kinds.add(bool(mask[0, 0]))
        assert mask[0, 0] in (0, 1)
        assert (image[0, 0] == 255) == (mask[0, 0] == 1)
        assert image[48, 48] == 255
    assert kinds == {True, False}


def test_a_window_shows_no_lesion_and_is_none_where_there_is_no_room() -> None:
    mask = np.zeros((90, 90), np.uint8)
    mask[60:, 60:] = 255
    for seed in range(20):
        left, top, right, bottom = map(int, augment.find_window(mask, np.random.default_rng(seed)))
        assert min(right - left, bottom - top) >= 36
        assert not mask[top:bottom, left:right].any()
        grey = np.full_like(mask, 90)
        _, target = augment.augment(grey, mask, np.random.default_rng(seed), 64, window=True)
        assert not target.any()
    assert augment.find_window(np.full_like(mask, 255), np.random.default_rng(0)) is None


def test_augmented_values_stay_in_range_and_repeat_by_seed() -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 96), np.uint8)
    mask = 255 * disc(96).astype(np.uint8)
    for seed in range(30):
        first, again = (
            augment.augment(image, mask, np.random.default_rng(seed), 64, other=image[::-1], mixed_share=0.5)
            for _ in range(2)
        )
        np.testing.assert_array_equal(first[0], again[0])
        assert first[0].dtype == first[1].dtype == np.float32
        assert np.isfinite(first[0]).all()
        assert 0 <= first[0].min() <= first[0].max() <= 255
        assert 0 <= first[1].min() <= first[1].max() <= 1


@pytest.mark.parametrize("change", [change for _, change in augment.CHANGES], ids=lambda change: change.__name__)
def test_every_change_changes_a_picture_and_keeps_its_shape(change) -> None:
    image = np.random.default_rng(0).uniform(20, 200, (64, 64)).astype(np.float32)
    before = image.copy()
    changed = change(image, np.random.default_rng(1))
    assert changed.shape == (64, 64)
    assert (changed != before).any()
    np.testing.assert_array_equal(image, before)


def test_mixed_looks_keep_where_things_are() -> None:
    stored = np.where(disc(96), 40, 180).astype(np.uint8)
    image = np.asarray(Image.fromarray(stored).resize((64, 64), Image.Resampling.BILINEAR), np.float32)
    noise = np.random.default_rng(0).integers(0, 256, (96, 96), np.uint8)
    np.testing.assert_allclose(augment.mix_looks(image, stored, np.random.default_rng(1)), image, atol=0.01)
    differences = []
    for seed in range(10):
        mixed = augment.mix_looks(image, noise, np.random.default_rng(seed))
        differences.append(np.abs(mixed - image).mean())
        assert np.corrcoef(mixed.ravel(), image.ravel())[0, 1] > 0.3
    assert max(differences) > 10 > min(differences)


def test_shadow_darkens_below_and_never_brightens() -> None:
    image = np.full((64, 64), 200, np.float32)
    shaded = augment.shadow(image, np.random.default_rng(3))
    assert (shaded <= image).all()
    assert shaded[-1].min() < 150
    np.testing.assert_array_equal(shaded[0], image[0])
