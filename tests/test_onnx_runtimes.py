"""Exported files in a runtime without Python: onnxruntime-web's WebAssembly, in Node."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spox")

from hybridseg_baselines.otsu import OtsuSegmenter
from hybridseg_baselines.watershed import WatershedSegmenter
from PIL import Image

from hybridseg import Segmenter
from hybridseg.data.phantoms import phantom

RUNTIMES = Path(__file__).resolve().parents[1] / "benchmarks" / "runtimes"


@pytest.fixture
def node_folder(tmp_path: Path) -> Path:
    """A folder with segment.mjs beside its packages; skips, with the reason, where Node or they are missing."""
    modules = Path(os.environ.get("HYBRIDSEG_NODE_MODULES", RUNTIMES / "node_modules"))
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    if not (modules / "onnxruntime-web").is_dir():
        pytest.skip(f"no onnxruntime-web in {modules}: npm install it, or set HYBRIDSEG_NODE_MODULES")
    (tmp_path / "node_modules").symlink_to(modules, target_is_directory=True)
    shutil.copy(RUNTIMES / "segment.mjs", tmp_path)
    return tmp_path


@pytest.mark.parametrize("segmenter", [OtsuSegmenter(), WatershedSegmenter()], ids=repr)
def test_node_prints_the_same_checksum(segmenter: Segmenter, node_folder: Path) -> None:
    model, scan, mask = (str(node_folder / name) for name in ("model.onnx", "scan.pgm", "mask.pgm"))
    segmenter.to_onnx(model)
    image, _, _ = phantom(3, shape=(353, 431))
    Image.fromarray(image).save(scan)
    node = subprocess.run(
        ["node", "segment.mjs", model, scan, mask], cwd=node_folder, capture_output=True, text=True, check=True
    )
    python = subprocess.run(
        [sys.executable, str(RUNTIMES / "checksum.py"), model, scan], capture_output=True, text=True, check=True
    )
    assert node.stdout == python.stdout
    assert node.stdout.startswith("431x353 lesion pixels ")
    np.testing.assert_array_equal(np.asarray(Image.open(mask)) > 0, segmenter.predict(image))
