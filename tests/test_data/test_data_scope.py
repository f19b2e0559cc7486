"""Images that look like those that a method learned from, and others."""

from __future__ import annotations

import numpy as np
import pytest

import hybridseg
from hybridseg.data.phantoms import phantom
from hybridseg.data.scope import (
    MIN_IMAGES,
    NUMBERS,
    check_scope,
    decode_scope,
    encode_scope,
    is_in_scope,
    look_of,
    take_scope,
)


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return [phantom(seed, shape=(120, 140)).image for seed in range(MIN_IMAGES)]


@pytest.fixture(scope="module")
def scope(images) -> np.ndarray:
    return take_scope([look_of(image) for image in images])


def test_two_in_a_hundred_are_left_outside(images, scope) -> None:
    assert sum(not is_in_scope(image, scope) for image in images) == round(0.02 * MIN_IMAGES)
    others = [phantom(1000 + seed, shape=(120, 140)).image for seed in range(40)]
    assert sum(is_in_scope(image, scope) for image in others) >= 35


def stripes() -> np.ndarray:
    page = np.full((300, 200), 240, np.uint8)
    page[10:290:12, 10:190:3] = 20
    return page


@pytest.mark.parametrize(
    "stranger",
    [
        np.zeros((80, 90), np.uint8),
        np.full((1, 1), 255, np.uint8),
        np.random.default_rng(0).integers(0, 256, (200, 300), np.uint8),
        np.tile(np.arange(256, dtype=np.uint8), (100, 1)),
        stripes(),
    ],
    ids=["black", "one pixel", "noise", "ramp", "page"],
)
def test_strangers_are_outside(stranger, scope) -> None:
    assert not is_in_scope(stranger, scope)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (127, 129), (128, 128), (700, 900)])
def test_every_size_has_a_look(shape) -> None:
    look = look_of(np.random.default_rng(1).integers(0, 256, shape, np.uint8))
    assert look.shape == (NUMBERS,) and np.isfinite(look).all()


def test_few_images_have_no_scope(images) -> None:
    assert take_scope([look_of(image) for image in images[:-1]]) is None


def test_text_is_read_as_it_was_written(scope) -> None:
    np.testing.assert_array_equal(decode_scope(encode_scope(scope)), scope)


@pytest.mark.parametrize(("text", "said"), [("!", "not base64"), ("AAAA", "a scope has 3480 bytes, got 3")])
def test_other_text_is_refused(text, said) -> None:
    with pytest.raises(ValueError, match=said):
        decode_scope(text)


def test_other_arrays_are_refused(scope) -> None:
    for wrong in ("scope", scope[1:], scope.astype(float), np.full_like(scope, np.nan)):
        with pytest.raises(ValueError, match="a scope must be"):
            check_scope(wrong)


def test_who_learns_from_enough_images_knows_its_scope(images, scope, tmp_path) -> None:
    model = hybridseg.create("otsu")
    assert model.scope is None
    model.fit(images, [image < 60 for image in images])
    np.testing.assert_array_equal(model.scope, scope)
    model.save(tmp_path / "otsu.hybridseg")
    np.testing.assert_array_equal(hybridseg.load(tmp_path / "otsu.hybridseg").scope, scope)
    model.scope_ = scope[1:]
    model.save(tmp_path / "wrong.hybridseg")
    with pytest.raises(hybridseg.ModelFormatError, match="a scope must be float32"):
        hybridseg.load(tmp_path / "wrong.hybridseg")


def test_exported_files_carry_it(scope, tmp_path) -> None:
    pytest.importorskip("spox")
    model = hybridseg.create("otsu-textbook")
    model.scope_ = scope
    model.to_onnx(tmp_path / "otsu.onnx")
    np.testing.assert_array_equal(hybridseg.load(tmp_path / "otsu.onnx").scope, scope)
