"""Checks of ``predict_proba`` and ``predict``."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..data.phantoms import phantom
from ..postprocess import apply_operating_point
from .subject import Subject, probe_images, raises, require, require_equal, require_mask


def check_probability(subject: Subject) -> None:
    """``predict_proba`` gives float32 in [0, 1] at the image's own size, whatever the size and content."""
    for image in probe_images():
        got = subject.fitted.predict_proba(image)
        what = f"predict_proba of a {image.shape} image must"
        require(isinstance(got, np.ndarray), f"{what} be an array, got {type(got).__name__}")
        require(got.shape == image.shape, f"{what} have its shape, got {got.shape}")
        require(got.dtype == np.float32, f"{what} be float32, got {got.dtype}")
        low, high = float(got.min()), float(got.max())
        require(low >= 0 and high <= 1, f"{what} lie in [0, 1], got {low:.4g} to {high:.4g}")


def check_mask(subject: Subject) -> None:
    """``predict`` gives bool at the image's size: the probability map at the current operating point."""
    model = subject.fitted
    for image in probe_images():
        mask = model.predict(image)
        require_mask(mask, image, "predict")
        expected = apply_operating_point(model.predict_proba(image), model.current_operating_point)
        differing = int((mask != expected).sum())
        require(
            differing == 0,
            f"predict of a {image.shape} image must be its probability map at the current operating point, "
            f"{differing} pixels differ",
        )


def check_predict_keeps_image(subject: Subject) -> None:
    """Prediction doesn't write into the image."""
    for image in probe_images():
        before = image.copy()
        subject.fitted.predict(image)
        require(np.array_equal(image, before), f"predict must not write into its {image.shape} image")


def check_predict_repeats(subject: Subject) -> None:
    """Prediction has no memory: other images before, and changes to what was returned, don't matter."""
    model = subject.fitted
    image, *others = probe_images()[::-1]
    first = model.predict_proba(image)
    expected = first.copy()
    first[...] = 0.25
    for other in others:
        model.predict(other)
    require_equal(model.predict_proba(image), expected, "predicting an image again must give the same map")


def check_memory_layout(subject: Subject) -> None:
    """Fortran order, strided and flipped views and read-only arrays give what a plain array gives."""
    image = probe_images()[-1]
    expected = subject.fitted.predict_proba(image)
    wide = np.zeros((image.shape[0] * 2, image.shape[1] * 3), np.uint8)
    wide[::2, ::3] = image
    read_only = image.copy()
    read_only.flags.writeable = False
    for name, same in (
        ("in Fortran order", np.asfortranarray(image)),
        ("strided", wide[::2, ::3]),
        ("seen through negative strides", image[::-1, ::-1].copy()[::-1, ::-1]),
        ("read-only", read_only),
    ):
        require_equal(subject.fitted.predict_proba(same), expected, f"an array {name} must give the same map")


def check_predict_refuses_bad_images(subject: Subject) -> None:
    """Anything but a grey uint8 image is a ValueError that names ``image``."""
    good = probe_images()[-1]
    for name, bad in (
        ("a float image", good / 255.0),
        ("an image of NaN", np.full((8, 8), np.nan)),
        ("a 16-bit image", good.astype(np.uint16)),
        ("a bool image", good > 9),
        ("a colour image", np.dstack([good] * 3)),
        ("one row without a second axis", good[0]),
        ("an image without pixels", good[:0]),
        ("a list", good.tolist()),
        ("None", None),
    ):
        for call in (subject.fitted.predict_proba, subject.fitted.predict):
            with raises(ValueError, "`image`", f"{call.__name__} of {name}"):
                call(bad)


def check_threads(subject: Subject) -> None:
    """Threads that predict with one object at the same time get what they would get alone."""
    images = [phantom((7, 50 + i), "benign", (48 + 8 * i, 64)).image for i in range(4)]
    expected = [subject.fitted.predict_proba(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(subject.fitted.predict_proba, images * 4))
    for got, wanted in zip(results, expected * 4, strict=True):
        require_equal(got, wanted, "predicting in several threads must give what one thread gives")


def check_deepcopy(subject: Subject) -> None:
    """A deep copy of a fitted method predicts the same."""
    image = probe_images()[-1]
    copied = copy.deepcopy(subject.fitted)
    require_equal(copied.predict_proba(image), subject.fitted.predict_proba(image), "a deep copy must agree")
