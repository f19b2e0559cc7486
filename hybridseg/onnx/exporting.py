"""Write a method as one ONNX file, kept only if the file, run from disk, agrees with the method."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..confidence import Calibration
from ..data.fingerprints import encode_fingerprints
from ..data.scope import encode_scope
from ..files import check_writable, write_atomically
from ..guests import contained
from ..segmenter import Segmenter
from .finish import finish, simplify
from .metadata import set_metadata
from .parity import ImageParity, ParityError, ParityReport, parity_images, speckle
from .runtime import EXPORT_LINE, reason
from .segmenter import OnnxSegmenter

BATCH = 3
"""Images in the batch that must equal the same images one by one."""

MAX_CONFIDENCE_DIFFERENCE = 1e-4
"""What the graph's confidence may differ from Python's by."""


def export(
    segmenter: Segmenter, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None
) -> ParityReport:
    """Write ``segmenter`` to ``path`` as one ONNX file of hybridseg's signature.

    A file in the system's temporary folder is run by onnxruntime on images of many sizes, and compared with
    ``segmenter``; only then is anything written as ``path``. There is no way to keep a file that disagrees. A network
    from elsewhere is compared with the network run alone, with Pillow and numpy around it. A file of our signature is
    compared only with itself, so that its entry ``parity`` stays the one that it has, or none.

    Parameters
    ----------
    segmenter : Segmenter
        Fitted, if it has to be.
    path : str or path-like
        The file to write; an existing one is replaced only by a file that agrees.
    metadata : mapping of str to str, optional
        Entries for the file's ``metadata_props``; ``hybridseg.`` goes before each key.

    Returns
    -------
    ParityReport

    Raises
    ------
    ParityError
        If mask and probability disagree by more than ``segmenter.tags`` allows, or a batch of images with the
        same images one by one. No file is left.
    ImportError
        If the extra ``export`` isn't installed.
    OSError
        If ``path`` can't be written or is write-protected; said before anything is done.
    """
    try:
        import onnx
        import spox
    except ImportError as error:
        raise ImportError(f"exporting needs onnx and spox ({error}): {EXPORT_LINE}") from None
    del spox  # what `_to_onnx` writes graphs with

    path = Path(path)
    check_writable(path)
    model = build_graph(segmenter)
    finish(model)
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ValueError(f"the graph of {type(segmenter).__name__} isn't valid ONNX: {reason(error)}") from None
    describe_method(model, segmenter, metadata or {})
    with tempfile.TemporaryDirectory(prefix="hybridseg-export-") as folder:
        candidate = Path(folder, "candidate.onnx")
        onnx.save(model, candidate)
        reference = segmenter.parity_reference() if isinstance(segmenter, OnnxSegmenter) else segmenter
        report = compare(reference or segmenter, OnnxSegmenter.load(candidate))
    if not report.passed:
        raise ParityError(f"{type(segmenter).__name__} and its graph disagree, nothing is kept: {report}")
    if reference is not None:  # a file compared with itself says nothing about a method
        set_metadata(model, {"parity": report.to_json()}, keep=False)
    write_atomically(path, model.SerializeToString())
    return report


def build_graph(segmenter: Segmenter) -> Any:
    """Return the `onnx.ModelProto` of a method, simplified; that of a file as it is in the file.

    A calibrated method tells its confidence there, and so does one in an older file, which doesn't yet.

    Raises
    ------
    NotFittedError
        If the method learns and hasn't learned.
    """
    segmenter.check_fitted()
    with contained():
        model = segmenter._to_onnx()
    model = tell_confidence(model, segmenter.calibration)
    return model if isinstance(segmenter, OnnxSegmenter) else simplify(model)


def tell_confidence(model: Any, calibration: Calibration | None) -> Any:
    """Return a model with the output ``confidence``, if there is a calibration and the output isn't there yet."""
    from .pieces import add_confidence

    if calibration is None or "confidence" in [output.name for output in model.graph.output]:
        return model
    return add_confidence(model, calibration)


def compare(segmenter: Segmenter, exported: OnnxSegmenter) -> ParityReport:
    """Compare a method with its exported file on `parity_images`, and batches with single images.

    Raises
    ------
    ParityError
        If an image in a batch gets another result than alone.
    """
    compared = []
    for name, image in parity_images():
        with contained():
            probability, mask = segmenter.predict_proba(image), segmenter.predict(image)
        graph_mask, graph_probability = exported.predict_both(image)
        difference = float(np.abs(probability - graph_probability).max())
        compared.append(ImageParity(name, image.size, int((mask != graph_mask).sum()), difference))
    check_batches(exported)
    tags = segmenter.tags
    return ParityReport(tuple(compared), tags.max_differing_pixels, tags.max_probability_difference)


def check_batches(exported: OnnxSegmenter) -> None:
    """Raise `ParityError` unless every image of a batch gets the result that it gets alone, and Python's confidence."""
    image = speckle(2, 211, 257, 3)
    batch = np.stack([np.roll(image, 40 * turn, axis=1) for turn in range(BATCH)])[..., np.newaxis]
    batch[-1] = 0  # many a method finds nothing there
    masks, probabilities = exported.run_batch(batch)
    for index in range(BATCH):
        mask, probability = exported.run_batch(batch[index : index + 1])
        same = np.array_equal(mask[0], masks[index])
        if not (same and np.array_equal(probability[0], probabilities[index])):
            raise ParityError(f"image {index} of a batch of {BATCH} gets another result than alone")
    calibration, confidences = exported.calibration, exported.run_confidence(batch)
    if calibration is None or confidences is None:
        return
    for mask, probability, confidence in zip(masks, probabilities, confidences, strict=True):
        expected = calibration.of_image(mask.astype(bool), probability)
        if not abs(confidence - expected) <= MAX_CONFIDENCE_DIFFERENCE:
            raise ParityError(f"the graph's confidence is {confidence:.6f} where its calibration says {expected:.6f}")


def describe_method(model: Any, segmenter: Segmenter, metadata: Mapping[str, str]) -> None:
    """Add facts for a reader to ``metadata_props``. Entries that the model has already stay."""
    from ..version import __version__

    known = {
        "method": type(segmenter).__name__,
        # of a file: whatever it says itself; its path is nobody else's business
        "params": "{}" if isinstance(segmenter, OnnxSegmenter) else json.dumps(segmenter.get_params(), default=repr),
        "operating_point": json.dumps(asdict(segmenter.current_operating_point)),
        "version": __version__,
        "use": "research only; not for diagnosis",
    }
    calibration = segmenter.calibration
    if calibration is not None:
        known["calibration"] = calibration.to_json()
    scope = segmenter.scope
    if scope is not None:
        known["scope"] = encode_scope(scope)
    prints = segmenter.fingerprints
    if prints is not None:
        known["fingerprints"] = encode_fingerprints(prints)
    set_metadata(model, known, keep=True)
    set_metadata(model, metadata, keep=False)
