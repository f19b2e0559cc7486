"""Files that unpack, or run, without end are refused before they are read."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from _hostile import files, hybridseg, write_scan

from hybridseg import modelfile, registry
from hybridseg.data import DataError, load_dataset, read_split
from hybridseg.data import manifest as manifests
from hybridseg.modelfile import read_model_file
from hybridseg.validation import ModelFormatError


def test_text_bombs_are_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset("phantoms[n=2]")
    (here / "splits_final.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="is not JSON"):
        read_split(here, dataset)
    with (here / "large.csv").open("wb") as stream:
        stream.truncate(manifests.MAX_TEXT_BYTES + 1)
    with pytest.raises(DataError, match="is larger than 32000000 bytes"):
        load_dataset(here / "large.csv")
    monkeypatch.setattr(manifests, "MAX_ROWS", 3)
    (here / "rows.csv").write_text("image,mask\n" + "a.png,\n" * 4)
    with pytest.raises(DataError, match="has more than 3 rows"):
        load_dataset(here / "rows.csv")


@pytest.mark.parametrize("member", ["model.json", "weights_.npy"])
def test_model_bombs_are_refused(here: Path, member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelfile, "MAX_HEADER_BYTES", 2**22)
    monkeypatch.setattr(modelfile, "MAX_MODEL_BYTES", 2**23)
    with zipfile.ZipFile(here / "m.hybridseg", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, bytes(2**20 * (5 if member == "model.json" else 9)))
    assert (here / "m.hybridseg").stat().st_size < 10**6
    with pytest.raises(ModelFormatError, match="more than"):
        read_model_file(here / "m.hybridseg")


def test_what_could_not_be_read_again_is_not_written(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelfile, "MAX_MODEL_BYTES", 4000)
    with pytest.raises(ValueError, match=r"what the method has learned takes 8\d+ bytes"):
        modelfile.write_model_file("m.hybridseg", "m:C", {}, {"weights_": np.zeros(1000)})
    assert not Path("m.hybridseg").exists()
    modelfile.write_model_file("m.hybridseg", "m:C", {}, {"weights_": np.zeros(400)})
    assert read_model_file("m.hybridseg")[1]["weights_"].shape == (400,)


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("bomb", ["model.json", "weights_.npy"])
def test_a_member_that_lies_about_its_size_is_not_unpacked(here: Path, bomb: str, kind: int) -> None:
    header = {"format": "hybridseg-model", "format_version": 1, "class": "m:C", "params": {}, "state": {}}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        archive.writestr(bomb, bytes(2**24))
        if bomb != "model.json":
            archive.writestr("model.json", json.dumps(header), zipfile.ZIP_DEFLATED)
    data = bytearray(stream.getvalue())
    stated = (200).to_bytes(4, "little")
    entry = data.index(b"PK\1\2")
    data[22:26] = data[entry + 24 : entry + 28] = stated
    Path("m.hybridseg").write_bytes(data)
    assert zipfile.ZipFile("m.hybridseg").getinfo(bomb).file_size == 200
    tracemalloc.start()
    try:
        with pytest.raises(ModelFormatError, match=r"compressed in a way|Bad CRC"):
            read_model_file("m.hybridseg")
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_member_shorter_than_stated_is_refused(here: Path) -> None:
    with zipfile.ZipFile("m.hybridseg", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.json", "{}")
    data = bytearray(Path("m.hybridseg").read_bytes())
    entry = data.index(b"PK\1\2")
    data[22] = data[entry + 24] = 3
    Path("m.hybridseg").write_bytes(data)
    with pytest.raises(ModelFormatError, match="doesn't have the 3 bytes that are stated"):
        read_model_file("m.hybridseg")


@pytest.mark.parametrize("kind", ["<f4", "|V0", "<U0"])
@pytest.mark.parametrize("shape", ["(0, 10**20)", "(10**20,)", "(0, -(10**20))", "(-1,)", "(0, 2**62, 2**62)"])
def test_a_shape_that_no_array_can_have_is_refused(here: Path, kind: str, shape: str) -> None:
    header = {"format": "hybridseg-model", "format_version": 1, "class": "m:C", "params": {}, "state": {}}
    array = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {eval(shape)}, }}".encode().ljust(117) + b"\n"
    with zipfile.ZipFile("m.hybridseg", "w") as archive:
        archive.writestr("model.json", json.dumps(header))
        archive.writestr("a_.npy", b"\x93NUMPY\x01\x00" + len(array).to_bytes(2, "little") + array)
    with pytest.raises(ModelFormatError, match="not a saved hybridseg model"):
        read_model_file("m.hybridseg")


def test_a_forest_in_circles_is_refused(here: Path) -> None:
    corpus = Path(__file__).parents[1] / "corpus" / "model" / "forest.hybridseg"
    with zipfile.ZipFile(corpus) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    left = np.load(io.BytesIO(members["tree_left_.npy"]))
    for node, child in ((1, 0), (0, len(left)), (0, -1)):  # back to the root: a path without end; and outside
        changed = left.copy()
        changed[node] = child
        stream = io.BytesIO()
        np.save(stream, changed)
        with zipfile.ZipFile(here / "m.hybridseg", "w") as archive:
            for name, content in {**members, "tree_left_.npy": stream.getvalue()}.items():
                archive.writestr(name, content)
        with pytest.raises(ModelFormatError, match="`tree_left_` points outside the forest"):
            registry.load(here / "m.hybridseg")


def test_png_text_bomb(here: Path) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    write_scan(here / "a.png")
    data = (here / "a.png").read_bytes()
    bomb = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(2**26)))
    (here / "a.png").write_bytes(data[:33] + bomb + data[33:])
    result = hybridseg("segment", "-m", "mine.py:Dark", "a.png")
    assert result.exit_code == 1 and "can't be decoded" in result.stderr
    assert files(here) == {"a.png", "mine.py"}
