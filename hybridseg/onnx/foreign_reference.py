"""Run a network from elsewhere with Pillow and numpy around it. The graph made of it is compared with this."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..images import find_scan
from ..segmenter import Segmenter, Tags
from .foreign import Foreign, read_description, read_layout
from .runtime import open_session, parse_screened, run_session


class ForeignReference(Segmenter):
    """A network from elsewhere, run alone by onnxruntime as the TOML file beside it says; no graph of ours.

    Parameters
    ----------
    path : str or path-like
        The network's file, as it came.
    """

    tags = Tags(max_differing_pixels=1e-4, max_probability_difference=1e-3)

    def __init__(self, *, path: str | os.PathLike[str] = "") -> None:
        self.path = path

    def open(self) -> ForeignReference:
        """Read the description and open the network."""
        network = parse_screened(self.path)
        self._foreign, self.operating_point_ = read_description(Path(self.path).with_suffix(".toml"))
        self._input, self._channels, self._size = read_layout(network, self._foreign)
        self._session = open_session(network.SerializeToString())
        return self

    def _predict_proba(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        foreign = self._foreign
        if foreign.scan:
            scan, probability = find_scan(image), np.zeros(image.shape, np.float32)
            probability[scan] = self._of_scan(image[scan], foreign)
            return probability
        return self._of_scan(image, foreign)

    def _of_scan(self, scan: NDArray[np.uint8], foreign: Foreign) -> NDArray[np.float32]:
        small = resize(scan.astype(np.float32), self._size)
        mean, std = np.asarray(foreign.mean, np.float32), np.asarray(foreign.std, np.float32)
        view = (small[..., np.newaxis] - mean) / std
        view = np.broadcast_to(view, (*self._size, self._channels))
        probability = self._run(view, foreign)
        if foreign.flip:
            probability = (probability + self._run(view[:, ::-1], foreign)[:, ::-1]) * np.float32(0.5)
        return np.clip(resize(probability, (scan.shape[0], scan.shape[1])), 0, 1)

    def _run(self, view: NDArray[np.float32], foreign: Foreign) -> NDArray[np.float32]:
        """Return the lesion's probability at the size of the network's output."""
        first = foreign.layout == "nchw"
        batch = view.transpose(2, 0, 1) if first else view
        scores = run_session(self._session, None, {self._input: np.ascontiguousarray(batch[np.newaxis])})[0][0]
        scores = scores.transpose(1, 2, 0) if first else scores
        if foreign.output == "softmax":
            scores = np.exp(scores - scores.max(axis=2, keepdims=True))
            scores /= scores.sum(axis=2, keepdims=True)
        chosen = scores[:, :, foreign.channel]
        return np.asarray(1 / (1 + np.exp(-chosen)) if foreign.output == "logit" else chosen, np.float32)


def resize(array: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize float32 (H, W) with Pillow, bilinear, anti-aliased where it shrinks."""
    picture = Image.fromarray(np.ascontiguousarray(array, dtype=np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
