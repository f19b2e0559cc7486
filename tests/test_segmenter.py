"""What the contract does for every method; what a method must do is in the conformance suite."""

from __future__ import annotations

import io
import json
import os
import zipfile

import numpy as np
import pytest

from hybridseg import ModelFormatError, NotFittedError, OperatingPoint, Segmenter, Tags, clone
from hybridseg.files import write_atomically
from hybridseg.modelfile import read_model_file, write_model_file
from hybridseg.validation import check_mask


class Toy(Segmenter):
    tags = Tags(requires_fit=True, exportable=False, export_reason="it is a toy")

    def __init__(self, *, level=80, inner=None, sizes=(1, 2)):
        self.level = level
        self.inner = inner
        self.sizes = sizes

    def _fit(self, images, masks, *, groups, validation, progress):
        self.seen_ = len(images)
        self.mean_ = np.array([image.mean() for image in images])
        self.notes_ = {"groups": groups, "pair": (1, 2.5)}
        self.operating_point_ = OperatingPoint(threshold=0.25, largest_only=True)

    def _predict_proba(self, image):
        return (image < self.level).astype(np.float32)


class Faulty(Segmenter):
    def __init__(self, *, answer=None):
        self.answer = answer

    def _predict_proba(self, image):
        return self.answer


IMAGE = np.array([[10, 200, 90], [20, 30, 255]], np.uint8)
MASK = np.array([[1, 0, 0], [1, 1, 0]], bool)


@pytest.fixture
def fitted():
    return Toy(level=85).fit([IMAGE, IMAGE], [MASK, ~MASK], groups=["a", "b"])


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


# ---- files ---------------------------------------------------------------------------------------
def test_everything_learned_comes_back_of_the_same_type(fitted, tmp_path):
    path = tmp_path / "toy.hybridseg"
    fitted.save(path)
    loaded = Toy.load(path)
    assert loaded.get_params() == {"inner": None, "level": 85, "sizes": (1, 2)}
    assert loaded.seen_ == 2
    assert loaded.notes_ == {"groups": ["a", "b"], "pair": (1, 2.5)}
    assert loaded.operating_point_ == fitted.operating_point_
    np.testing.assert_array_equal(loaded.mean_, fitted.mean_)
    np.testing.assert_array_equal(loaded.predict(IMAGE), fitted.predict(IMAGE))
    assert zipfile.ZipFile(path).namelist() == ["model.json", "fingerprints_.npy", "mean_.npy"]


def test_numbers_of_numpy_and_paths_are_saved_as_what_they_stand_for(tmp_path):
    Toy(level=np.int64(7), inner=tmp_path, sizes=[np.float32(0.5)]).save(tmp_path / "toy.hybridseg")
    saved = Toy.load(tmp_path / "toy.hybridseg").get_params()
    assert saved == {"inner": str(tmp_path), "level": 7, "sizes": [0.5]}
    assert type(saved["level"]) is int


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("thing_", object(), "`thing_` holds a object: it can't be saved"),
        ("thing_", {1: 2}, "`thing_` holds a dict: it can't be saved"),
        ("thing_", [np.zeros(2)], "`thing_` holds a ndarray: it can't be saved"),
        ("thing_", np.array([None]), "`thing_` is an array of objects: it can't be saved"),
    ],
)
def test_what_would_need_pickle_is_refused_and_leaves_no_file(fitted, tmp_path, name, value, message):
    setattr(fitted, name, value)
    with pytest.raises(TypeError, match=message):
        fitted.save(tmp_path / "toy.hybridseg")
    assert os.listdir(tmp_path) == []


def test_only_the_class_that_saved_a_file_loads_it(fitted, tmp_path):
    fitted.save(tmp_path / "toy.hybridseg")
    with pytest.raises(ModelFormatError, match=r"expected a saved .*:Faulty, got one of .*:Toy"):
        Faulty.load(tmp_path / "toy.hybridseg")


