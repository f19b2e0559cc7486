"""Exported files in a browser: onnxruntime-web in headless Chromium against onnxruntime in Python."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("spox")

from _browser import browse, find_browser
from _runtimes import NAMES, RUNTIMES, exported, node_modules, pictures

from hybridseg import OnnxSegmenter


@pytest.fixture(scope="module")
def posted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the page posts when it has run every file on every picture."""
    folder = tmp_path_factory.mktemp("page")
    find_browser()
    modules = node_modules()
    shutil.copy(RUNTIMES / "browser.html", folder)
    (folder / "ort").symlink_to(modules / "onnxruntime-web" / "dist", target_is_directory=True)
    jobs = []
    for model in NAMES:
        shutil.copy(exported(model), folder / f"{model}.model")
        for number, picture in enumerate(pictures()):
            name = f"{model}-{number}"
            (folder / f"{name}.raw").write_bytes(picture.tobytes())
            height, width = picture.shape
            jobs.append({"name": name, "model": f"{model}.model", "height": height, "width": width})
    (folder / "jobs.json").write_text(json.dumps(jobs))
    return browse(folder, "browser.html", tmp_path_factory.mktemp("profile")).posted


@pytest.mark.parametrize("model", NAMES)
def test_the_browser_agrees_with_python(model: str, posted: dict[str, bytes]) -> None:
    python = OnnxSegmenter.load(exported(model))
    lesion = 0
    for number, picture in enumerate(pictures()):
        name = f"{model}-{number}"
        assert f"{name}.error" not in posted, posted[f"{name}.error"].decode()
        mask = np.frombuffer(posted[f"{name}.mask"], np.uint8).reshape(picture.shape)
        expected = python.predict(picture)
        assert (mask != expected).mean() <= 0.0001
        lesion += int(expected.sum())
    assert lesion > 0
