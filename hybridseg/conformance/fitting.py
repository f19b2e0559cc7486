"""Checks of ``fit``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np

from ..segmenter import NotFittedError, Segmenter
from .subject import (
    ImageList,
    MaskList,
    SkipCheck,
    Subject,
    probe_images,
    raises,
    require,
    require_equal,
    require_mask,
    require_same_params,
    training_set,
)  # fmt: skip


def check_fit_returns_self(subject: Subject) -> None:
    """``fit`` returns the object itself."""
    returned = subject.fit.returned
    require(returned is subject.fitted, f"fit must return self, got {returned!r}")


def check_fit_keeps_inputs(subject: Subject) -> None:
    """``fit`` leaves images and masks as they were."""
    seen = subject.fit
    for what, before, after in (
        ("image", seen.images_before, seen.images),
        ("mask", seen.masks_before, seen.masks),
    ):
        require(len(before) == len(after), f"fit must not change the list of {what}s")
        for i, (old, new) in enumerate(zip(before, after, strict=True)):
            require(np.array_equal(old, new), f"fit must not write into its input, {what} {i} changed")


def check_fit_keeps_parameters(subject: Subject) -> None:
    """``fit`` learns into attributes that end in an underscore and leaves the parameters alone."""
    require_same_params(subject.fitted, subject.prototype, "fit")


def check_fit_takes_groups_and_validation(subject: Subject) -> None:
    """``fit`` takes groups of any hashable kind and a validation set, and then predicts."""
    images, masks = training_set()
    groups = ["scene a", "scene a", ("b", 1), 3, 4, 5]
    model = subject.new().fit(images, masks, groups=groups, validation=(images[:2], masks[:2]))
    require_mask(model.predict(images[0]), images[0], "predict after fit with groups and validation")


def check_fit_without_lesions(subject: Subject) -> None:
    """A training set without a single lesion pixel is learned from, or refused with a clear ValueError."""
    images, masks = training_set()
    _fits_or_refuses(subject, images, [np.zeros_like(mask) for mask in masks], "a set without lesions")


def check_fit_single_image(subject: Subject) -> None:
    """One image is learned from, or refused with a clear ValueError."""
    images, masks = training_set()
    _fits_or_refuses(subject, images[:1], masks[:1], "a single image")


def check_fit_refuses_bad_sets(subject: Subject) -> None:
    """A set that can't be learned from is a ValueError that names the argument."""
    images, masks = training_set()
    cases: tuple[tuple[str, Callable[[Segmenter], object]], ...] = (
        ("images", lambda model: model.fit([], [])),
        ("images", lambda model: model.fit([image / 255.0 for image in images], masks)),
        ("images", lambda model: model.fit([np.dstack([images[0]] * 3)], masks[:1])),
        ("masks", lambda model: model.fit(images, masks[:-1])),
        ("masks", lambda model: model.fit(images[:1], [masks[0][:-1]])),
        ("masks", lambda model: model.fit(images[:1], [masks[0] * 0.5])),
        ("groups", lambda model: model.fit(images, masks, groups=[1, 2])),
        ("validation", lambda model: model.fit(images, masks, validation=(images, masks[:1]))),
    )
    for argument, call in cases:
        with raises(ValueError, f"`{argument}", f"fit with bad `{argument}`"):
            call(subject.new())


def check_fit_repeats(subject: Subject) -> None:
    """Fitted again, the method gives the same map; an earlier fit is forgotten, unless the later one is refused."""
    if not subject.prototype.tags.deterministic:
        raise SkipCheck("the method's tags say that it isn't deterministic")
    images, masks = training_set()
    expected = subject.fitted.predict_proba(images[1])
    again = subject.new().fit(images, masks)
    require_equal(again.predict_proba(images[1]), expected, "the same fit twice must give the same map")
    with contextlib.suppress(ValueError):  # a method may refuse so small a set; that leaves nothing to forget
        again.fit(images[:2], masks[:2])
    again.fit(images, masks)
    require_equal(again.predict_proba(images[1]), expected, "fit must forget what an earlier fit learned")
    empty = [np.zeros_like(mask) for mask in masks]
    try:
        expected = subject.new().fit(images, empty).predict_proba(images[1])
    except ValueError:
        with contextlib.suppress(ValueError):
            again.fit(images, empty)
        require_equal(again.predict_proba(images[1]), expected, "a refused fit must keep what an earlier fit learned")
    else:
        again.fit(images, empty)
        what = "fit without lesions must forget what an earlier fit learned"
        require_equal(again.predict_proba(images[1]), expected, what)


def check_fit_reports_progress_in_range(subject: Subject) -> None:
    """``progress(done, total, text)``, where it is called, gets 0 <= done <= total and text."""
    for call in subject.fit.progress:
        require(len(call) == 3, f"progress must be called with (done, total, text), got {call}")
        done, total, text = call
        require(0 <= done <= total, f"progress must get 0 <= done <= total, got {done} of {total}")
        require(isinstance(text, str), f"progress must get text, got {text!r}")


def check_is_quiet(subject: Subject) -> None:
    """Neither ``fit`` nor ``predict`` prints to stdout."""
    printed = subject.fit.printed.strip()
    require(not printed, f"fit and predict must not print, got {printed[:80]!r}")


def check_leaves_global_randomness_alone(subject: Subject) -> None:
    """Neither ``fit`` nor ``predict`` draws from, or seeds, numpy's or Python's global generator."""
    require(subject.fit.random_state_kept, "fit and predict must not touch the global random state")


def check_keeps_the_working_folder(subject: Subject) -> None:
    """Neither ``fit`` nor ``predict`` changes the working folder: what a person names is seen from there."""
    require(subject.fit.folder_kept, "fit and predict must not change the working folder")


def check_requires_fit_as_declared(subject: Subject) -> None:
    """Before ``fit``: NotFittedError where the tags require one, a prediction where they don't."""
    image = probe_images()[-1]
    model = subject.new()
    if not model.tags.requires_fit:
        require_mask(model.predict(image), image, "predict of a method that needs no fit")
        return
    for call in (model.predict, model.predict_proba):
        with raises(NotFittedError, "", f"{call.__name__} before fit"):
            call(image)


def _fits_or_refuses(subject: Subject, images: ImageList, masks: MaskList, what: str) -> None:
    model = subject.new()
    try:
        model.fit(images, masks)
    except ValueError as error:
        require(bool(str(error)) and "\n" not in str(error), f"fit refused {what} without a one-line reason")
        return
    require_mask(model.predict(images[0]), images[0], f"predict after fit with {what}")
