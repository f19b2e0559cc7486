"""Working size, held-out groups, parameters and checkpoints of a training, without one."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from _training import RECIPE

from hybridseg.postprocess import OperatingPoint
from hybridseg.training.cases import hold_out
from hybridseg.training.checkpoints import Run, read_checkpoint, write_checkpoint
from hybridseg.training.loop import is_worse, train
from hybridseg.training.sampling import TrainingData
from hybridseg.training.working import to_native, to_working
from hybridseg.unet.segmenter import UNetSegmenter


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
        ({"mixed_share": -0.1}, "`mixed_share` must lie in"),
        ({"lesion_free_dice": 1}, "`lesion_free_dice` must be True or False, got 1"),
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
