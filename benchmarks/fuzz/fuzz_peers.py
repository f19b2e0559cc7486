"""The same damaged files to two readers: images to hybridseg and OpenCV, ONNX files to our screen and onnx.checker.

python benchmarks/fuzz/fuzz_peers.py --count 2000 -o benchmarks/results/fuzz_peers.md
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import CORPUS
from fuzz_grammar import mutate_inside
from fuzz_mutations import mutate

IMAGES = ("png", "jpeg", "tiff", "bmp", "webp")
ENDS = ("alike", "differing", "ours alone", "the other alone", "neither")
MOST_LEVELS = 2
"""Grey levels by which two decoders of one JPEG or lossy WebP may differ, of 255."""


def damaged(name: str, count: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of files of the corpus, each damaged: always the same for one ``seed``."""
    contents = [path.read_bytes() for path in sorted((CORPUS / name).glob("*.*"))]
    for number in range(count):
        rng = random.Random(f"{seed} {name} {number}")
        how = mutate if rng.random() < 0.5 else mutate_inside
        yield number, how(rng.choice(contents), contents, rng)


def compare_image(data: bytes) -> tuple[str, str]:
    """Return how a file ends, one of `ENDS`, and in words what differs or what we say."""
    from hybridseg.images import ImageError
    from hybridseg.images.reading import decode

    other = read_with_opencv(data)
    try:
        ours = decode(data, "file")
    except ImageError as error:
        return ("neither" if other is None else "the other alone"), str(error).removeprefix("file: ")
    if other is None:
        return "ours alone", f"{ours.file_format} {ours.mode}"
    found = ours.array
    if ours.turned:  # OpenCV leaves it as it is stored
        return ("alike", "") if sorted(found.shape[:2]) == sorted(other.shape[:2]) else ("differing", "size")
    if other.dtype == np.uint16 and found.dtype == np.uint8:
        other = (other >> 8).astype(np.uint8)
    if other.ndim == 2 < found.ndim:  # a palette of greys
        other = np.repeat(other[..., None], 3, axis=2)
    elif found.ndim == 2 < other.ndim:
        other = other[..., 0]
    if found.shape != other.shape:
        return "differing", f"{found.shape} and {other.shape}"
    if np.array_equal(found, other, equal_nan=found.dtype.kind == "f"):
        return "alike", ""
    most = np.abs(found.astype(float) - other).max()
    is_near = most <= MOST_LEVELS and ours.file_format in ("JPEG", "lossy WebP")
    return ("alike", "") if is_near else ("differing", f"by up to {most:g} ({ours.mode})")


def read_with_opencv(data: bytes) -> Any:
    """Return (H, W) or (H, W, 3), red first, without alpha; None if OpenCV doesn't read it."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if picture is None or picture.ndim == 2:
        return picture
    return picture[..., 0] if picture.shape[2] < 3 else picture[..., 2::-1]


def compare_screen(data: bytes, folder: Path) -> tuple[str, str]:
    """Return how an ONNX file ends, one of `ENDS` without the second, and what the one that refuses it says."""
    import onnx

    from hybridseg import ModelFormatError
    from hybridseg.onnx.screening import screen

    path = folder / "file.onnx"
    path.write_bytes(data)
    try:
        onnx.checker.check_model(str(path))
        problem = ""
    except Exception as error:  # the checker's, protobuf's, and what Python makes of texts
        problem = " ".join(str(error).split())[:150]
    try:
        screen(path)
    except ModelFormatError as error:
        return ("neither" if problem else "the other alone"), str(error).removeprefix(f"{path}: ")
    return ("ours alone" if problem else "alike"), problem


def compare_all(count: int, seed: int, name: str, folder: Path) -> tuple[Counter[str], list[tuple[int, str, str]]]:
    """Return how often each end came, and every file that ended otherwise than alike or with neither."""
    ends: Counter[str] = Counter()
    others = []
    for number, data in damaged(name, count, seed):
        end, why = compare_screen(data, folder) if name == "onnx" else compare_image(data)
        ends[end] += 1
        if end not in ("alike", "neither"):
            others.append((number, end, why))
    return ends, others


def main() -> None:
    """Compare, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=2000, help="images in all, and as many ONNX files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-v", "--verbose", action="store_true", help="say how each file ended otherwise")
    parser.add_argument("-o", "--output", type=Path, help="write a page of results")
    asked = parser.parse_args()
    lines = ["| format | files | " + " | ".join(ENDS) + " |", "|---|" + "---:|" * (1 + len(ENDS))]
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        (folder / "beside").mkdir()
        (folder / "beside" / "w.bin").write_bytes((CORPUS / "onnx" / "beside" / "w.bin").read_bytes())
        for name in (*IMAGES, "onnx"):
            count = asked.count if name == "onnx" else asked.count // len(IMAGES)
            ends, others = compare_all(count, asked.seed, name, folder)
            lines.append(f"| {name} | {count} | " + " | ".join(str(ends[end]) for end in ENDS) + " |")
            for number, end, why in others if asked.verbose else ():
                print(f"{name} {number}: {end}: {why}", file=sys.stderr)
    print("\n".join(lines))
    if asked.output:
        asked.output.write_text(_page(lines, asked), "utf-8")


def _page(lines: list[str], asked: argparse.Namespace) -> str:
    return "\n".join([
        "# Damaged files to two readers", "",
        f"`python benchmarks/fuzz/fuzz_peers.py --count {asked.count} --seed {asked.seed}`: files of `tests/corpus`, "
        "each damaged in one to eight places. The other reader is OpenCV for images, and `onnx.checker` for ONNX.", "",
        *lines, "",
        f"*Alike*: the same pixels, or at most {MOST_LEVELS} grey levels apart in lossy formats. Both take the model. "
        "*Ours alone* and *the other alone*: one reader takes a file which the other refuses. `-v` says of each.",
        "",
        "- *Differing* would be one file shown as two pictures. OpenCV doesn't invert 16-bit TIFFs whose 0 is white.",
        "- *Ours alone*, images: the pixels are whole, but something else is wrong, such as a BMP's number of colours.",
        "- *The other alone*, images: OpenCV shows what is there of a cut picture, and the first page of several.",
        "- *Ours alone*, ONNX: the screen checks what a file may do. Whether it computes is for onnxruntime to say.",
        "- *The other alone*, ONNX: parts given twice, texts that aren't UTF-8, fields that no ONNX file has.", "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
