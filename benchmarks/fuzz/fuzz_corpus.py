"""Makes ``tests/corpus``: tiny synthetic files of every format that hybridseg reads."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

SIDE = (12, 16)


def make_corpus(root: Path) -> None:
    """Write the corpus anew."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, SIDE).astype(np.uint8)
    for folder in root.glob("*/"):
        shutil.rmtree(folder)
    _images(root, grey, rng)
    _dicom(root / "dicom", grey)
    _nifti(root / "nifti", grey)
    _masks(root / "mask", grey)
    _manifests(root / "manifest", grey)
    _splits(root / "split")
    _run(root / "run")
    _write(root / "suite" / "a.toml", SUITE.encode())
    _models(root / "model")
    _networks(root)
    _write(root / "card" / "otsu.json", json.dumps(CARD, indent=1).encode())
    _write(root / "card" / "otsu.hybridseg", b"")


CARD = {
    "data": {"name": "BUSI", "images": 3, "content_sha256": "ab", "contents_alone_sha256": "cd"},
    "split": {"name": "none", "sha256": "ef"}, "license": "Apache-2.0", "scores": {"f1": 0.5},
}  # fmt: skip

DESCRIPTION = """\
layout = "nchw"
output = "softmax"
channel = 1
size = [8, 8]
mean = [0.1, 0.2, 0.3]
std = [1, 0.5, 2.0]
scale = "0-1"
flip = true

[operating_point]
threshold = 0.4
"""

SUITE = """\
# every kind of value
method = ["otsu", "watershed[rounds=9]"]
data = "phantoms[n=6,seed=1]"
folds = 2
seed = 3
jobs = 1
no-cost = true
format = "md"
"""


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _encode(array: Any, file_format: str, **options: Any) -> bytes:
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    stream = io.BytesIO()
    picture.save(stream, format=file_format, **options)
    return stream.getvalue()


def _images(root: Path, grey: np.ndarray, rng: np.random.Generator) -> None:
    colour = rng.integers(0, 256, (*SIDE, 3)).astype(np.uint8)
    deep = grey.astype(np.uint16) * 257
    palette = Image.fromarray(grey).convert("P")
    exif = Image.Exif()
    exif[0x0112] = 6
    pages = [Image.fromarray(255 - grey), Image.fromarray(deep)]
    for name, array, options in (
        ("png/grey.png", grey, {}), ("png/colour.png", colour, {}), ("png/deep.png", deep, {}),
        ("png/bit.png", grey > 127, {}), ("png/palette.png", palette, {"transparency": b"\0\7"}),
        ("png/turned.png", grey, {"exif": exif}),
        ("jpeg/grey.jpg", grey, {}), ("jpeg/colour.jpg", colour, {"exif": exif}),
        ("jpeg/progressive.jpg", colour, {"progressive": True}),
        ("bmp/grey.bmp", grey, {}), ("bmp/colour.bmp", colour, {}), ("bmp/bit.bmp", grey > 127, {}),
        ("tiff/grey.tif", grey, {}), ("tiff/deep.tif", deep, {}), ("tiff/float.tif", grey / np.float32(255), {}),
        ("tiff/lzw.tif", colour, {"compression": "tiff_lzw"}),
        ("tiff/deflate.tif", deep, {"compression": "tiff_deflate"}),
        ("tiff/jpeg.tif", grey, {"compression": "jpeg"}), ("tiff/fax.tif", grey > 127, {"compression": "group4"}),
        ("webp/grey.webp", grey, {"lossless": True}), ("webp/colour.webp", colour, {"exif": exif}),
        ("webp/alpha.webp", np.dstack([colour, grey]), {"lossless": True}),
        ("tiff/pages.tif", grey, {"save_all": True, "append_images": pages}),
    ):  # fmt: skip
        kind = {"png": "PNG", "jpeg": "JPEG", "bmp": "BMP", "tiff": "TIFF", "webp": "WebP"}[name.split("/")[0]]
        _write(root / name, _encode(array, kind, **options))


def _dicom(root: Path, grey: np.ndarray) -> None:
    from dicom_files import dataset, packed, region, to_bytes
    from pydicom import uid

    colour = np.repeat(grey[..., None], 3, axis=2)
    deep = dataset(grey.astype(np.uint16) * 16, stored=12, WindowCenter=[2048, 1], WindowWidth=[4096, 9],
                   RescaleSlope=1, RescaleIntercept=0, PixelSpacing=[0.1, 0.2])  # fmt: skip
    frames = dataset(np.stack([grey, 255 - grey]), "MONOCHROME1", frames=2)
    rle = dataset(colour, "RGB", SequenceOfUltrasoundRegions=[region(0.01, 0.01), region(0.01, 0.01)])
    rle.compress(uid.RLELossless)
    jpeg = packed(dataset(grey), uid.JPEGBaseline8Bit, [_encode(grey, "JPEG")])
    jpeg2000 = packed(dataset(grey), uid.JPEG2000Lossless, [_encode(grey, "JPEG2000", no_jp2=True)])
    for name, made in (
        ("grey", dataset(grey, BurnedInAnnotation="YES")),
        ("deep", deep),
        ("frames", frames),
        ("ybr", dataset(colour, "YBR_FULL")),
        ("rle", rle),
        ("jpeg", jpeg),
        ("jpeg2000", jpeg2000),
    ):
        _write(root / f"{name}.dcm", to_bytes(made))


