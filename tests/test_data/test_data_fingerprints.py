"""Fingerprints: copies are found, strangers aren't, and every way to a model carries them along."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hybridseg_baselines.otsu import OtsuSegmenter
from PIL import Image

from hybridseg import Segmenter, load
from hybridseg.data.fingerprints import (
    SIZE,
    check_fingerprints,
    decode_fingerprints,
    encode_fingerprints,
    fingerprint,
    is_among,
    join_fingerprints,
    take_fingerprints,
)
from hybridseg.data.phantoms import phantom
from hybridseg.onnx import OnnxSegmenter

CASES = [phantom(seed, shape=(150, 190)) for seed in range(12)]
IMAGES, MASKS = [case.image for case in CASES], [case.mask for case in CASES]


def stored_again(image: np.ndarray, *, half: bool = False) -> np.ndarray:
    picture, stream = Image.fromarray(image), io.BytesIO()
    if half:
        picture = picture.resize((picture.width // 2, picture.height // 2))
    picture.save(stream, "JPEG", quality=90)
    return np.asarray(Image.open(stream))


class Probe(Segmenter):
    """Learns what `learned_` says: nothing, where it is None."""

    def __init__(self, *, learned=1):
        self.learned = learned

    def _fit(self, images, masks, *, groups, validation, progress):
        if self.learned is not None:
            self.learned_ = self.learned

    def _predict_proba(self, image):
        return np.zeros(image.shape, np.float32)


def test_copies_are_found_and_strangers_are_not() -> None:
    learned = take_fingerprints(IMAGES[:6])
    for image in IMAGES[:6]:
        assert is_among(fingerprint(image), learned)
        assert is_among(fingerprint(stored_again(image)), learned)
        assert is_among(fingerprint(stored_again(image, half=True)), learned)
    for image in IMAGES[6:]:
        assert not is_among(fingerprint(image), learned)
        assert not is_among(fingerprint(image), take_fingerprints([]))


def test_pictures_of_one_grey_are_known_by_their_pixels_alone() -> None:
    learned = take_fingerprints([np.full((40, 50), 7, np.uint8)])
    assert is_among(fingerprint(np.full((40, 50), 7, np.uint8)), learned)
    assert not is_among(fingerprint(np.full((40, 50), 8, np.uint8)), learned)
    assert not is_among(fingerprint(np.full((50, 40), 7, np.uint8)), learned)  # the same bytes in another shape


def test_fingerprints_tell_no_order_and_are_held_once() -> None:
    prints = take_fingerprints([*IMAGES, IMAGES[0]])
    assert prints.shape == (12, SIZE)
    assert np.array_equal(prints, take_fingerprints(reversed(IMAGES)))
    first, second = take_fingerprints(IMAGES[:7]), take_fingerprints(IMAGES[5:])
    assert np.array_equal(prints, join_fingerprints([first, second]))
    assert join_fingerprints([first, None]) is None, "one that isn't known makes all not known"


def test_text_of_fingerprints() -> None:
    prints = take_fingerprints(IMAGES)
    assert np.array_equal(decode_fingerprints(encode_fingerprints(prints)), prints)
    assert len(encode_fingerprints(np.zeros((2025, SIZE), np.uint8))) <= 60_000
    for wrong in ("?", "QUJD", "AAAA\n"):
        with pytest.raises(ValueError, match="fingerprints must"):
            decode_fingerprints(wrong)
    for array in (np.zeros((2, SIZE)), np.zeros(SIZE, np.uint8), [1]):
        with pytest.raises(ValueError, match="uint8 array"):
            check_fingerprints(array)


def test_fit_takes_them_of_training_and_validation_images() -> None:
    model = Probe().fit(IMAGES[:3], MASKS[:3], validation=(IMAGES[3:5], MASKS[3:5]))
    assert np.array_equal(model.fingerprints, take_fingerprints(IMAGES[:5]))
    model.fit(IMAGES[5:7], MASKS[5:7])
    assert np.array_equal(model.fingerprints, take_fingerprints(IMAGES[5:7])), "an earlier fit is forgotten"


def test_what_has_learned_nothing_has_learned_from_nothing() -> None:
    assert Probe().fingerprints.shape == (0, SIZE)
    nothing = Probe(learned=None).fit(IMAGES, MASKS)
    assert nothing.fingerprints.shape == (0, SIZE)
    assert not nothing._state()


def test_of_a_model_from_an_earlier_version_it_is_not_known() -> None:
    model = Probe().fit(IMAGES, MASKS)
    del model.fingerprints_
    assert model.fingerprints is None
    model.fingerprints_ = None  # what one that learned from such a model says
    model._check_state()
    assert model.fingerprints is None
    model.fingerprints_ = [1]
    with pytest.raises(ValueError, match="fingerprints must be"):
        model._check_state()


def test_each_image_of_a_stream_is_read_once_for_them() -> None:
    class Counting(Sequence):
        def __init__(self, values):
            self.values, self.read = values, [0] * len(values)

        def __len__(self):
            return len(self.values)

        def __getitem__(self, index):
            self.read[index] += 1
            return self.values[index]

    images, masks = Counting(IMAGES), Counting(MASKS)
    Probe().fit(images, masks)
    assert images.read == [1] * len(IMAGES)
    assert masks.read == [0] * len(MASKS)


def test_saved_and_exported_models_carry_them(tmp_path: Path) -> None:
    pytest.importorskip("spox")
    model = OtsuSegmenter().fit(IMAGES, MASKS)
    expected = take_fingerprints(IMAGES)
    model.save(tmp_path / "m.hybridseg")
    assert np.array_equal(load(tmp_path / "m.hybridseg").fingerprints, expected)
    model.to_onnx(tmp_path / "m.onnx")
    exported = OnnxSegmenter.load(tmp_path / "m.onnx")
    assert np.array_equal(exported.fingerprints, expected)
    OtsuSegmenter().to_onnx(tmp_path / "unfitted.onnx")
    assert OnnxSegmenter.load(tmp_path / "unfitted.onnx").fingerprints.shape == (0, SIZE)
