"""A DICOM SEG of ours, opened by what the viewer OHIF opens it with."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("highdicom")

from _runtimes import missing
from dicom_files import dataset, to_bytes

from hybridseg.images.dicom_seg import write_segmentation

OHIF = Path(__file__).resolve().parents[1] / "ohif"


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    modules = Path(os.environ.get("HYBRIDSEG_OHIF_MODULES", OHIF / "node_modules"))
    if shutil.which("node") is None or not (modules / "@cornerstonejs" / "adapters").is_dir():
        missing(f"no node, or no cornerstonejs in {modules}: npm ci in tests/ohif, or set HYBRIDSEG_OHIF_MODULES")
    folder = tmp_path_factory.mktemp("ohif")
    shutil.copy(OHIF / "open.mjs", folder)
    (folder / "node_modules").symlink_to(modules, target_is_directory=True)
    return folder / "open.mjs"


@pytest.mark.parametrize("frames", [1, 3])
def test_ohif_shows_the_mask_where_it_is(frames: int, loader: Path, tmp_path: Path) -> None:
    masks = np.random.default_rng(frames).random((frames, 32, 44)) < 0.3
    masks[-1, :, 20:] = False  # an even number of packed bytes: the loader refuses the byte that DICOM adds to others
    pixels = np.full((frames, 32, 44), 90, np.uint8)
    source = to_bytes(dataset(pixels[0] if frames == 1 else pixels, frames=None if frames == 1 else frames))
    (tmp_path / "image.dcm").write_bytes(source)
    write_segmentation(tmp_path / "seg.dcm", source, list(masks), method="m", version="0", keep_patient=False)
    done = subprocess.run(
        ["node", loader, tmp_path / "image.dcm", tmp_path / "seg.dcm"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = [np.frombuffer(base64.b64decode(frame), np.uint8) for frame in json.loads(done.stdout.splitlines()[-1])]
    np.testing.assert_array_equal(np.stack(shown).reshape(masks.shape), masks)