def _nifti(root: Path, grey: np.ndarray) -> None:
    import gzip

    import nibabel

    for name, kind, values in (
        ("grey", nibabel.Nifti1Image, grey), ("deep", nibabel.Nifti2Image, grey.astype(np.int16) * 100),
        ("float", nibabel.Nifti1Image, (grey / 255).astype(np.float32)),
    ):  # fmt: skip
        picture = kind(values.T[..., None], np.diag([0.1, 0.2, 1, 1]))
        picture.header.set_xyzt_units("mm")
        _write(root / f"{name}.nii", picture.to_bytes())
        _write(root / f"{name}.nii.gz", gzip.compress(picture.to_bytes(), mtime=0))


def _masks(root: Path, grey: np.ndarray) -> None:
    from dicom_files import dataset, to_bytes

    mask = grey > 127
    _write(root / "white.png", _encode(np.where(mask, np.uint8(255), np.uint8(0)), "PNG"))
    _write(root / "labels.png", _encode(mask.astype(np.uint8) * 3, "PNG"))
    _write(root / "bit.png", _encode(mask, "PNG"))
    _write(root / "deep.tif", _encode(mask.astype(np.uint16), "TIFF"))
    _write(root / "white.bmp", _encode(np.where(mask, np.uint8(255), np.uint8(0)), "BMP"))
    bits = np.packbits(mask.ravel(), bitorder="little").tobytes()
    one = dataset(mask.astype(np.uint8), BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=bits)
    _write(root / "bit.dcm", to_bytes(one))


def _manifests(root: Path, grey: np.ndarray) -> None:
    for name in ("a", "b", "c"):
        _write(root / "images" / f"{name}.png", _encode(grey, "PNG"))
        _write(root / "masks" / f"{name}.png", _encode(grey > 127, "PNG"))
    _write(root / "plain.csv", b"image,mask\nimages/a.png,masks/a.png\nimages/b.png,\nimages/c.png,masks/c.png\n")
    _write(root / "full.csv", (
        "\ufeffcase_id,group,label,image,mask\r\n"
        '"one, ""a""",g1,benign,images/a.png,masks/a.png;masks/b.png\r\nzwei ü,g2,normal,images/b.png,\r\n'
    ).encode())  # fmt: skip


def _splits(root: Path) -> None:
    from hybridseg.data import load_dataset

    ids = [case.case_id for case in load_dataset("phantoms[n=4]")]
    rows = [f"{case_id},g{i},x,{i % 2}" for i, case_id in enumerate(ids)]
    _write(root / "split.csv", "\n".join(["case_id,group,label,fold", *rows, ""]).encode())
    folds = [{"train": ids[:2], "val": ids[2:]}, {"train": ids[2:], "val": ids[:2]}]
    _write(root / "splits_final.json", json.dumps(folds, indent=1).encode())
    for name, part in (("train", ids[:2]), ("val", ids[2:3]), ("test", ids[3:])):
        _write(root / "lists" / f"{name}.txt", "\n".join([f"images/{case_id}.png" for case_id in part]).encode())


