"""What holds for every exported file: batches, threads, operators, and what running one imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spox")

from _runtimes import NAMES, exported, pictures
from PIL import Image

from hybridseg import OnnxSegmenter
from hybridseg.onnx import describe

SEGMENT = """
from hybridseg.cli import main
try:
    main(["segment", "scan.png", "-m", sys.argv[1], "--overlay"])
except SystemExit as end:
    assert not end.code, end.code
"""
TELL = """
places = {name.partition(".")[0]: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
print("LOADED", *sorted(name for name, place in places.items() if "site-packages" in (place or "")))
"""


def loaded(code: str, folder: Path) -> set[str]:
    """The installed packages that a program has imported when it ends."""
    command = [sys.executable, "-c", f"import sys\n{code}\n{TELL}", exported("otsu")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stdout.split("LOADED")[1].split())


@pytest.mark.parametrize("name", NAMES)
def test_batches_of_one_to_eight_equal_single_images(name: str) -> None:
    model = OnnxSegmenter.load(exported(name))
    image = pictures()[1][::2, ::2]
    batch = np.stack([np.roll(image, 25 * turn, axis=turn % 2) for turn in range(8)])[..., np.newaxis]
    alone = [model.run_batch(batch[turn : turn + 1]) for turn in range(8)]
    assert sum(int(mask.sum()) for mask, _ in alone) > 0
    for count in range(1, 9):
        masks, probabilities = model.run_batch(batch[:count])
        np.testing.assert_array_equal(masks, np.concatenate([mask for mask, _ in alone[:count]]))
        np.testing.assert_array_equal(probabilities, np.concatenate([p for _, p in alone[:count]]))


@pytest.mark.parametrize("name", NAMES)
def test_two_threads_decide_as_one(name: str) -> None:
    one, two = (OnnxSegmenter(path=exported(name), threads=threads) for threads in (1, 2))
    for picture in pictures():
        np.testing.assert_array_equal(one.predict(picture), two.predict(picture))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_runs_anywhere(name: str) -> None:
    found = describe(exported(name))
    assert found.opsets["ai.onnx"] == 18
    assert set(found.opsets) <= {"ai.onnx", "ai.onnx.ml"}
    assert found.inputs == {"image": "uint8 [N, H, W, 1]"}
    sure = {"confidence": "float32 [N]"} if OnnxSegmenter.load(exported(name)).calibration is not None else {}
    assert found.outputs == {"mask": "uint8 [N, H, W, 1]", "probability": "float32 [N, H, W, 1]", **sure}


def test_segmenting_imports_numpy_pillow_and_onnxruntime_only(tmp_path: Path) -> None:
    Image.fromarray(pictures()[0]).save(tmp_path / "scan.png")
    found = loaded(SEGMENT, tmp_path)
    assert found - loaded("import numpy, PIL.Image, onnxruntime, click", tmp_path) <= {"hybridseg"}
    assert {"numpy", "PIL", "onnxruntime", "click"} <= found
    assert (tmp_path / "scan_mask.png").exists()
