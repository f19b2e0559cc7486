"""A network with two channels: an outline, and whether there is a lesion at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from hybridseg.data.phantoms import phantom
from hybridseg.onnx import OnnxSegmenter
from hybridseg.training.building import check_network
from hybridseg.training.checkpoints import CHECKPOINT
from hybridseg.training.convert import network_to_onnx
from hybridseg.training.loss import PRESENCE_WEIGHT, bce_dice, joined, loss
from hybridseg.unet.network import build_network
from hybridseg.unet.segmenter import UNetSegmenter

SIZE = 32
TINY = {"encoder": "none", "size": SIZE, "width": 4, "epochs": 1, "batch_size": 4, "flip_averaging": False}


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (3, SIZE, SIZE, 1)).astype(np.float32)


def test_what_is_given_is_outline_times_presence_and_the_outline_is_as_without(pictures) -> None:
    both, plain = (build_network("none", SIZE, 4, presence=presence) for presence in (True, False))
    assert check_network(both, SIZE) is both
    plain.set_weights(both.get_weights()[:-2])  # the presence layer has the last two
    output = np.asarray(both(pictures, training=False))
    np.testing.assert_allclose(output[..., :1], plain(pictures, training=False), atol=1e-6)
    assert np.ptp(output[..., 1], axis=(1, 2)).max() == 0
    one = joined(both)
    np.testing.assert_allclose(one(pictures, training=False), output[..., :1] * output[..., 1:], atol=1e-6)
    assert [a.shape for a in one.get_weights()] == [a.shape for a in both.get_weights()]
    assert joined(plain) is plain
    assert network_to_onnx(one)  # compares with Keras


def test_lesion_free_images_teach_the_presence_alone_and_windows_both() -> None:
    truth = np.zeros((2, SIZE, SIZE, 3), np.float32)
    truth[0, 8:16, 8:16, 0] = 1
    truth[0, ..., 1:] = 1
    outline = np.full((2, SIZE, SIZE, 1), 0.4, np.float32)
    outline[0, 8:20, 8:16] = 0.9

    def value(presence: tuple[float, float], outline: np.ndarray = outline) -> float:
        channel = np.broadcast_to(np.array(presence, np.float32)[:, None, None, None], outline.shape)
        return float(loss(truth, keras.ops.convert_to_tensor(np.concatenate([outline, channel], axis=-1))))

    of_outline = np.asarray(bce_dice(truth[..., :1], outline))
    decision = PRESENCE_WEIGHT * (-np.log(0.8) - np.log(0.7))
    assert value((0.8, 0.3)) == pytest.approx((of_outline[0] + decision) / 2, abs=1e-5)
    truth[1, ..., 1] = 1  # a window
    assert value((0.8, 0.3)) == pytest.approx((of_outline.sum() + decision) / 2, abs=1e-5)
    assert float(loss(truth, outline)) == pytest.approx(float(of_outline.mean()), abs=1e-6)  # no presence


def test_a_training_with_presence_goes_on_from_one_without_and_is_exported(tmp_path: Path) -> None:
    made = [phantom(seed, kind="normal" if seed % 4 == 3 else None, shape=(80, 96)) for seed in range(12)]
    images, masks = [each.image for each in made], [each.mask for each in made]
    UNetSegmenter(**TINY, checkpoint_dir=str(tmp_path)).fit(images, masks)
    start = str(tmp_path / CHECKPOINT)
    model = UNetSegmenter(**TINY, presence=True, start_from=start).fit(images, masks)
    model.to_onnx(tmp_path / "both.onnx")
    probability = OnnxSegmenter.load(tmp_path / "both.onnx").predict_proba(images[0])
    np.testing.assert_allclose(probability, model.predict_proba(images[0]), atol=1e-3)
    with pytest.raises(ValueError, match="`presence` must be True or False, got 1"):
        UNetSegmenter(**TINY, presence=1).fit(images, masks)
