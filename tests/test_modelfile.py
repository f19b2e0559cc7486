"""Saved methods: what comes back, what is refused, and files that are written whole or not at all."""

from __future__ import annotations

import io
import json
import os
import zipfile

import numpy as np
import pytest
from _toy import IMAGE, Faulty, Toy, fitted_toy

from hybridseg import ModelFormatError
from hybridseg.files import write_atomically
from hybridseg.modelfile import read_model_file, write_model_file


@pytest.fixture
def fitted():
    return fitted_toy()


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
