"""What fuzz.py reads mutated files with, and what each reader may raise.

Each takes the folder that holds the mutated file and its name, and writes below ``out`` only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read_any_image(folder: Path, name: str, *, as_mask: bool) -> None:
    """Read facts, the first frames and, if asked for, masks; write what came of it."""
    import numpy as np

    from hybridseg.images import MAX_PIXELS, read_facts, read_image, read_mask, read_size, write_image, write_mask

    facts = read_facts(folder / name)
    for frame in range(min(facts.frames, 3)):
        chosen = frame if facts.frames > 1 else None
        if as_mask:
            mask = read_mask(folder / name, chosen)
            assert mask.dtype == np.bool_ and mask.ndim == 2
            if mask.size < 10_000:
                write_mask(folder / "out" / "mask.png", mask)
        else:
            image = read_image(folder / name, chosen)
            assert image.dtype == np.uint8 and image.ndim == 2 and 0 < image.size <= MAX_PIXELS
            assert chosen is not None or read_size(folder / name) == image.shape
            assert image.size > 10_000 or np.array_equal(read_image(folder / name, chosen), image)
            if image.size < 10_000:
                write_image(folder / "out" / "image.png", image)


def read_a_manifest(folder: Path, name: str) -> None:
    from hybridseg.data import load_dataset, write_split
    from hybridseg.data.splits import grouped_folds

    dataset = load_dataset(folder / name)
    for case in dataset[:2]:
        case.read()
        case.content_hash()
    write_split(grouped_folds(dataset, 2), folder / "out" / "split.csv")


def read_a_split(folder: Path, name: str) -> None:
    from hybridseg.data import check_split, load_dataset, read_split

    dataset = load_dataset("phantoms[n=4]")
    try:
        read_split(folder / name, dataset)
    except ValueError as error:
        check_message(error)
    check_split(read_split(folder / name, dataset, skip_unknown=True), dataset)


def read_a_run(folder: Path, name: str) -> None:
    from hybridseg.bench.tables.run import render
    from hybridseg.bench.verdicts.summary import summarize

    summary = summarize(folder)
    for form in ("text", "md", "csv", "json"):
        render(summary, form)


def read_a_suite(folder: Path, name: str) -> None:
    from hybridseg.cli._suite import read_suite
    from hybridseg.cli.bench import bench

    read_suite(str(folder / name), bench)


def read_a_model(folder: Path, name: str) -> None:
    import numpy as np

    import hybridseg
    from hybridseg.segmenter import NotFittedError

    model = hybridseg.load(folder / name)
    image = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    try:
        mask = model.predict(image)
    except NotFittedError:
        return
    assert mask.dtype == np.bool_ and mask.shape == image.shape
    model.save(folder / "out" / "again.hybridseg")


def read_an_onnx_file(folder: Path, name: str) -> None:
    """Describe, open and run it; what the screen took from its bytes must be what onnx parses."""
    import numpy as np

    from hybridseg import OnnxSegmenter
    from hybridseg.onnx import describe
    from hybridseg.onnx.screening import screen

    described = describe(folder / name)
    declared = screen(folder / name)[1]
    assert set(described.inputs) == set(declared.inputs), f"{described.inputs} are not {declared.inputs}"
    assert set(described.outputs) == set(declared.outputs), f"{described.outputs} are not {declared.outputs}"
    model = OnnxSegmenter.load(folder / name)
    assert described.metadata == model.metadata
    assert model.fingerprints is None and 0 <= model.current_operating_point.threshold <= 1
    image = np.random.default_rng(0).integers(0, 256, (17, 23), dtype=np.uint8)
    assert model.predict(image).shape == image.shape


def read_a_description(folder: Path, name: str) -> None:
    from hybridseg.onnx.foreign import adopt, read_description
    from hybridseg.onnx.runtime import open_session, parse_screened

    foreign, point = read_description(folder / name)
    if foreign.size is None or max(foreign.size) < 1000:
        open_session(adopt(parse_screened(folder / "beside" / "net.onnx"), foreign, point).SerializeToString())


def read_a_card(folder: Path, name: str) -> None:
    import hybridseg
    from hybridseg.zoo.cards import origin

    known = origin(str((folder / name).with_suffix(".hybridseg")), hybridseg.create("otsu"))
    assert all(isinstance(text, str) for text in known.values())


def documented(name: str) -> tuple[type[BaseException], ...]:
    """Return what a format's readers may raise."""
    from hybridseg.bench.records.cells import RunError
    from hybridseg.data import DataError
    from hybridseg.images import ImageError
    from hybridseg.registry import MethodLoadError
    from hybridseg.validation import ModelFormatError

    return {
        "manifest": (DataError, ImageError),
        "split": (DataError,),
        "run": (RunError,),
        "suite": (ValueError,),
        "model": (ModelFormatError, MethodLoadError, RuntimeError),  # the last: of a network that can't be run
        "onnx": (ModelFormatError, RuntimeError),
        "description": (ModelFormatError, ValueError),
        "card": (ModelFormatError,),
    }.get(name, (ImageError,))


IMAGES = ("png", "jpeg", "tiff", "bmp", "webp", "dicom", "nifti")
TARGETS: dict[str, Any] = {
    **{name: lambda folder, file: read_any_image(folder, file, as_mask=False) for name in IMAGES},
    "mask": lambda folder, file: read_any_image(folder, file, as_mask=True),
    "manifest": read_a_manifest,
    "split": read_a_split,
    "run": read_a_run,
    "suite": read_a_suite,
    "model": read_a_model,
    "onnx": read_an_onnx_file,
    "description": read_a_description,
    "card": read_a_card,
}


def check_message(error: BaseException) -> None:
    """Fail unless an error is one printable line of bearable length."""
    text = str(error)
    assert text.isprintable() and 0 < len(text) < 6000, f"not one line: {text[:300]!r}"
