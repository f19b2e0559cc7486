"""A fitted network, kept as ONNX bytes: how it predicts, is saved, exported and averaged with others."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.fingerprints import join_fingerprints
from ..images import find_scan
from ..segmenter import Segmenter, Tags
from .parameters import check_parameters
from .working import BLANK_RANGE, is_blank, to_native, to_working

LOG = logging.getLogger(__name__)
BLIND = 0.01
"""A network whose F1 is no further than this above that of a mask of the whole scan has learned nothing."""
NOTHING_LEARNED = (
    "%s has learned nothing: validation F1 is %.3f, and a mask of the whole scan has %.3f. "
    "Train for more epochs, or change learning_rate."
)


class PredictingNetwork(Segmenter):
    """The common part of fitted networks, whoever trained them.

    ``network_`` holds the bytes of an ONNX file: input ``image``, float32 (N, S, S, 1), grey levels 0..255; output
    ``probability``, float32 (N, S, S, 1). What the scan fills of the image, as `hybridseg.find_scan` finds it, is
    stretched to that size, and the probability is stretched back; around the scan it is 0.
    """

    tags = Tags(requires_fit=True, max_differing_pixels=0.0001, max_probability_difference=1e-3)
    size: int
    flip_averaging: bool
    threads: int
    network_: NDArray[np.uint8]

    @classmethod
    def mean_of(cls, models: Sequence[Self]) -> Self:
        """Return one model that gives the mean probability of several, such as trainings with other seeds.

        Every second one sees the mirrored image, so that its own ``flip_averaging`` is off: two trainings together
        take the time of one with it. The mean has the size of the largest. Each is given the image at its own size.
        Other parameters, history and operating point are the first one's. Choose another point on cases that none of
        them has seen (`hybridseg.training.operating.choose_operating_point`), and calibrate it there
        (`hybridseg.training.calibration.fit_calibration`).

        Raises
        ------
        ValueError
            If there is none.
        NotFittedError
            If one isn't fitted.
        """
        from ..onnx.pieces.network import mean_network

        models = list(models)
        if not models:
            raise ValueError("`models` must hold at least one, got none")
        for model in models:
            model.check_fitted()
        mean = copy.copy(models[0]).set_params(flip_averaging=False, size=max(model.size for model in models))
        mean.network_ = np.frombuffer(mean_network([model.network_.tobytes() for model in models]), np.uint8)
        mean.calibration_ = None
        mean.fingerprints_ = join_fingerprints([model.fingerprints for model in models])
        return mean

    def _tune(self, images: Sequence[NDArray[np.uint8]], masks: Sequence[NDArray[np.bool_]]) -> None:
        """Choose the operating point on held-out cases, and calibrate the confidence there, if they are enough.

        Log a warning if the network tells lesions from the rest no better than a mask of the whole scan does.
        """
        from .calibration import fit_calibration
        from .operating import choose_operating_point, f1_per_image

        probabilities = [self._predict_proba(image) for image in images]
        self.operating_point_ = choose_operating_point(masks, probabilities)
        found = [self._mask(p) for p in probabilities]
        self.calibration_ = fit_calibration(masks, found, probabilities)
        lesions = [k for k, mask in enumerate(masks) if mask.any()]
        if lesions:
            truths = [masks[k] for k in lesions]
            f1 = f1_per_image(truths, [found[k] for k in lesions]).mean()
            all_scan = f1_per_image(truths, [_whole_scan(images[k]) for k in lesions]).mean()
            if f1 <= all_scan + BLIND:
                LOG.warning(NOTHING_LEARNED, self, f1, all_scan)

    def _check_parameters(self) -> None:
        """Raise ValueError for a parameter of another type or out of its range; a subclass checks its own, too."""
        check_parameters(self.get_params(deep=False))

    def _network_input(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the network is given: float32 (1, size, size, 1), grey levels."""
        return self._stretched(image[find_scan(image)])

    def _stretched(self, scan: NDArray[np.uint8]) -> NDArray[np.float32]:
        return to_working(scan, self.size)[None, :, :, None]

    def _predict_proba(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        native = np.zeros(image.shape, np.float32)
        scan = find_scan(image)
        if is_blank(image[scan]):
            return native
        working = self._stretched(image[scan])
        if self.flip_averaging:
            working = np.concatenate([working, working[:, :, ::-1]])
        from ..onnx.runtime import run_session

        (output,) = run_session(self._session(), ["probability"], {"image": working})
        probability = output[0, :, :, 0]
        if self.flip_averaging:
            probability = (probability + output[1, :, ::-1, 0]) * np.float32(0.5)
        height, width = native[scan].shape
        native[scan] = to_native(probability, (height, width))
        return native

    def _session(self) -> Any:
        """One onnxruntime session per object, made when first used and after network or threads changed."""
        runtime: tuple[Any, int, Any] | None = self.__dict__.get("_runtime")
        if runtime is None or runtime[0] is not self.network_ or runtime[1] != self.threads:
            from ..onnx.runtime import open_session

            session = open_session(self.network_.tobytes(), threads=self.threads)
            size = session.get_inputs()[0].shape[1]
            if self.size != size:
                raise ValueError(f"`size` must be {size}, that of the fitted network, got {self.size}")
            runtime = self.__dict__["_runtime"] = (self.network_, self.threads, session)
        return runtime[2]

    def _check_state(self) -> None:
        super()._check_state()
        self._check_parameters()
        if self._state():
            from ..onnx.screening import screen_inside

            screen_inside(self.network_.tobytes())

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_runtime"}

    def _to_onnx(self) -> Any:
        import onnx

        from ..onnx import wrap_network
        from ..onnx.pieces.network import Preprocessing

        # The network itself takes grey levels: its first layer normalises.
        return wrap_network(
            onnx.load_from_string(self.network_.tobytes()),
            self.size,
            Preprocessing(mean=0.0, std=1.0, flip=self.flip_averaging, scan=True),
            self.current_operating_point,
            blank_range=BLANK_RANGE,
        )


def _whole_scan(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    mask = np.zeros(image.shape, bool)
    mask[find_scan(image)] = True
    return mask
