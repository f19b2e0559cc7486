"""`OnnxNetworkSegmenter`: a network that another library trains, and that is kept as ONNX."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..segmenter import Progress
from .predicting import PredictingNetwork

Pictures = tuple[NDArray[np.uint8], NDArray[np.bool_]]
"""Images and masks at the working size, (n, S, S) each."""


class OnnxNetworkSegmenter(PredictingNetwork):
    """A network that is trained with any library, such as PyTorch. A subclass writes `_train`, which returns ONNX.

    Around the network everything is as in `hybridseg.NetworkSegmenter`: the scan is stretched to a square, whole groups
    are held out, and the operating point is chosen on them. A fitted one runs with onnxruntime alone.

    Parameters
    ----------
    size : int
        Side of the working square in pixels.
    flip_averaging : bool
        Average the probability with that of the mirrored image; doubles the time.
    validation_share : float
        Share of the groups held out where ``fit`` is given no validation.
    random_state : int
    threads : int
        Threads of onnxruntime in ``predict``.
    """

    def __init__(
        self,
        *,
        size: int = 192,
        flip_averaging: bool = True,
        validation_share: float = 0.1,
        random_state: int = 0,
        threads: int = 1,
    ) -> None:
        self.size = size
        self.flip_averaging = flip_averaging
        self.validation_share = validation_share
        self.random_state = random_state
        self.threads = threads

    @abstractmethod
    def _train(self, learn: Pictures, judge: Pictures, progress: Progress) -> bytes:
        """Return the bytes of an ONNX file with the trained network, of standard operators up to opset 18.

        Its input is ``image``, float32 (N, S, S, 1), grey levels 0..255. Its output is ``probability``, of that shape.
        N is dynamic. ``learn`` is what it learns from, ``judge`` what is held out, for an early end.
        """

    def _fit(
        self,
        images: Sequence[NDArray[np.uint8]],
        masks: Sequence[NDArray[np.bool_]],
        *,
        groups: list[Any] | None,
        validation: tuple[Sequence[NDArray[np.uint8]], Sequence[NDArray[np.bool_]]] | None,
        progress: Progress,
    ) -> None:
        self._check_parameters()
        from .building import check_trained
        from .cases import NO_LESION, set_apart, working_cases

        data = working_cases(images, masks, self.size, None, groups)
        if not data.has_lesion.any():
            raise ValueError(NO_LESION)
        if validation is None:
            data, validation = set_apart(data, images, masks, groups, self.validation_share, self.random_state)
        natives, truths = validation
        judge = working_cases(natives, truths, self.size, None)
        network = self._train(
            (data.images[data.cases], data.masks[data.cases] > 127), (judge.images, judge.masks > 127), progress
        )
        self.network_ = np.frombuffer(check_trained(network, self.size), np.uint8)
        self.validation_images_ = len(judge)
        self._tune(natives, truths)
