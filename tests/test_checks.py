"""The conformance suite itself: a correct method passes all of it, and each check catches a broken twin."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from _twins import TWINS, Darkness, IsQuiet, Stateless

from hybridseg import Tags, check_segmenter, parametrize_with_checks
from hybridseg.checks import CheckError, all_checks
from hybridseg.conformance import SkipCheck

CHECKS = {check.name: check for check in all_checks()}


def test_every_check_has_a_twin_and_a_text():
    assert {name for name, _, _ in TWINS} == set(CHECKS)
    assert all(inspect.getdoc(check.function) for check in CHECKS.values())


@pytest.mark.parametrize(("name", "twin", "message"), TWINS)
def test_the_check_catches_its_twin(name, twin, message):
    with pytest.raises(Exception, match=message) as caught:
        CHECKS[name](twin)
    assert not isinstance(caught.value, SkipCheck)


@parametrize_with_checks([Darkness(), Darkness(floor=3), Stateless])
def test_correct_methods_pass(check):
    check()


def test_a_report_says_what_was_skipped_and_why():
    report = check_segmenter(Darkness, skip={"threads": "not today"})
    assert report.skipped == {
        "threads": "not today",
        "onnx_export": "the method's tags say that it can't: it is a toy",
    }
    assert set(report.passed) | set(report.skipped) == set(CHECKS)
    assert str(report).splitlines() == [
        f"{len(CHECKS) - 2} checks passed",
        "skipped threads: not today",
        "skipped onnx_export: the method's tags say that it can't: it is a toy",
    ]


def test_skips_that_the_tags_declare_are_reported():
    class Loud(IsQuiet):
        tags = Tags(
            requires_fit=True,
            exportable=False,
            export_reason="it is a toy",
            skipped_checks={"is_quiet": "it likes to talk"},
        )

    assert check_segmenter(Loud).skipped["is_quiet"] == "it likes to talk"


def test_all_failures_come_in_one_error():
    class Bad(IsQuiet):
        tags = Tags(requires_fit=True, exportable=False)

    with pytest.raises(CheckError, match="Bad fails 2 of its checks") as caught:
        check_segmenter(Bad)
    assert set(caught.value.failures) == {"tags", "is_quiet"}
    assert "epoch 1" in caught.value.failures["is_quiet"]


def test_a_crash_is_reported_as_what_it_was():
    class Crash(Stateless):
        def _predict_proba(self, image):
            if 1 in image.shape:
                raise ZeroDivisionError("one pixel wide")
            return super()._predict_proba(image)

    with pytest.raises(CheckError) as caught:
        check_segmenter(Crash)
    assert caught.value.failures["probability"] == "raised ZeroDivisionError: one pixel wide"


def test_the_object_under_check_is_left_alone():
    model = Darkness()
    check_segmenter(model)
    assert vars(model) == {"span": (0.5, 2.0), "floor": 1}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_segmenter(int), "`segmenter` must be a Segmenter or a subclass of it, got <class"),
        (lambda: check_segmenter(Darkness, skip={"thread": "x"}), "names no check: `thread`; known: init"),
        (lambda: check_segmenter(Darkness, skip={"threads": ""}), "`skip` must give a reason for `threads`"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_fit_that_says_it_is_not_deterministic_is_not_held_to_it():
    class Lucky(Darkness):
        tags = Tags(requires_fit=True, deterministic=False, exportable=False, export_reason="it is a toy")

        def _fit(self, images, masks, *, groups, validation, progress):
            super()._fit(images, masks, groups=groups, validation=validation, progress=progress)
            self.level_ = self.level_ + np.random.default_rng().random(1)

    class Untold(Lucky):
        tags = Darkness.tags

    assert check_segmenter(Lucky).skipped["fit_repeats"] == "the method's tags say that it isn't deterministic"
    with pytest.raises(CheckError, match="fit_repeats: "):
        check_segmenter(Untold)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no good"), r"fit with bad `images` must say `images, got ValueError: no good"),
        (TypeError("`images`"), r"fit with bad `images` must raise ValueError, got TypeError: `images`"),
        (None, r"fit with bad `images` must raise ValueError, got no error"),
    ],
)
def test_a_refusal_must_be_of_its_kind_and_name_the_argument(error, message):
    class Refuses(Stateless):
        def fit(self, images, masks, **options):
            if error is not None:
                raise error
            return self

    check = next(check for check in all_checks() if check.name == "fit_refuses_bad_sets")
    with pytest.raises(AssertionError, match=message):
        check(Refuses)


def test_as_tests_a_check_that_is_left_out_is_a_skip_with_its_reason():
    class Excused(Stateless):
        tags = Tags(exportable=False, export_reason="it is a toy", skipped_checks={"threads": "not today"})

    def checks(**options):
        return {param.id: param.values[0] for param in parametrize_with_checks([Excused()], **options).mark.args[1]}

    quick = checks(slow=False)
    assert set(checks()) - set(quick) == {f"Excused()-{check.name}" for check in all_checks() if check.slow}
    with pytest.raises(pytest.skip.Exception, match="not today"):
        quick["Excused()-threads"]()
