"""What the tests of the page share: its sources with their packages, a browser to drive, files of all kinds."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from _browser import find_browser
from _runtimes import missing
from dicom_files import dataset, packed, region, to_bytes
from PIL import Image

from hybridseg.data.phantoms import phantom

WEB = Path(__file__).resolve().parents[1] / "hybridseg" / "page" / "web"


def web(folder: Path) -> Path:
    """Copy the page's sources into a folder, its packages linked beside them; return the copy."""
    modules = Path(os.environ.get("HYBRIDSEG_PAGE_MODULES", WEB / "node_modules"))
    if not (modules / "esbuild").is_dir() or not shutil.which("node"):
        missing(f"no node, or no esbuild in {modules}: npm ci in {WEB}, or set HYBRIDSEG_PAGE_MODULES")
    copy = folder / "web"
    shutil.copytree(WEB, copy, ignore=shutil.ignore_patterns("node_modules"))
    (copy / "node_modules").symlink_to(modules, target_is_directory=True)
    return copy


def node(folder: Path, *arguments: object) -> str:
    """Run Node in a folder; return what it prints, or fail with what it complains of."""
    command = ["node", *map(str, arguments)]
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def drive(folder: Path, page: Path, steps: list[dict[str, Any]]) -> list[Any]:
    """Do steps in a browser on a page opened as a file; what is saved lands in ``folder / "saved"``."""
    browser = find_browser()
    sources = web(folder)
    saved = folder / "saved"
    saved.mkdir()
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"chromium": browser, "downloads": str(saved), "steps": steps}))
    found: list[Any] = json.loads(node(sources, "test/drive.mjs", page, plan))
    return found


def write_pictures(folder: Path) -> dict[str, int]:
    """Write pictures of odd sizes and many kinds; return the frames of each file."""
    grey, _, _ = phantom(7, kind="benign", shape=(353, 431))
    small, _, _ = phantom(2, kind="benign", shape=(241, 199))
    flat, _, _ = phantom(5, kind="normal", shape=(97, 310))
    colour = np.repeat(grey[..., None], 3, axis=2)
    colour[10:30, 20:60] = 255, 200, 0
    alpha = np.dstack([colour, np.full_like(grey, 255)])
    _save(folder, {
        "grey.png": (grey, {}), "flat.png": (flat, {}), "colour.png": (colour, {}), "alpha.png": (alpha, {}),
        "tiny.png": (small[:23, :31], {}), "deep.png": (grey.astype(np.uint16) * 257, {}),
        "grey.jpg": (small, {"quality": 90}), "colour.jpg": (colour, {"quality": 85}),
        "grey.bmp": (small, {}), "colour.bmp": (colour, {}),
        "lzw.tif": (grey, {"compression": "tiff_lzw"}), "jpeg.tif": (small, {"compression": "jpeg"}),
        "lossless.webp": (grey, {"lossless": True}),
        "deep.tif": (small.astype(np.uint16) * 257, {"compression": "tiff_adobe_deflate"}),
    })  # fmt: skip
    Image.fromarray(colour).quantize(64).save(folder / "palette.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(grey).save(folder / "turned.jpg", quality=92, progressive=True, exif=turned)
    pages = [Image.fromarray(grey), Image.fromarray(small)]
    pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:], compression="tiff_deflate")
    _write_dicom(folder, grey, small, colour)
    frames = dict.fromkeys((path.name for path in sorted(folder.iterdir())), 1)
    return {**frames, "pages.tif": 2, "frames.dcm": 2}


def _save(folder: Path, files: dict[str, tuple[np.ndarray, dict[str, Any]]]) -> None:
    for name, (array, options) in files.items():
        Image.fromarray(array).save(folder / name, **options)


def _write_dicom(folder: Path, grey: np.ndarray, small: np.ndarray, colour: np.ndarray) -> None:
    from pydicom.uid import JPEGBaseline8Bit, RLELossless

    deep = dataset(4095 - grey.astype(np.uint16) * 16, "MONOCHROME1", stored=12, WindowCenter=2048, WindowWidth=4096)
    jpeg = io.BytesIO()
    Image.fromarray(small).save(jpeg, "JPEG", quality=90)
    frames = dataset(np.stack([grey, grey[::-1]]), frames=2, PixelSpacing=[0.1, 0.1])
    frames.compress(RLELossless)
    files = {
        "plain.dcm": dataset(grey, SequenceOfUltrasoundRegions=[region(0.008, 0.012)]),
        "window.dcm": deep,
        "frames.dcm": frames,
        "jpeg.dcm": packed(dataset(small), JPEGBaseline8Bit, [jpeg.getvalue()]),
        "colour.dcm": dataset(colour, "RGB"),
    }
    for name, made in files.items():
        (folder / name).write_bytes(to_bytes(made))