def _run(root: Path) -> None:
    from hybridseg.bench.records.cells import FitRecord, Record, json_line

    methods = [{"spec": spec, "class": "m:M", "params": {"n": 1}, "as_given": False, "key": key}
               for spec, key in (("otsu", "k1"), ("forest[n_trees=9]", "k2"))]  # fmt: skip
    cells = [{"method": method["spec"], "fold": fold, "file": f"{method['key']}-fold{fold}", "cases": 2}
             for method in methods for fold in (0, 1)]  # fmt: skip
    _write(root / "run.json", json.dumps({
        "format_version": 1, "plan": {"hybridseg": "0", "data": "d", "split": "s", "seed": 0, "folds": [0, 1]},
        "dataset": "phantoms", "cases": 4, "groups_from": "g", "split": "dealt", "n_folds": 2, "empty_masks": "e",
        "nsd_tolerance_px": 3.0, "methods": methods, "cells": cells,
        "sessions": [{"command": ["hybridseg", "bench"], "cpu": "c", "start": "", "end": ""}],
    }, indent=1).encode())  # fmt: skip
    for number, cell in enumerate(cells):
        row = Record(cell["method"], cell["fold"], f"a{cell['fold']}", "g1", "x", 10, 10, 10 + number, 5, 5,
                     80 - number, predict_ms=3.25, metrics={"hd95_px": 2.0, "nsd": 0.5})  # fmt: skip
        free = Record(cell["method"], cell["fold"], f"b{cell['fold']}", "g2", "", 10, 10, 0, number, 0, 100 - number,
                      predict_ms=None, error="ValueError: no")  # fmt: skip
        lines = [json_line(FitRecord(1.5, {"threshold": 0.5})), json_line(row), json_line(free)]
        _write(root / "cells" / f"{cell['file']}.jsonl", b"".join(lines))
    cost = {"warm_ms_median": 5.0, "warm_ms_p95": 7.0, "cold_ms": 300.0, "peak_mib": 90.5, "cores_used": 0.99,
            "saved_bytes": 500, "threads": 1, "images": 4, "error": "", "cpu": "c",
            "sweep": [{"threads": 1, "warm_ms_median": 5.0}]}  # fmt: skip
    _write(root / "costs" / "k1.json", json.dumps(cost).encode())


def _models(root: Path) -> None:
    import hybridseg

    cases = hybridseg.load_dataset("phantoms[n=6]")
    images, masks = zip(*(case.read() for case in cases), strict=True)
    root.mkdir(parents=True)
    for name, spec in (("otsu", "otsu[depth=2]"), ("watershed", "watershed[rounds=2]"),
                       ("forest", "random-forest[n_trees=2,max_depth=3]")):  # fmt: skip
        model = hybridseg.create(spec)
        if name != "watershed":
            model.fit(list(images), list(masks))
        model.save(root / f"{name}.hybridseg")
    shutil.copy(root.parents[1] / "saved" / "0.1.0" / "unet.hybridseg", root)  # making one takes TensorFlow


def _networks(root: Path) -> None:
    """Write ONNX files of hybridseg's signature, one with a loop, one with weights elsewhere; and one of another's."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    node, value = helper.make_node, helper.make_tensor_value_info

    def save(path: Path, nodes: list[Any], weights: list[Any], ends: list[tuple[str, int, list[Any]]]) -> None:
        first, *last = (value(*end) for end in ends)
        graph = helper.make_graph(nodes, "made", [first], last, weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        entries = {"method": "made", "operating_point": '{"threshold": 0.5}', "intended_use": "not for diagnosis"}
        helper.set_model_props(model, {f"hybridseg.{key}": text for key, text in entries.items()})
        _write(path, model.SerializeToString())

    sides = ["N", "H", "W", 1]
    ours = [("image", TensorProto.UINT8, sides), ("mask", TensorProto.UINT8, sides),
            ("probability", TensorProto.FLOAT, sides)]  # fmt: skip
    half, white = (numpy_helper.from_array(np.float32(number), name) for number, name in ((0.5, "h"), (255, "w")))
    begin = [node("Cast", ["image"], ["x"], to=TensorProto.FLOAT), node("Div", ["x", "w"], ["y"])]
    end = [node("Greater", ["probability", "h"], ["b"]), node("Cast", ["b"], ["mask"], to=TensorProto.UINT8)]
    plain = [*begin, node("Identity", ["y"], ["probability"]), *end]
    save(root / "onnx" / "plain.onnx", plain, [half, white], ours)

    body = helper.make_graph(
        [node("Identity", ["go"], ["go on"]), node("Mul", ["before", "before"], ["after"])], "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []),
         value("before", TensorProto.FLOAT, sides)],
        [value("go on", TensorProto.BOOL, []), value("after", TensorProto.FLOAT, sides)],
    )  # fmt: skip
    twice = numpy_helper.from_array(np.array(2), "two")
    loop = node("Loop", ["two", "", "y"], ["probability"], body=body)
    save(root / "onnx" / "loop.onnx", [*begin, loop, *end], [half, white, twice], ours)

    outside = numpy_helper.from_array(np.float32(255), "w")
    onnx.external_data_helper.set_external_data(outside, "beside/w.bin")
    outside.ClearField("raw_data")
    save(root / "onnx" / "outside.onnx", plain, [half, outside], ours)
    _write(root / "onnx" / "beside" / "w.bin", np.float32(255).tobytes())

    kernel = numpy_helper.from_array(np.random.default_rng(0).normal(size=(2, 3, 1, 1)).astype(np.float32), "k")
    ends = [("x", TensorProto.FLOAT, ["N", 3, 8, 8]), ("y", TensorProto.FLOAT, ["N", 2, 8, 8])]
    save(root / "description" / "beside" / "net.onnx", [node("Conv", ["x", "k"], ["y"])], [kernel], ends)
    _write(root / "description" / "net.toml", DESCRIPTION.encode())
