"""What a training shows: the order of an epoch, its batches, and what teachers answer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from _training import RECIPE

from hybridseg.training.sampling import TrainingData, batches, epoch_order
from hybridseg.unet.segmenter import UNetSegmenter


def data(lesions: int, free: int) -> TrainingData:
    masks = np.zeros((lesions + free, 32, 32), np.uint8)
    masks[:lesions, 8:16, 8:16] = 255
    return TrainingData(np.zeros_like(masks), masks, np.arange(len(masks)), np.arange(len(masks)) // 2)


def test_epoch_holds_each_lesion_once_and_the_share_of_lesion_free_ones() -> None:
    order = epoch_order(RECIPE, data(9, 2), epoch=0)
    counts = np.bincount(order, minlength=11)
    assert counts[:9].tolist() == [1] * 9
    assert counts[9:].sum() == 3  # a quarter of 12
    assert (epoch_order(RECIPE, data(9, 2), 1) != order).any()


def test_epoch_without_lesion_free_images() -> None:
    assert sorted(epoch_order(RECIPE, data(5, 0), 0)) == [0, 1, 2, 3, 4]


def test_half_of_the_lesion_free_pictures_are_windows_of_lesion_images() -> None:
    order = epoch_order(dataclasses.replace(RECIPE, window_share=0.5), data(12, 3), 0)
    counts = np.bincount(order, minlength=30)
    assert counts[:12].tolist() == [1] * 12
    assert counts[12:15].sum() == 2  # a quarter of 16 is 4: two whole images, two windows
    assert counts[15:27].sum() == 2
    without = epoch_order(dataclasses.replace(RECIPE, window_share=0.5), data(12, 0), 0)
    assert (without >= 12).sum() == 2


def test_an_epoch_shows_one_image_of_each_group_another_time_another_one() -> None:
    recipe = dataclasses.replace(RECIPE, images_per_group=1, lesion_free_share=0.0)
    orders = [sorted(epoch_order(recipe, data(10, 0), epoch)) for epoch in range(20)]
    for order in orders:
        assert [position // 2 for position in order] == [0, 1, 2, 3, 4]
    assert {position for order in orders for position in order} == set(range(10))


def test_batches_repeat_by_epoch_and_keep_one_shape() -> None:
    first = list(batches(RECIPE, data(9, 2), 1))
    again = list(batches(RECIPE, data(9, 2), 1))
    assert [(images.shape, taught.shape) for images, taught in first] == [((4, 32, 32, 1), (4, 32, 32, 2))] * 3
    for (images, taught), (images_again, taught_again) in zip(first, again, strict=True):
        np.testing.assert_array_equal(images, images_again)
        np.testing.assert_array_equal(taught, taught_again)


def test_mixed_looks_change_pictures_and_nothing_that_they_teach() -> None:
    drawn = {
        share: list(batches(dataclasses.replace(RECIPE, mixed_share=share), data(12, 3), 0)) for share in (1e-9, 1.0)
    }
    for (plain, taught), (mixed, taught_again) in zip(drawn[1e-9], drawn[1.0], strict=True):
        np.testing.assert_array_equal(taught, taught_again)
        assert (plain != mixed).any()


@pytest.mark.parametrize("lesion_free_dice", [True, False])
def test_whole_lesion_free_images_have_a_dice_loss_where_it_is_asked_for(lesion_free_dice) -> None:
    shares = {"window_share": 0.5, "lesion_free_share": 0.5}
    recipe = dataclasses.replace(RECIPE, **shares, batch_size=8, lesion_free_dice=lesion_free_dice)
    seen = set()
    for epoch in range(4):
        for _, taught in batches(recipe, data(8, 3), epoch):
            assert np.ptp(taught[..., 1], axis=(1, 2)).max() == 0
            seen |= set(zip(taught[:, 0, 0, 1], taught[..., 0].max(axis=(1, 2)) > 0.5, strict=True))
    assert seen == {(1, True), (1, False)} | (set() if lesion_free_dice else {(0, False)})


def test_teacher_is_mixed_into_the_target_at_its_share() -> None:
    data = TrainingData(np.full((4, 32, 32), 90, np.uint8), np.zeros((4, 32, 32), np.uint8), np.arange(4), np.arange(4))
    seen = []

    def teacher(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        seen.append(image)
        return np.full(image.shape, 0.8, np.float32)

    recipe = dataclasses.replace(RECIPE, teacher_share=0.25)
    ((images, taught),) = batches(recipe, data, 0, teacher)
    np.testing.assert_allclose(taught[..., 0], 0.2, atol=1e-6)
    assert taught[..., 1].all()
    assert seen[0].dtype == np.uint8
    np.testing.assert_array_equal(seen[0], np.rint(images[0, ..., 0]))  # it sees what the student sees


def test_one_of_several_teachers_answers_for_each_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Constant:
        def __init__(self, path: str) -> None:
            self.value = np.float32(Path(path).stem)
            self.fingerprints = np.full((1, 18), int(100 * self.value), np.uint8)

        @classmethod
        def load(cls, path: str) -> Constant:
            return cls(path)

        def predict_proba(self, image: np.ndarray) -> np.ndarray:
            return np.full(image.shape, self.value, np.float32)

    monkeypatch.setattr("hybridseg.onnx.OnnxSegmenter", Constant)
    paths = [tmp_path / "0.25.onnx", tmp_path / "0.75.onnx"]
    for path in paths:
        path.write_bytes(path.name.encode())
    answer, digest, prints = UNetSegmenter(teacher=[str(path) for path in paths])._teacher()
    image = np.zeros((4, 4), np.uint8)
    values = [float(answer(image, np.random.default_rng(seed))[0, 0]) for seed in range(400)]
    assert set(values) == {0.25, 0.75}
    assert np.mean(values) == pytest.approx(0.5, abs=0.06)
    assert digest != UNetSegmenter(teacher=str(paths[0]))._teacher()[1]
    assert [each[0, 0] for each in prints] == [25, 75]
