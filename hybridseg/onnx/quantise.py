"""Smaller weights, or 8-bit arithmetic; a file is kept only if it was measured to be worth it."""

from __future__ import annotations

import copy
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..files import check_writable, write_atomically
from ..segmenter import Segmenter
from .runtime import import_onnxruntime
from .screening import screen_inside
from .storing import store_smaller

Weights = Literal["fp16", "int8", "int8-stored", "int4-stored"]
KERNEL_BITS: dict[str, Literal[16, 8, 4]] = {"fp16": 16, "int8-stored": 8, "int4-stored": 4}
MAX_F1_LOSS = 0.005
MIN_GAIN = 0.1
"""Share by which a file must be smaller, or faster: less is noise."""
PASSES = 2

Images = Sequence[NDArray[np.uint8]]


class CompressionError(RuntimeError):
    """A smaller file isn't worth its cost, or can't be made. The message says which, in numbers."""


@dataclass(frozen=True)
class Compression:
    """Gains and costs of a smaller file, measured against the same method in single precision.

    Attributes
    ----------
    weights : {"fp16", "int8", "int8-stored", "int4-stored"}
    images : int
        Validation images that all of this was measured on.
    bytes_before, bytes_after : int
        Size of the file.
    ms_before, ms_after : float
        Median time per image, one thread, the two files in turn.
    f1_before, f1_after : float
        Mean F1 per image; an empty mask where there is no lesion scores 1.
    differing_share : float
        Share of all pixels whose mask differs between the two.
    """

    weights: str
    images: int
    bytes_before: int
    bytes_after: int
    ms_before: float
    ms_after: float
    f1_before: float
    f1_after: float
    differing_share: float

    def __str__(self) -> str:
        return (
            f"{self.weights}: {self.bytes_before / 1e6:.2f} -> {self.bytes_after / 1e6:.2f} MB, "
            f"{self.ms_before:.1f} -> {self.ms_after:.1f} ms, F1 {self.f1_before:.4f} -> {self.f1_after:.4f} "
            f"on {self.images} validation images, {100 * self.differing_share:.3g} % of pixels differ"
        )

    def problem(self, max_bytes: int | None) -> str:
        """Return why the smaller file isn't worth keeping, or nothing."""
        if self.f1_after < self.f1_before - MAX_F1_LOSS:
            return f"F1 falls by more than {MAX_F1_LOSS}"
        if max_bytes is not None and self.bytes_after > max_bytes:
            return f"the file is still larger than {max_bytes / 1e6:.2f} MB"
        if self.bytes_after > (1 - MIN_GAIN) * self.bytes_before:
            return "the file isn't smaller"
        needed = max_bytes is not None and self.bytes_before > max_bytes
        if self.weights == "int8" and not needed and self.ms_after > (1 - MIN_GAIN) * self.ms_before:
            return "it isn't faster, and no size asks for it"
        return ""


