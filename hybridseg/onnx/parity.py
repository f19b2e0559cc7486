"""The images that an export is compared on, and the result of the comparison."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THIN = ((1, 1), (1, 17), (23, 1), (2, 3), (31, 37), (97, 61))
BROAD = ((97, 61), (128, 128), (211, 257), (470, 560))
"""Rows and columns of the noise and of the speckle pictures: odd, prime, as real, and larger than real."""


class ParityError(RuntimeError):
    """An exported graph and its Python method disagree by more than the method's tags allow."""


@dataclass(frozen=True)
class ImageParity:
    """One image: its name and pixels, how many masks' pixels differ, and the largest probability difference."""

    name: str
    pixels: int
    differing_pixels: int
    probability_difference: float

    def allowed_pixels(self, share: float) -> int:
        """Return how many pixels may differ: the share, rounded up, and never all pixels of an image."""
        return min(math.ceil(share * self.pixels), self.pixels - 1)


@dataclass(frozen=True)
class ParityReport:
    """How an exported file compares with the Python method.

    Attributes
    ----------
    compared : tuple of ImageParity
        Two numbers per image.
    allowed_share : float
        Share of pixels that may differ: of all, and of each image rounded up to a pixel.
    allowed_probability_difference : float
        What a pixel's probability may differ by.
    """

    compared: tuple[ImageParity, ...]
    allowed_share: float
    allowed_probability_difference: float

    @property
    def images(self) -> int:
        """How many images were compared."""
        return len(self.compared)

    @property
    def pixels(self) -> int:
        """How many pixels all of them have."""
        return sum(image.pixels for image in self.compared)

    @property
    def differing_pixels(self) -> int:
        """Pixels whose mask differs, over all images."""
        return sum(image.differing_pixels for image in self.compared)

    @property
    def differing_share(self) -> float:
        """Share of all compared pixels whose mask differs."""
        return self.differing_pixels / self.pixels

    @property
    def max_probability_difference(self) -> float:
        """The largest one, over all pixels of all images; NaN if one is."""
        return float(np.max([image.probability_difference for image in self.compared]))

    @property
    def worst(self) -> ImageParity:
        """The image that differs most: beyond the allowed, then by share of pixels, then by probability."""
        return max(self.compared, key=self._badness)

    def _badness(self, image: ImageParity) -> tuple[bool, float, float]:
        share = image.differing_pixels / image.pixels
        return not self._accepts(image), share, image.probability_difference

    def _accepts(self, image: ImageParity) -> bool:
        return (
            image.differing_pixels <= image.allowed_pixels(self.allowed_share)
            and image.probability_difference <= self.allowed_probability_difference
        )

    @property
    def passed(self) -> bool:
        """Whether masks and probabilities agree within what the method's tags allow, on each image and over all."""
        return self.differing_share <= self.allowed_share and all(map(self._accepts, self.compared))

    def to_json(self) -> str:
        """Return the report as the text that goes into the file's metadata."""
        names = ("images", "pixels", "differing_pixels", "allowed_share", "max_probability_difference")
        total = {name: getattr(self, name) for name in (*names, "allowed_probability_difference")}
        each = {image.name: [image.differing_pixels, image.probability_difference] for image in self.compared}
        return json.dumps({**total, "worst_image": self.worst.name, "per_image": each})

    def __str__(self) -> str:
        text = (
            f"{self.differing_pixels} of {self.pixels} pixels differ on {self.images} images "
            f"(allowed share {self.allowed_share:g}, got {self.differing_share:.3g}), largest probability "
            f"difference {self.max_probability_difference:.3g} (allowed {self.allowed_probability_difference:g})"
        )
        worst = self.worst
        if worst.differing_pixels or worst.probability_difference:
            text += (
                f", worst image {worst.name} with {worst.differing_pixels} of {worst.pixels} pixels "
                f"and {worst.probability_difference:.3g}"
            )
        return text


def parity_images() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield (name, image) for every image that an export is compared on.

    Odd sizes, constants, single pixels and pure noise break a resize, a histogram or a component search. Speckle with
    dark lesions, once in a black frame, is what the method is made for. Always the same images.
    """
    rng = np.random.default_rng(0)
    for value in (0, 128, 255):
        yield f"constant-{value}", np.full((53, 71), value, np.uint8)
    step = np.zeros((64, 80), np.uint8)
    step[:, 40:] = 200
    yield "two-halves", step
    for height, width in THIN:
        yield f"noise-{height}x{width}", rng.integers(0, 256, (height, width), dtype=np.uint8)
    for number, (height, width) in enumerate(BROAD):
        for lesions in (0, 1, 3):
            yield f"speckle-{lesions}-{height}x{width}", speckle(number, height, width, lesions)
    yield "speckle-2-1000x1500", speckle(9, 1000, 1500, 2)
    yield "framed-271x347", np.pad(speckle(2, 211, 257, 1), ((40, 20), (30, 60)))


def speckle(seed: int, height: int, width: int, lesions: int) -> NDArray[np.uint8]:
    """Return a log-compressed speckle picture (H, W), uint8, darker with depth, with dark ellipses."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    echo = 1.5 * np.exp(-2.0 * rows / height)
    for _ in range(lesions):
        row, column = rng.uniform(0.2, 0.8, 2) * (height, width)
        tall, wide = rng.uniform(0.06, 0.2, 2) * (height, width)
        echo[((rows - row) / tall) ** 2 + ((columns - column) / wide) ** 2 <= 1.0] *= 0.08
    scatter = rng.normal(size=(height, width)) + 1j * rng.normal(size=(height, width))
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis] * 1.5, np.fft.fftfreq(width)[np.newaxis, :])
    field = np.fft.ifft2(np.fft.fft2(scatter * np.sqrt(echo)) * np.exp(-((frequency / 0.08) ** 2)))
    decibel = 20.0 * np.log10(np.abs(field) + 1e-6)
    grey = 255.0 * (decibel + 45.0) / 55.0
    return np.clip(grey, 0, 255).astype(np.uint8)
