"""What the contract does for every method; what a method must do is in the conformance suite."""

from __future__ import annotations

import os

import numpy as np
import pytest
from _toy import IMAGE, MASK, Faulty, Toy, fitted_toy

from hybridseg import NotFittedError, OperatingPoint, Segmenter, clone
from hybridseg.validation import check_mask


@pytest.fixture
def fitted():
    return fitted_toy()


# ---- parameters ----------------------------------------------------------------------------------
def test_parameters_by_name_and_of_nested_objects():
    model = Toy(inner=Toy(level=3))
    assert Toy().get_params() == {"inner": None, "level": 80, "sizes": (1, 2)}
    assert model.get_params()["inner__level"] == 3
    assert "inner__level" not in model.get_params(deep=False)
    assert model.set_params(inner__level=4, level=5) is model
    assert (model.level, model.inner.level) == (5, 4)


def test_an_unknown_parameter_changes_nothing():
    model = Toy()
    with pytest.raises(ValueError, match="`lvel` is not a parameter of Toy; known: inner, level, sizes"):
        model.set_params(level=1, lvel=2)
    assert model.level == 80


def test_a_parameter_of_something_without_parameters_is_refused():
    with pytest.raises(ValueError, match="`level` has no parameters of its own, it is 80"):
        Toy().set_params(level__deep=2)


def test_a_name_that_hides_its_parameters_is_refused():
    class Hidden(Segmenter):  # nobody above it names a parameter
        def __init__(self, **options):
            self.options = options

        def _predict_proba(self, image):
            return np.zeros(image.shape, np.float32)

    with pytest.raises(TypeError, match=r"Hidden.__init__ must name its parameters, got \*options"):
        Hidden().get_params()


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(Toy()) == "Toy()"
    assert repr(Toy(level=1, inner=Toy(sizes=(3,)))) == "Toy(inner=Toy(sizes=(3,)), level=1)"


def test_clones_share_nothing_that_changes(fitted):
    original = Toy(inner=Toy(level=1), sizes=[1, 2])
    copied = clone(original)
    copied.inner.level = 9
    copied.sizes.append(3)
    assert original.inner.level == 1
    assert original.sizes == [1, 2]
    with pytest.raises(NotFittedError, match="Toy must be fitted, or loaded"):
        clone(fitted).predict(IMAGE)


def test_clone_asks_a_parameter_how_it_wants_to_be_cloned():
    class Estimator:
        def __sklearn_clone__(self):
            return "a clone"

    assert clone(Toy(inner=Estimator())).inner == "a clone"
    assert clone(Toy(inner=Estimator)).inner is Estimator  # a class is a value


def test_scikit_learn_searches_a_grid_over_a_segmenter():
    from sklearn.base import clone as sklearn_clone
    from sklearn.model_selection import GridSearchCV

    assert sklearn_clone(Toy(level=7)).level == 7
    images = [np.full((4, 4 + i), 100, np.uint8) for i in range(4)]
    for image in images:
        image[1:3, 1:3] = 50
    masks = [image < 60 for image in images]
    search = GridSearchCV(Toy(), {"level": [60, 120]}, cv=2).fit(images, masks)
    assert search.best_params_ == {"level": 60}
    assert search.best_score_ == 1.0


# ---- fit and predict -----------------------------------------------------------------------------
def test_score_is_the_mean_iou_with_an_empty_pair_counting_one():
    model = Faulty(answer=np.array([[1, 1, 0]], np.float32))
    image = np.zeros((1, 3), np.uint8)
    truth = np.array([[0, 1, 1]], bool)  # one pixel of three in common
    assert model.score([image], [truth]) == pytest.approx(1 / 3)
    nothing = Faulty(answer=np.zeros((1, 3), np.float32))
    assert nothing.score([image, image], [truth, truth & False]) == pytest.approx(1 / 2)


