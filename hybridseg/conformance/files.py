"""Checks of saved models and exported files."""

from __future__ import annotations

import importlib.util
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..segmenter import Segmenter
from ..validation import ModelFormatError
from .subject import SkipCheck, Subject, probe_images, raises, require, require_equal, require_same_params


class _Other(Segmenter):
    """Somebody else's method, whose file must be refused."""

    def _predict_proba(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.zeros(image.shape, np.float32)


def check_save_and_load(subject: Subject) -> None:
    """A loaded model has the operating point, maps and masks of the one that was saved."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.hybridseg"
        subject.fitted.save(path)
        left = [each.name for each in Path(folder).iterdir()]
        require(left == [path.name], f"save must leave one file, got {left}")
        loaded = type(subject.fitted).load(path)
        for image in probe_images():
            what = f"a saved and loaded method must agree on a {image.shape} image"
            require_equal(loaded.predict_proba(image), subject.fitted.predict_proba(image), what)
            require_equal(loaded.predict(image), subject.fitted.predict(image), what)
    same = loaded.current_operating_point == subject.fitted.current_operating_point
    require(same, "save and load must keep the operating point")


def check_save_keeps_parameters(subject: Subject) -> None:
    """A loaded model has the parameters of the one that was saved, of the same types."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.hybridseg"
        subject.fitted.save(path)
        require_same_params(type(subject.fitted).load(path), subject.fitted, "save and load")


def check_saved_bytes(subject: Subject) -> None:
    """Equal models are equal files, and no file holds a pickle."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "a.hybridseg", Path(folder) / "b.hybridseg"
        subject.fitted.save(first)
        type(subject.fitted).load(first).save(second)
        data = first.read_bytes()
        require(data == second.read_bytes(), "saving what was loaded must give the same bytes")
        blobs = {first.name: data}
        if zipfile.is_zipfile(first):
            with zipfile.ZipFile(first) as archive:
                blobs |= {name: archive.read(name) for name in archive.namelist()}
    for name, blob in blobs.items():
        pickled = blob[:1] == b"\x80" and blob[1:2] in b"\x02\x03\x04\x05" and blob.endswith(b".")
        objects = blob[:6] == b"\x93NUMPY" and b"'|O'" in blob[:200]
        require(not (pickled or objects), f"a saved method must hold no pickle, {name} is one")


def check_load_refuses_other_files(subject: Subject) -> None:
    """Another class's file, a truncated one and noise are ModelFormatError; no file is FileNotFoundError."""
    load = type(subject.fitted).load
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.hybridseg"
        subject.fitted.save(path)
        data = path.read_bytes()
        _Other().save(path)
        broken = {
            "another class's file": path.read_bytes(),
            "an empty file": b"",
            "half a file": data[: len(data) // 2],
            "a file without its last byte": data[:-1],
            "noise": np.random.default_rng(3).bytes(500),
        }
        for name, content in broken.items():
            path.write_bytes(content)
            with raises(ModelFormatError, "", f"load of {name}"):
                load(path)
        with raises(FileNotFoundError, "", "load of a missing file"):
            load(Path(folder) / "missing.hybridseg")


def check_export_reason(subject: Subject) -> None:
    """A method that can't be exported says why when it is asked to, and writes nothing."""
    tags = subject.prototype.tags
    if tags.exportable:
        raise SkipCheck("the method's tags say that it can be exported")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        with raises(NotImplementedError, tags.export_reason, "to_onnx of a method that can't be exported"):
            subject.fitted.to_onnx(path)
        require(not path.exists(), "to_onnx of a method that can't be exported must write nothing")


def check_onnx_export(subject: Subject) -> None:
    """A method that can be exported writes one ONNX file, which agrees with it (``to_onnx`` compares)."""
    if not subject.prototype.tags.exportable:
        raise SkipCheck(f"the method's tags say that it can't: {subject.prototype.tags.export_reason}")
    missing = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise SkipCheck(f"not installed: {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        subject.fitted.to_onnx(path)
        require(path.is_file(), "to_onnx must write the file that it was asked for")