def export_smaller(
    segmenter: Segmenter,
    path: str | os.PathLike[str],
    weights: Weights,
    *,
    images: Images,
    masks: Sequence[NDArray[np.bool_]],
    calibration: Images = (),
    max_bytes: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Compression:
    """Write ``segmenter`` as one ONNX file with smaller weights, if that is worth it.

    The method is exported as it is, parity and all. The smaller file is measured against that one. It says what was
    measured in its entry ``compression``, and keeps the other file's parity as ``parity_single_precision``.

    Parameters
    ----------
    segmenter : Segmenter
        For ``int8`` one that keeps its network as ONNX bytes in ``network_`` and says in ``_network_input(image)``
        what the network is given.
    path : str or path-like
    weights : {"fp16", "int8", "int8-stored", "int4-stored"}
        ``fp16`` stores weights in half precision. ``int8-stored`` stores the kernels of convolutions in 8 bits, with a
        scale per output channel. ``int4-stored`` stores those of all but depthwise convolutions in 4 bits, which a
        network has to be trained for. These three compute in single precision. ``int8`` quantises convolutions:
        weights per channel, activations over the ranges that they take on ``calibration``.
    images, masks : sequences of ndarray of shape (H, W), uint8 and bool
        Validation cases: none that the method learned from, none that it will be tested on.
    calibration : sequence of ndarray of shape (H, W), uint8
        Training images; for ``int8`` only.
    max_bytes : int, optional
        What the file may be at most. If the file in single precision is larger, INT8 may be kept without being faster.
    metadata : mapping of str to str, optional
        As in `export`.

    Raises
    ------
    CompressionError
        If F1 falls by more than 0.005, if the file isn't smaller, or, for ``int8``, if it is neither faster nor needed
        to be small. No file is left.
    """
    import onnx

    from .exporting import build_graph, check_batches, describe_method, export, tell_confidence
    from .finish import finish
    from .metadata import PREFIX, set_metadata
    from .segmenter import OnnxSegmenter

    path = Path(path)
    check_writable(path)
    with tempfile.TemporaryDirectory(prefix="hybridseg-export-") as folder:
        plain, small = Path(folder, "plain.onnx"), Path(folder, "small.onnx")
        export(segmenter, plain, metadata)
        if weights == "int8":
            model = tell_confidence(_quantised(segmenter, calibration)._to_onnx(), segmenter.calibration)
        else:
            model = build_graph(segmenter)
            store_smaller(model.graph, KERNEL_BITS[weights])
        finish(model)
        describe_method(model, segmenter, metadata or {})
        onnx.save(model, small)
        files = OnnxSegmenter.load(plain), OnnxSegmenter.load(small)
        check_batches(files[1])
        found = _measure(weights, files, images, masks)
        problem = found.problem(max_bytes)
        if problem:
            raise CompressionError(f"{problem}; nothing is kept: {found}")
        for entry in [entry for entry in model.metadata_props if entry.key == f"{PREFIX}parity"]:
            model.metadata_props.remove(entry)  # it was the larger file's, which an exported one carries along
        entries = {"compression": json.dumps(asdict(found))}
        if "parity" in files[0].metadata:
            entries["parity_single_precision"] = files[0].metadata["parity"]
        set_metadata(model, entries, keep=False)
        write_atomically(path, model.SerializeToString())
    return found


def _quantised(segmenter: Segmenter, calibration: Images) -> Any:
    """Return a copy of a method whose network computes its convolutions in 8-bit integers."""
    network = getattr(segmenter, "network_", None)
    if network is None or not hasattr(segmenter, "_network_input"):
        raise CompressionError(
            f"int8 needs a method that keeps its network apart, such as a fitted unet; "
            f"{type(segmenter).__name__} doesn't"
        )
    if not calibration:
        raise ValueError("`calibration` must hold at least one training image for int8, got none")
    smaller: Any = copy.copy(segmenter)
    quantised = quantise_network(network.tobytes(), map(smaller._network_input, calibration))
    smaller.network_ = np.frombuffer(quantised, np.uint8)
    return smaller


def quantise_network(network: bytes, inputs: Any) -> bytes:
    """Return a network with 8-bit convolutions: QDQ, weights per channel, activations by ranges over ``inputs``.

    Parameters
    ----------
    network : bytes
        A serialised `onnx.ModelProto` with one input.
    inputs : iterable of ndarray, float32
        What the network is given on training images.
    """
    import onnx

    import_onnxruntime()
    screen_inside(network)  # the quantiser opens sessions of its own
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = onnx.load_from_string(network)
    weights = {tensor.name for tensor in model.graph.initializer}
    (name,) = (node.name for node in model.graph.input if node.name not in weights)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            values = next(feeds, None)
            return None if values is None else {name: values}

    feeds = iter(inputs)
    with tempfile.TemporaryDirectory() as folder:
        source, folded, target = (Path(folder, f"{step}.onnx") for step in ("source", "folded", "int8"))
        source.write_bytes(network)
        # Folds the casts of weights stored in half precision, which the quantiser wouldn't recognise as weights.
        quant_pre_process(source, folded, skip_symbolic_shape=True)
        quantize_static(
            folded,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=True,  # 7 bits: without VNNI, sums of two products of 8 bits saturate
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        quantised = onnx.load(target)
    quantised.ir_version = model.ir_version
    onnx.checker.check_model(quantised)
    data: bytes = quantised.SerializeToString()
    return data


def _measure(weights: str, files: tuple[Any, Any], images: Images, masks: Sequence[NDArray[np.bool_]]) -> Compression:
    from ..metrics import count_pixels, f1

    if not images:
        raise ValueError("`images` must hold at least one validation image, got none")
    seconds: tuple[list[float], list[float]] = ([], [])
    scores: tuple[list[float], list[float]] = ([], [])
    differing = 0
    for file in files:
        file.predict(images[0])  # memory is taken on the first run
    for turn in range(PASSES):
        for image, mask in zip(images, masks, strict=True):
            predicted = []
            for file, times in zip(files, seconds, strict=True):
                start = time.perf_counter()
                predicted.append(file.predict(image))
                times.append(time.perf_counter() - start)
            if turn == 0:
                differing += int((predicted[0] != predicted[1]).sum())
                for found, values in zip(predicted, scores, strict=True):
                    values.append(f1(count_pixels(mask, found), empty=1.0))
    sizes = [Path(file.path).stat().st_size for file in files]
    return Compression(
        weights=weights,
        images=len(images),
        bytes_before=sizes[0],
        bytes_after=sizes[1],
        ms_before=1000 * float(np.median(seconds[0])),
        ms_after=1000 * float(np.median(seconds[1])),
        f1_before=float(np.mean(scores[0])),
        f1_after=float(np.mean(scores[1])),
        differing_share=differing / sum(image.size for image in images),
    )
