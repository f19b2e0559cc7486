"""`OnnxSegmenter`: one class that runs every exported file. Needs numpy and onnxruntime only."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..confidence import Calibration
from ..data.fingerprints import decode_fingerprints
from ..data.scope import decode_scope
from ..files import write_atomically
from ..postprocess import OperatingPoint
from ..segmenter import Segmenter, Tags
from ..text import one_line, printable
from ..validation import ModelFormatError, check_image, check_probability
from .metadata import PREFIX
from .runtime import EXPORT_LINE, open_session, opening, parse_screened, run_session
from .screening import Declared, screen

Entry = TypeVar("Entry")


class OnnxSegmenter(Segmenter):
    """A method in one ONNX file: raw image in, mask and probability out, everything else inside the graph.

    The file's signature is ``image`` uint8 [N, H, W, 1] -> ``mask`` uint8 [N, H, W, 1] in {0, 1} and
    ``probability`` float32 [N, H, W, 1] in [0, 1]. Calibrated methods also have ``confidence`` float32 [N].
    ``predict`` returns the graph's own mask. A network with another signature runs too if a TOML file of its name lies
    beside it, see `hybridseg.onnx.Foreign`.

    Parameters
    ----------
    path : str or path-like
        The file. It is opened on first use and stays open; copies of this object open it again.
    threads : int
        Threads that onnxruntime may use for one image.
    """

    tags = Tags(skipped_checks={"save_keeps_parameters": "its path is the file it is in: a copy has another one"})

    def __init__(self, *, path: str | os.PathLike[str] = "", threads: int = 1) -> None:
        self.path = path
        self.threads = threads

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the segmenter in an ``.onnx`` file, which is opened and checked now.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ModelFormatError
            If it isn't an ONNX file with the signature above; one line says what is wrong.
        """
        model = cls(path=os.fspath(path))
        model.open()
        return model

    def save(self, path: str | os.PathLike[str]) -> None:
        """Copy the file, byte for byte; the copy appears under its name only when it is complete.

        Of a network with another signature, what is written has ours. Weights in other files are written into the copy;
        that needs the extra ``export``.
        """
        self.open()
        data, declared = screen(self.path)
        whole = is_ours(declared) and not declared.external
        write_atomically(path, data if whole else self._to_onnx().SerializeToString())

    @property
    def metadata(self) -> dict[str, str]:
        """The file's ``hybridseg.*`` entries, without the prefix: method, params, operating_point..."""
        properties = self.open().get_modelmeta().custom_metadata_map
        return {key[len(PREFIX) :]: value for key, value in properties.items() if key.startswith(PREFIX)}

    @property
    def current_operating_point(self) -> OperatingPoint:
        """The operating point written in the file; the default one if the file doesn't say."""
        point = self._entry("operating_point", lambda text: OperatingPoint(**json.loads(text)))
        return self.operating_point if point is None else point

    @property
    def fingerprints(self) -> NDArray[np.uint8] | None:
        """Fingerprints written in the file, (N, 18) uint8; None if the file doesn't say from what it learned."""
        return self._entry("fingerprints", decode_fingerprints)

    @property
    def scope(self) -> NDArray[np.float32] | None:
        """The looks of the images that it learned from, as the file says; None if it doesn't."""
        return self._entry("scope", decode_scope)

    @property
    def calibration(self) -> Calibration | None:
        """The meaning of its probabilities on held-out cases, as the file says; None if it doesn't."""
        return self._entry("calibration", Calibration.from_json)

    def _entry(self, name: str, parse: Callable[[str], Entry]) -> Entry | None:
        """Return one of the file's own entries, parsed; None if the file lacks it."""
        text = self.metadata.get(name)
        if text is None:
            return None
        try:
            return parse(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise ModelFormatError(f"{self.path}: its {PREFIX}{name} can't be read: {one_line(error)}") from None

    def predict_both(self, image: Any) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Return the graph's own mask (H, W), bool, and probability (H, W), float32, from one run."""
        image = check_image(image)
        mask, probability = self._run(image)
        return mask, check_probability(probability, image.shape, f"the graph of {self.path}")

    def _predict_proba(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._run(image)[1]

    def _run(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        masks, probabilities = self.run_batch(image[np.newaxis, :, :, np.newaxis])
        return masks[0, :, :, 0].astype(bool), probabilities[0, :, :, 0]

    def run_batch(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Run the graph on uint8 [N, H, W, 1] and return its ``mask`` and ``probability`` as they come.

        Raises
        ------
        ValueError
            If ``images`` is no such array, or its images are larger than any method takes.
        """
        mask, probability = self._outputs(images, ["mask", "probability"])
        for name, output in (("mask", mask), ("probability", probability)):
            if output.shape != images.shape:
                problem = f"output `{name}` must have the image's shape {images.shape}, got {output.shape}"
                raise RuntimeError(f"{self.path}: {problem}")
        if mask.max() > 1:
            raise RuntimeError(f"{self.path}: output `mask` must hold only 0 and 1, got {mask.max()}")
        return mask, probability

    def run_confidence(self, images: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Run the graph on uint8 [N, H, W, 1] and return its ``confidence``, float32 [N]; None if it tells none.

        `calibration` computes the same from mask and probability. Files of earlier versions have no such output.

        Raises
        ------
        ValueError
            As `run_batch` does.
        """
        if "confidence" not in [output.name for output in self.open().get_outputs()]:
            return None
        confidence: NDArray[np.float32] = self._outputs(images, ["confidence"])[0]
        if confidence.shape != (len(images),):
            problem = f"output `confidence` must have one value per image, got shape {confidence.shape}"
            raise RuntimeError(f"{self.path}: {problem}")
        return confidence

    def _outputs(self, images: NDArray[np.uint8], names: list[str]) -> list[NDArray[Any]]:
        _check_batch(images)
        session = self.open()
        try:
            return run_session(session, names, {"image": np.ascontiguousarray(images)})
        except RuntimeError as error:
            raise RuntimeError(f"{self.path}: {error}") from None

    def open(self, known: bytes | None = None) -> Any:
        """Return the session, opened and checked on first use and after ``path`` or ``threads`` changed.

        ``known``: the file's bytes, if they are known to be what this package wrote: there is nothing to check.
        """
        key = (os.fspath(self.path), self.threads)
        cached = self.__dict__.get("_session")
        if cached is None or cached[0] != key:
            cached = (key, _open_session(*key, known))
            self._session = cached
        return cached[1]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the session behind: copies, and other processes, open the file themselves."""
        return {name: value for name, value in vars(self).items() if name != "_session"}

    def parity_reference(self) -> Segmenter | None:
        """Return what an export of this file is to be compared with: nothing but itself if it has our signature."""
        self.open()
        if is_ours(screen(self.path)[1]):
            return None
        from .foreign_reference import ForeignReference

        return ForeignReference(path=self.path).open()

    def _to_onnx(self) -> Any:
        self.open()
        if is_ours(screen(self.path)[1]):
            return parse_screened(self.path)
        from .foreign import adopt_file

        return adopt_file(self.path)


def _open_session(path: str, threads: int, known: bytes | None) -> Any:
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ValueError(f"`threads` must be an integer of at least 1, got {threads!r}")
    if not path:
        raise ValueError("`path` must name an .onnx file, got an empty string")
    with opening(path):
        data, weights_folder = known, None
        if data is None:
            data, declared = screen(path)
            if not is_ours(declared):
                data = _adopted(path, declared)
            elif declared.external:
                weights_folder = Path(path).parent
        try:
            return open_session(data, threads=threads, weights_folder=weights_folder)
        except ModelFormatError as error:
            raise ModelFormatError(f"{path}: {error}") from None


def _adopted(path: str, declared: Declared) -> bytes:
    """Return a network from elsewhere with our signature, if a TOML file beside it describes it."""
    description = Path(path).with_suffix(".toml")
    if not description.is_file():
        raise ModelFormatError(
            f"{path}: not a file of hybridseg's signature: {signature_problem(declared)}; "
            f"a network from elsewhere is described in {description.name} beside it"
        )
    try:
        from .foreign import adopt_file
    except ImportError as error:
        problem = f"a network with another signature needs onnx and spox ({error}): {EXPORT_LINE}"
        raise ImportError(f"{path}: {problem}") from None
    data: bytes = adopt_file(path).SerializeToString()
    return data


def is_ours(declared: Declared) -> bool:
    """Whether a file declares our signature."""
    return not signature_problem(declared)


def signature_problem(declared: Declared) -> str:
    """Return how a file's inputs and outputs differ from our signature, or nothing."""
    inputs, outputs = declared.inputs, declared.outputs
    if list(inputs) != ["image"]:
        return f"expected one input `image`, got {_names(inputs)}"
    if not {"mask", "probability"} <= set(outputs):
        return f"expected outputs `mask` and `probability`, got {_names(outputs)}"
    for name, wanted in {"image": "uint8", "mask": "uint8", "probability": "float"}.items():
        kind, sides = inputs.get(name) or outputs[name]
        if kind != wanted:
            return f"`{name}` must be tensor({wanted}), got tensor({kind})"
        if len(sides) != 4 or sides[3] != 1 or any(isinstance(side, int) for side in sides[:3]):
            return f"`{name}` must be [N, H, W, 1] of any N, H and W, got {sides}"
    return ""


def _names(values: Iterable[str]) -> str:
    return ", ".join(f"`{printable(name)}`" for name in values) or "none"


def _check_batch(images: Any) -> None:
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 1:
        got = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(f"`images` must be a uint8 array [N, H, W, 1], got {got}")
    if not len(images):
        raise ValueError("`images` must hold at least one image, got none")
    check_image(images[0, :, :, 0])