def rewritten(path, **changes):
    """Rewrite a model's header with these entries, and return the path."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["model.json"] = json.dumps({**json.loads(members["model.json"]), **changes}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "model.json doesn't say that it is one"),
        ({"format_version": 2}, r"its format 2 is newer than this version reads \(1\)"),
        ({"format_version": "1"}, "format_version must be an integer, got '1'"),
        ({"class": 3}, "model.json lacks class"),
        ({"state": []}, "model.json lacks state"),
        ({"params": {"wrong": 1}}, "its parameters don't fit .*:Toy"),
        ({"state": {"predict": 1}}, "`predict` isn't the name of something learned"),
        ({"state": {"__class__": 1}}, "`__class__` isn't the name of something learned"),
        ({"state": {"a_": {"python": 1}}}, "unknown value"),
        ({"state": {"a_": {"tuple": 1}}}, "not iterable"),
        ({"state": {"a_": {}}}, "not a saved hybridseg model"),
        ({"state": {"a_": {"mapping": 3}}}, "not a saved hybridseg model"),
        ({"state": {"operating_point_": {"operating_point": {"threshold": 9}}}}, "`threshold` must lie in"),
        ({"state": {"operating_point_": {"operating_point": {"thrshld": 0.5}}}}, "thrshld"),
    ],
)
def test_a_header_that_lies_is_refused(fitted, tmp_path, changes, message):
    path = tmp_path / "toy.hybridseg"
    fitted.save(path)
    with pytest.raises(ModelFormatError, match=message) as caught:
        Toy.load(rewritten(path, **changes))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def with_member(path, name, data):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, data)
    return path


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("predict.npy", npy(np.zeros(2)), "`predict` isn't the name of something learned"),
        ("_private_.npy", npy(np.zeros(2)), "`_private_` isn't"),
        ("../a_.npy", npy(np.zeros(2)), "isn't the name of something learned"),
        ("a_.npy", npy(np.array([None])), "an array of object"),
        ("a_.npy", npy(np.zeros(2))[:-8], "doesn't fill its"),
        ("a_.npy", npy(np.zeros(2)).replace(b"(2,), ", b"(10000000000000,), "), "not a saved hybridseg model"),
        ("a_.npy", b"not numpy", "not a saved hybridseg model"),
    ],
)
def test_an_array_that_lies_is_refused(fitted, tmp_path, name, data, message):
    path = tmp_path / "toy.hybridseg"
    fitted.save(path)
    with pytest.raises(ModelFormatError, match=message):
        Toy.load(with_member(path, name, data))


def test_a_part_that_is_there_twice_is_refused(fitted, tmp_path):
    """One reader takes the first, another one the last."""
    fitted.save(tmp_path / "m.hybridseg")
    with zipfile.ZipFile(tmp_path / "m.hybridseg", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("model.json", archive.read("model.json"))
    with pytest.raises(ModelFormatError, match="a part of it is there twice"):
        type(fitted).load(tmp_path / "m.hybridseg")


def test_an_array_that_claims_more_than_it_holds_reserves_no_memory(fitted, tmp_path):
    data = npy(np.zeros(2))
    wanted = b"'shape': (2,), }"
    claim = b"'shape': (9000000000000,), }"
    assert wanted in data
    # The header has spaces to spare: its length stays the same.
    data = data.replace(wanted + b" " * (len(claim) - len(wanted)), claim)
    path = tmp_path / "toy.hybridseg"
    fitted.save(path)
    with pytest.raises(ModelFormatError, match="doesn't fill its"):
        Toy.load(with_member(path, "a_.npy", data))


def test_a_file_that_unpacks_without_bound_is_refused(fitted, tmp_path, monkeypatch):
    path = tmp_path / "toy.hybridseg"
    fitted.save(path)
    monkeypatch.setattr("hybridseg.modelfile.MAX_MODEL_BYTES", 100)
    with pytest.raises(ModelFormatError, match=r"it unpacks to \d+ bytes, more than 100"):
        read_model_file(path)


def test_deep_nesting_is_refused(tmp_path):
    path = tmp_path / "deep.hybridseg"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.json", "[" * 200_000)
    with pytest.raises(ModelFormatError, match="not a saved hybridseg model"):
        read_model_file(path)


def test_damaged_files_are_never_a_traceback_of_another_kind(fitted, tmp_path):
    path = tmp_path / "toy.hybridseg"
    fitted.save(path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        for position in rng.integers(0, len(data), 3):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_model_file(path)
        except ModelFormatError:
            refused += 1
    assert refused > 200


def test_equal_models_are_equal_files_whatever_the_clock_says(tmp_path):
    write_model_file(tmp_path / "a", "m:C", {"x": 1}, {"y_": np.arange(3)})
    write_model_file(tmp_path / "b", "m:C", {"x": 1}, {"y_": np.arange(3)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"before")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["file"]


def test_where_nothing_can_be_written_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing"):
        write_atomically(tmp_path / "missing" / "file", b"")
    with pytest.raises(IsADirectoryError, match="expected the name of a file, got a folder"):
        write_atomically(tmp_path, b"")


def test_a_name_of_250_characters_can_be_written(tmp_path):
    write_atomically(tmp_path / ("\N{GREEK SMALL LETTER ALPHA}" * 125), b"x")
    assert len(os.listdir(tmp_path)) == 1
