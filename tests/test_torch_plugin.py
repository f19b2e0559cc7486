"""The example package whose network PyTorch trains: installed as a stranger would, and trained where torch is."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from test_plugin import install, run

import hybridseg
from hybridseg.conformance.subject import training_set

EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "examples" / "torch_plugin"
QUICK = "size=32,width=1,epochs=1,validation_share=0.4"
NEEDS = ("torch", "onnxscript", "onnx")
needs_torch = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDS), reason=f"needs {', '.join(NEEDS)}"
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the example is installed in."""
    return install(EXAMPLE, tmp_path_factory.mktemp("torch_plugin"))


def test_it_is_listed_and_says_what_training_needs(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = run("methods", site=installed, cwd=tmp_path)
    assert "torch-unet          hybridseg-torch-example  yes       yes" in listed.stdout, listed.stderr
    monkeypatch.syspath_prepend(installed)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    images, masks = training_set()
    with pytest.raises(ImportError, match="training needs torch, onnx, onnxscript; run: pip install"):
        hybridseg.create("torch-unet").fit(images, masks)


@needs_torch
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # of torch's own
def test_it_trains_is_saved_and_exported(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed)
    images, masks = training_set()
    model = hybridseg.create(f"torch-unet[{QUICK}]").fit(images, masks)
    model.save(tmp_path / "own.hybridseg")
    loaded = hybridseg.load(tmp_path / "own.hybridseg")
    np.testing.assert_array_equal(loaded.predict_proba(images[0]), model.predict_proba(images[0]))
    assert loaded.to_onnx(tmp_path / "own.onnx").differing_pixels == 0


@needs_torch
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_it_keeps_the_contract(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed)
    report = hybridseg.check_segmenter(hybridseg.create(f"torch-unet[{QUICK}]"))
    assert "onnx_export" in report.passed