def test_fit_forgets_what_was_learned_unless_it_fails():
    class Learns(Toy):
        def _fit(self, images, masks, **options):
            assert list(self._state()) == ["fingerprints_"]
            self.new_ = 1
            if not masks[0].any():
                raise ValueError("no lesion")

    model = Learns()
    model.old_ = 0
    with pytest.raises(ValueError, match="no lesion"):
        model.fit([IMAGE], [np.zeros(IMAGE.shape, bool)])
    assert model._state() == {"old_": 0}
    assert model.fit([IMAGE], [np.ones(IMAGE.shape, bool)])._state().keys() == {"new_", "fingerprints_"}


def test_fit_sets_the_operating_point(fitted):
    assert Toy().current_operating_point == OperatingPoint()
    assert fitted.current_operating_point == OperatingPoint(threshold=0.25, largest_only=True)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, r"Faulty._predict_proba must return an array of the image's shape \(2, 3\), got NoneType"),
        (np.zeros((3, 2), np.float32), r"shape \(2, 3\), got \(3, 2\)"),
        (np.zeros((2, 3), np.int64), "must return floats in .*, got int64"),
        (np.full((2, 3), 1.5), "got 1.5 to 1.5"),
        (np.full((2, 3), -0.5), "got -0.5 to -0.5"),
        (np.full((2, 3), np.nan), "got nan to nan"),
    ],
)
def test_a_method_that_answers_wrongly_is_named(answer, message):
    with pytest.raises(RuntimeError, match=message):
        Faulty(answer=answer).predict_proba(IMAGE)


def test_masks_of_zeros_and_ones_or_255_are_taken():
    for mask in (MASK.astype(np.uint8), MASK.astype(np.uint8) * 255, MASK.astype(np.int64)):
        np.testing.assert_array_equal(check_mask(mask), MASK)
    for bad in (MASK.astype(np.uint8) * 7, np.array([[0, 1, 255]], np.uint8)):
        with pytest.raises(ValueError, match="`mask` must be bool, or hold only 0 and 1 or only 0 and 255"):
            check_mask(bad)


def test_a_mask_that_is_no_mask_is_named():
    with pytest.raises(ValueError, match="`mask` must be an ndarray of bool, got list"):
        check_mask([[True]])
    with pytest.raises(ValueError, match=r"`mask_true` must be 2-D \(H, W\), got shape \(3,\)"):
        check_mask(np.zeros(3, bool), name="mask_true")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 3}, "`images` must be a sequence, got int"),
        ({"masks": None}, "`masks` must be a sequence, got NoneType"),
        ({"images": []}, "`images` must hold at least one image, got none"),
        ({"images": [IMAGE, IMAGE]}, r"`masks` must have one mask per image \(2\), got 1"),
        ({"masks": [MASK[:1]]}, r"`masks\[0\]` must have its image's shape \(2, 3\), got \(1, 3\)"),
        ({"images": [IMAGE / 2]}, r"`images\[0\]` must be uint8 in 0..255, got float64"),
        ({"groups": "a"}, "`groups` must be a sequence, got str"),
        ({"groups": [1, 2]}, r"`groups` must have one value per image \(1\), got 2"),
        ({"validation": 5}, r"`validation` must be a pair \(images, masks\)"),
        ({"validation": ([IMAGE],)}, r"`validation` must be a pair \(images, masks\)"),
        ({"validation": ([IMAGE], [])}, r"`validation masks` must have one mask per image \(1\), got 0"),
        ({"progress": "loud"}, "`progress` must be callable, got str"),
    ],
)
def test_a_bad_training_set_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        Toy().fit(**{"images": [IMAGE], "masks": [MASK], **options})


def test_huge_images_are_refused_unread():
    huge = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (8001, 8000), (0, 0))
    with pytest.raises(ValueError, match="`image` must have at most 64000000 pixels"):
        Faulty().predict(huge)


def test_a_method_that_says_it_exports_must_have_a_graph(tmp_path):
    with pytest.raises(NotImplementedError, match="Faulty declares itself exportable but has no _to_onnx"):
        Faulty(answer=np.zeros((2, 3), np.float32)).to_onnx(tmp_path / "faulty.onnx")
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_exported_says_why(fitted, tmp_path):
    with pytest.raises(NotImplementedError, match="Toy can't be exported: it is a toy"):
        fitted.to_onnx(tmp_path / "toy.onnx")
