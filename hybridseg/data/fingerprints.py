"""Fingerprints: 18 bytes an image say which images a model has learned from.

An image has two prints. One is of its exact pixels. The other is perceptual, after C. Zauner (Implementation and
Benchmarking of Perceptual Image Hash Functions, 2010): the signs of low frequencies. It survives compression and
resizing, but neither cropping nor mirroring. No picture can be made from 96 signs. Whoever has an image can find out
whether a model learned from it: that is what fingerprints are for.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..validation import check_image

EXACT_BYTES = 6
PERCEPTUAL_BYTES = 12
SIZE = EXACT_BYTES + PERCEPTUAL_BYTES
"""Bytes of a fingerprint."""

SIDE_PX = 64
MOST_DIFFERING_BITS = 14  # of 96; benchmarks/results/fingerprints.md: copies 9 at most, strangers 21 and more
FEWEST_SET_BITS = 16  # a picture of one grey, or of a plain gradient, has fewer: it is like any other such picture
LEAST_AMPLITUDE = 0.5  # of a frequency; what a picture of one grey gets by rounding is less

# Row and column of each frequency, from the lowest on: those that sum to 1, to 2, and so on, but not the mean.
_FREQUENCIES = np.array([(row, total - row) for total in range(1, 14) for row in range(total + 1)])[
    : 8 * PERCEPTUAL_BYTES
]


def fingerprint(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image's fingerprint.

    Parameters
    ----------
    image : ndarray of shape (H, W), uint8

    Returns
    -------
    ndarray of shape (18,), uint8
        6 bytes of a SHA-256 over shape and pixels, then 12 bytes of signs.
    """
    import hashlib  # here, so that reading a file's fingerprints costs the start of `segment` nothing

    from PIL import Image
    from scipy.fft import dctn

    pixels = np.ascontiguousarray(check_image(image))
    digest = hashlib.sha256(f"{pixels.shape}".encode())
    digest.update(pixels.data)
    small = np.asarray(Image.fromarray(pixels).resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX), np.float32)
    waves = dctn(small, norm="ortho")[_FREQUENCIES[:, 0], _FREQUENCIES[:, 1]]
    exact = np.frombuffer(digest.digest()[:EXACT_BYTES], np.uint8)
    return np.concatenate([exact, np.packbits(waves > LEAST_AMPLITUDE)])


def take_fingerprints(images: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return the fingerprints of images, each once, (N, 18) uint8. Their order tells nothing of the images' order."""
    return _each_once([np.array([fingerprint(image) for image in images], np.uint8).reshape(-1, SIZE)])


def join_fingerprints(parts: Sequence[NDArray[np.uint8] | None]) -> NDArray[np.uint8] | None:
    """Return what several sets of fingerprints hold together; None, which is "not known", if one of them is None."""
    known = [part for part in parts if part is not None]
    return _each_once(known) if len(known) == len(parts) else None


def _each_once(parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.unique(np.concatenate(parts), axis=0)


def is_among(print_: NDArray[np.uint8], learned: NDArray[np.uint8]) -> bool:
    """Return whether an image is one of those learned from, or one of them compressed or resized.

    Parameters
    ----------
    print_ : ndarray of shape (18,), uint8
        Of the image.
    learned : ndarray of shape (N, 18), uint8
        Of the images learned from.
    """
    exact, signs = np.split(print_, [EXACT_BYTES])
    if (learned[:, :EXACT_BYTES] == exact).all(axis=1).any():
        return True
    if np.bitwise_count(signs).sum() < FEWEST_SET_BITS:
        return False
    differing = np.bitwise_count(learned[:, EXACT_BYTES:] ^ signs).sum(axis=1)
    return bool((differing <= MOST_DIFFERING_BITS).any())


def has_seen(image: NDArray[np.uint8], learned: NDArray[np.uint8]) -> bool:
    """Return whether an image, (H, W) uint8, `is_among` those learned from, without a print where there are none."""
    return bool(len(learned)) and is_among(fingerprint(image), learned)


def encode_fingerprints(prints: NDArray[np.uint8]) -> str:
    """Return fingerprints as text, 24 characters an image."""
    return base64.b64encode(prints.tobytes()).decode()


def decode_fingerprints(text: str) -> NDArray[np.uint8]:
    """Return what `encode_fingerprints` wrote, (N, 18) uint8; raise ValueError if the text isn't that."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"fingerprints must be base64: {error}") from None
    if len(data) % SIZE:
        raise ValueError(f"fingerprints must have {SIZE} bytes an image, got {len(data)} bytes")
    return np.frombuffer(data, np.uint8).reshape(-1, SIZE)


def check_fingerprints(prints: object) -> None:
    """Raise ValueError unless ``prints`` is an array (N, 18) of uint8."""
    if not isinstance(prints, np.ndarray) or prints.dtype != np.uint8 or prints.shape[1:] != (SIZE,):
        got = f"{prints.dtype} {prints.shape}" if isinstance(prints, np.ndarray) else type(prints).__name__
        raise ValueError(f"fingerprints must be a uint8 array (N, {SIZE}), got {got}")
