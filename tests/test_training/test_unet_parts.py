"""Augmentation, sampling, working size, loss and operating point of the U-Net, without training one."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hybridseg.postprocess import OperatingPoint, apply_operating_point
from hybridseg.training import augment
from hybridseg.training.cases import hold_out
from hybridseg.training.checkpoints import Run, read_checkpoint, write_checkpoint
from hybridseg.training.loop import is_worse, train
from hybridseg.training.operating import choose_operating_point, f1_per_image
from hybridseg.training.sampling import Recipe, TrainingData, batches, epoch_order
from hybridseg.training.working import to_native, to_working
from hybridseg.unet.segmenter import UNetSegmenter

RECIPE = Recipe({}, 32, 2, 4, 1e-3, 0.01, 0.9, 0.25, 5, 0)


def disc(size: int = 64, centre: tuple[float, float] = (30, 40), radius: float = 12) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


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
        _, target = augment.augment(np.full_like(mask, 90), mask, np.random.default_rng(seed), 64, window=True)
        assert not target.any()
    assert augment.find_window(np.full_like(mask, 255), np.random.default_rng(0)) is None


def test_augmented_values_stay_in_range_and_repeat_by_seed() -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 96), np.uint8)
    mask = 255 * disc(96).astype(np.uint8)
    for seed in range(30):
        first = augment.augment(image, mask, np.random.default_rng(seed), 64)
        again = augment.augment(image, mask, np.random.default_rng(seed), 64)
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


def test_shadow_darkens_below_and_never_brightens() -> None:
    image = np.full((64, 64), 200, np.float32)
    shaded = augment.shadow(image, np.random.default_rng(3))
    assert (shaded <= image).all()
    assert shaded[-1].min() < 150
    np.testing.assert_array_equal(shaded[0], image[0])


def test_working_size_and_back() -> None:
    constant = np.full((47, 61), 90, np.uint8)
    np.testing.assert_allclose(to_working(constant, 32), 90, atol=1e-4)
    back = to_native(np.full((32, 32), 0.25, np.float32), (47, 61))
    assert back.shape == (47, 61)
    np.testing.assert_allclose(back, 0.25)
    # Halving averages: the two halves of a step keep their values away from the edge.
    step = np.zeros((8, 8), np.uint8)
    step[:, 4:] = 200
    small = to_working(step, 4)
    np.testing.assert_allclose(small[:, 0], 0, atol=1e-4)
    np.testing.assert_allclose(small[:, 3], 200, atol=1e-4)


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
    assert [images.shape for images, _ in first] == [(4, 32, 32, 1)] * 3
    for (images, masks), (images_again, masks_again) in zip(first, again, strict=True):
        np.testing.assert_array_equal(images, images_again)
        np.testing.assert_array_equal(masks, masks_again)


def test_f1_by_hand() -> None:
    truth = np.zeros((4, 4), bool)
    truth[0] = True
    mask = np.zeros((4, 4), bool)
    mask[:2, :2] = True
    empty = np.zeros((4, 4), bool)
    # 4 and 4 pixels, 2 shared: 2*2/8; empty against empty is right; against a mask it is wrong.
    assert f1_per_image([truth, empty, empty], [mask, empty, mask]).tolist() == [0.5, 1.0, 0.0]


def test_operating_point_separates_lesion_free_images() -> None:
    truths = [disc()] * 6 + [np.zeros((64, 64), bool)] * 6
    sure = np.where(disc(), 0.95, 0.05).astype(np.float32)
    unsure = np.where(disc(radius=8), 0.65, 0.05).astype(np.float32)
    point = choose_operating_point(truths, [sure] * 6 + [unsure] * 6)
    assert 0.65 < point.presence_threshold <= 0.95
    assert apply_operating_point(sure, point).sum() == disc().sum()
    assert not apply_operating_point(unsure, point).any()


def test_operating_point_takes_a_low_threshold_where_probabilities_are_low() -> None:
    low = np.where(disc(), 0.32, 0.05).astype(np.float32)
    point = choose_operating_point([disc()] * 4, [low] * 4)
    assert point.threshold < 0.32
    assert point.presence_threshold == 0.0


def test_weights_let_a_few_cases_of_one_hospital_outweigh_many_of_another() -> None:
    low = np.where(disc(), 0.32, 0.05).astype(np.float32)
    halo = np.where(disc(), 0.9, np.where(disc(radius=24), 0.38, 0.05)).astype(np.float32)
    truths, maps = [disc()] * 12, [low] * 10 + [halo] * 2
    assert choose_operating_point(truths, maps).threshold < 0.32
    assert choose_operating_point(truths, maps, [0.01] * 10 + [1] * 2).threshold > 0.38


def test_hold_out_takes_whole_groups_of_both_kinds() -> None:
    groups = [k // 2 for k in range(50)]
    held_out = hold_out(np.arange(50) < 30, groups, 0.2, random_state=0)
    assert held_out.reshape(25, 2).all(axis=1).sum() * 2 == held_out.sum()
    assert held_out[:30].sum() == 6
    assert held_out[30:].sum() == 4


@pytest.mark.parametrize(("lesions", "groups", "got"), [
    ([1, 1, 1], "aaa", 1),
    ([1, 1, 1, *[0] * 10], "aaabcdefghijk", 1),
    ([1, 0, 0, 0], None, 1),
    ([0, 0], None, 0),
])  # fmt: skip
def test_hold_out_needs_two_groups_with_a_lesion(lesions, groups, got) -> None:
    with pytest.raises(ValueError, match=f"at least 2 groups with a lesion, to hold one out for validation, got {got}"):
        hold_out(np.array(lesions, bool), groups and list(groups), 0.1, 0)


@pytest.mark.parametrize(("lesions", "groups", "share"), [
    ([1] * 6 + [0] * 10, "aaabbbcdefghijkl", 0.1),  # both scenes with a lesion are larger than the share
    ([1, 1, 0, 0], "abcd", 0.95),
    ([1, 1], "ab", 0.0),
])  # fmt: skip
def test_hold_out_leaves_a_lesion_on_both_sides(lesions, groups, share) -> None:
    has_lesion = np.array(lesions, bool)
    for seed in range(10):
        held_out = hold_out(has_lesion, list(groups), share, seed)
        assert has_lesion[held_out].any() and has_lesion[~held_out].any()


@pytest.mark.parametrize(("masks", "message"), [((0, 255), "`masks` must hold"), ((255, 0), "`validation masks` must")])
def test_training_without_a_lesion_in_either_part_is_refused(masks, message) -> None:
    images = np.zeros((2, 32, 32), np.uint8)
    parts = [TrainingData(images, np.full_like(images, value), np.arange(2), np.arange(2)) for value in masks]
    with pytest.raises(ValueError, match=message):
        train(RECIPE, UNetSegmenter(), *parts, progress=lambda *call: pytest.fail("it began"))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"epochs": 0}, "`epochs` must be an integer of at least 1, got 0"),
        ({"epochs": 1.5}, "`epochs` must be an integer of at least 1, got 1.5"),
        ({"batch_size": "abc"}, "`batch_size` must be an integer of at least 1, got 'abc'"),
        ({"random_state": -1}, "`random_state` must be an integer of at least 0, got -1"),
        ({"threads": 0}, "`threads` must be an integer of at least 1, got 0"),
        ({"size": 33.0}, "`size` must be an integer of at least 32, got 33.0"),
        ({"size": 100}, "`size` must be a positive multiple of 32, got 100"),
        ({"encoder": "resnet"}, "`encoder` must be one of .*, got 'resnet'"),
        ({"learning_rate": -1}, "`learning_rate` must be a number above 0, got -1"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be a number above 0, got nan"),
        ({"weight_decay": -2}, "`weight_decay` must be a number of at least 0, got -2"),
        ({"pretrained": "no"}, "`pretrained` must be True or False, got 'no'"),
        ({"teacher": ()}, r"`teacher` must be None, a path or several paths, got \(\)"),
        ({"start_from": 3}, "`start_from` must be None or a path, got 3"),
        ({"ema_decay": 1.0}, "`ema_decay` must lie in"),
        ({"lesion_free_share": -0.1}, "`lesion_free_share` must lie in"),
        ({"window_share": 1.5}, "`window_share` must lie in"),
        ({"images_per_group": 0}, "`images_per_group` must be None or an integer of at least 1, got 0"),
    ],
)
def test_wrong_parameters_are_named(params, message) -> None:
    image, mask = np.zeros((40, 40), np.uint8), np.ones((40, 40), bool)
    with pytest.raises(ValueError, match=message):
        UNetSegmenter(**params).fit([image] * 2, [mask] * 2)
    with pytest.raises(ValueError, match=message):  # what bench asks before it starts
        UNetSegmenter(**params)._check_state()


def test_only_empty_masks_are_refused() -> None:
    pytest.importorskip("keras")
    image, mask = np.zeros((40, 40), np.uint8), np.zeros((40, 40), bool)
    with pytest.raises(ValueError, match="at least one lesion pixel"):
        UNetSegmenter().fit([image] * 2, [mask] * 2)


def test_missing_tensorflow_gives_the_pip_line(monkeypatch) -> None:
    from hybridseg.training import segmenter

    monkeypatch.setattr(segmenter.importlib.util, "find_spec", lambda name: None)
    image, mask = np.zeros((40, 40), np.uint8), np.ones((40, 40), bool)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "hybridseg\[train\]"'):
        UNetSegmenter().fit([image] * 2, [mask] * 2)


def test_default_operating_point_is_a_plain_threshold() -> None:
    assert UNetSegmenter().current_operating_point == OperatingPoint()


def test_teacher_is_mixed_into_the_target_at_its_share() -> None:
    data = TrainingData(np.full((4, 32, 32), 90, np.uint8), np.zeros((4, 32, 32), np.uint8), np.arange(4), np.arange(4))
    seen = []

    def teacher(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        seen.append(image)
        return np.full(image.shape, 0.8, np.float32)

    recipe = dataclasses.replace(RECIPE, teacher_share=0.25)
    ((images, masks),) = batches(recipe, data, 0, teacher)
    np.testing.assert_allclose(masks, 0.2, atol=1e-6)
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


def test_all_regions_stay_unless_second_ones_are_wrong() -> None:
    second = disc(centre=(8, 8), radius=4)
    twice = np.where(disc() | second, 0.9, 0.0).astype(np.float32)
    assert choose_operating_point([disc()] * 4, [twice] * 4).largest_only
    assert not choose_operating_point([disc() | second] * 4, [twice] * 4).largest_only
    # Wrong in three cases and right in two is chance.
    assert not choose_operating_point([disc()] * 3 + [disc() | second] * 2, [twice] * 5).largest_only


def test_presence_decision_never_costs_more_lesions_than_allowed() -> None:
    faint = np.where(disc(), 0.65, 0.0).astype(np.float32)
    sure = np.where(disc(), 0.99, 0.0).astype(np.float32)
    # A tenth of the lesions look as faint as what is seen in every lesion-free image: too many to give up.
    truths = [disc()] * 20 + [np.zeros((64, 64), bool)] * 5
    point = choose_operating_point(truths, [faint] * 2 + [sure] * 18 + [faint] * 5)
    assert apply_operating_point(faint, point).any()
    # One in forty is not.
    truths = [disc()] * 40 + [np.zeros((64, 64), bool)] * 5
    point = choose_operating_point(truths, [faint] + [sure] * 39 + [faint] * 5)
    assert not apply_operating_point(faint, point).any()
    assert apply_operating_point(sure, point).any()


def test_a_lost_lesion_weighs_more_than_a_lesion_free_image_with_a_mask() -> None:
    truths = [disc()] * 40 + [np.zeros((64, 64), bool)] * 40
    spread = np.linspace(-1.5, 1.5, 40)
    lesions, free = 1 / (1 + np.exp(-(3 + spread))), 1 / (1 + np.exp(-(1.5 + spread)))  # they overlap around 2.25
    maps = [np.where(disc(), peak, 0.0).astype(np.float32) for peak in (*lesions, *free)]
    assert 0.6 < choose_operating_point(truths, maps).presence_threshold < 1 / (1 + np.exp(-2.25))


def test_equal_thresholds_apart_are_not_averaged() -> None:
    # Above 0.65 and above 0.90 the two errors weigh the same together; in between they weigh more.
    truths = [disc()] * 100 + [np.zeros((64, 64), bool)] * 100
    peaks = [0.7] + [0.99] * 99 + [0.65] + [0.9] * 3 + [0.0] * 96
    maps = [np.where(disc(), peak, 0.0).astype(np.float32) for peak in peaks]
    assert 0.65 < choose_operating_point(truths, maps).presence_threshold < 0.7


@pytest.mark.parametrize(("faint_free", "shown"), [(2, False), (1, True)])
def test_no_more_than_a_fifth_of_the_lesion_free_images_is_outlined_where_that_is_possible(
    faint_free: int, shown: bool
) -> None:
    # Nine or eight of forty, unless one faint lesion of forty is given up, which weighs more than two of them.
    truths = [disc()] * 40 + [np.zeros((64, 64), bool)] * 40
    peaks = [0.65] + [0.99] * 39 + [0.99] * 7 + [0.7] * faint_free + [0.0] * (33 - faint_free)
    maps = [np.where(disc(), peak, 0.0).astype(np.float32) for peak in peaks]
    assert apply_operating_point(maps[0], choose_operating_point(truths, maps)).any() == shown


def test_a_later_epoch_is_kept_unless_it_is_worse_by_more_than_a_standard_error() -> None:
    reference = [0.9, 0.8, 0.7, 0.6]
    assert not is_worse([0.1], [])
    assert not is_worse(reference, reference)
    # Differences -0.2, +0.2, -0.2, +0.1: mean -0.025, standard deviation 0.178, standard error 0.089.
    assert not is_worse([0.7, 1.0, 0.5, 0.7], reference)
    # Differences -0.1, -0.1, -0.1, 0: mean -0.075, standard deviation 0.043, standard error 0.022.
    assert is_worse([0.8, 0.7, 0.6, 0.6], reference)


def savez_of_numpy_2_0(file, *args, **kwds):
    """As numpy before 2.1 had it: every keyword is an array, ``allow_pickle`` too."""
    kwds.update({f"arr_{k}": array for k, array in enumerate(args)})
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in kwds.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
            archive.writestr(f"{name}.npy", member.getvalue())


def test_checkpoints_hold_the_same_with_every_numpy(tmp_path, monkeypatch) -> None:
    weights = [np.arange(3, dtype=np.float32), np.ones((2, 2), np.float32)]
    model = SimpleNamespace(get_weights=lambda: weights, set_weights=lambda values: None)
    optimizer = SimpleNamespace(variables=[])
    run = Run(1, weights, weights, 1, [0.5], [{"epoch": 1}])
    monkeypatch.setattr(np, "savez", savez_of_numpy_2_0)
    write_checkpoint(tmp_path / "checkpoint.npz", "one", run, model, optimizer)
    with np.load(tmp_path / "checkpoint.npz") as stored:
        assert {name.partition("_")[0] for name in stored.files} == {"header", "weight", "averaged", "best"}
    found = read_checkpoint(tmp_path / "checkpoint.npz", "one", model, optimizer)
    assert (found.epoch, found.reference, found.history) == (run.epoch, run.reference, run.history)
    np.testing.assert_array_equal(found.best[1], weights[1])


def test_weights_for_conversion_hold_the_same_with_every_numpy(monkeypatch) -> None:
    keras = pytest.importorskip("keras")
    from hybridseg.training import convert

    def run(command, **options):
        with np.load(command[-2]) as stored:
            Path(command[-1]).write_bytes(" ".join(sorted(stored.files)).encode())

    monkeypatch.setattr(np, "savez", savez_of_numpy_2_0)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(convert.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(convert.subprocess, "run", run)
    model = SimpleNamespace(get_weights=lambda: [np.zeros(2), np.ones(3)])
    assert convert.convert_weights(UNetSegmenter(), model) == b"arr_0 arr_1"
