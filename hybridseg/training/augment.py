"""Augmentation for breast ultrasound: what changes between hospitals, scanners, settings and patients.

Geometry moves image and mask together. Intensity and painted marks touch the image alone. Every draw comes from the
generator that is passed in, so a case's picture in an epoch depends on seed, epoch and position only.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

from .painting import fan, marks

Array = NDArray[np.float32]
Change = Callable[[Array, np.random.Generator], Array]

STORED_PER_SIDE = 1.5
"""Pixels that a training stores for one of the network's, along a side: enlarged windows stay sharp."""
SMALLEST_WINDOW, LARGEST_WINDOW, WINDOW_TRIES = 0.4, 0.8, 20


def augment(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    rng: np.random.Generator,
    size: int,
    *,
    window: bool = False,
    other: NDArray[np.uint8] | None = None,
    mixed_share: float = 0.0,
) -> tuple[Array, Array]:
    """Return a changed picture of the network's size, and its mask.

    Parameters
    ----------
    image : ndarray of shape (T, T), uint8
        The stored scan, grey values 0..255.
    mask : ndarray of shape (T, T), uint8
        Lesion share of each stored pixel, 0..255 for 0..1.
    rng : numpy.random.Generator
    size : int
        Side S of what is returned.
    window : bool
        Show a part of the picture that has no lesion, where one is found.
    other : ndarray of shape (T, T), uint8, optional
        Another stored scan, whose looks the picture takes on with the probability ``mixed_share``.
    mixed_share : float

    Returns
    -------
    image, mask : ndarrays of shape (S, S), float32
        Grey values 0..255; lesion share in [0, 1].
    """
    box = (find_window(mask, rng) if window else None) or draw_box(image.shape[0], rng)
    picture, target = cut(image, mask, box, size, rng)
    picture, target = turn(picture, target, rng)
    if other is not None and rng.random() < mixed_share:
        picture = mix_looks(picture, other, rng)
    for probability, change in CHANGES:
        if rng.random() < probability:
            picture = np.clip(change(picture, rng), 0, 255).astype(np.float32)
    return picture, target


def find_window(mask: NDArray[np.uint8], rng: np.random.Generator) -> tuple[float, float, float, float] | None:
    """Return a box (left, top, right, bottom), stored pixels, that no lesion touches, or None if none is found."""
    side = mask.shape[0]
    for _ in range(WINDOW_TRIES):
        height, width = (rng.uniform(SMALLEST_WINDOW, LARGEST_WINDOW, 2) * side).astype(int)
        top, left = int(rng.integers(side - height + 1)), int(rng.integers(side - width + 1))
        if not mask[top : top + height, left : left + width].any():
            return float(left), float(top), float(left + width), float(top + height)
    return None


def draw_box(side: int, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Return the box to look at, in stored pixels. It is enlarged up to 1.5 times or half as large. Its sides differ
    by up to a third, and it is shifted by up to 12 % of the side."""
    scale, aspect = np.exp(rng.uniform(-0.65, 0.4)), np.exp(rng.uniform(-0.15, 0.15))
    half = side / 2 / scale * np.array([aspect, 1 / aspect])
    x, y = side / 2 + rng.uniform(-0.12, 0.12, 2) * side
    return float(x - half[0]), float(y - half[1]), float(x + half[0]), float(y + half[1])


def cut(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    box: tuple[float, float, float, float],
    size: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Return what a box shows of image and mask, (size, size). What lies outside mirrors the border, or is dark."""
    left, top, right, bottom = box
    side = image.shape[0]
    margin = int(np.ceil(max(0, -left, -top, right - side, bottom - side)))
    inside = (left + margin, top + margin, right + margin, bottom + margin)
    dark = margin > 0 and rng.random() < 0.25
    grey = int(rng.integers(0, 40))
    parts = []
    for array, outside in ((image, grey), (mask, 0)):
        if dark:
            wide = np.pad(array, margin, "constant", constant_values=outside)
        else:
            wide = np.pad(array, margin, "symmetric")
        picture = Image.fromarray(wide).resize((size, size), Image.Resampling.BILINEAR, box=inside)
        parts.append(np.asarray(picture, np.float32))
    return parts[0], parts[1] / np.float32(255)


def turn(image: Array, mask: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Flip left to right half the time, rotate by up to 15 degrees. Never upside down: shadows fall downwards."""
    if rng.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
    if rng.random() < 0.5:
        return np.ascontiguousarray(image), np.ascontiguousarray(mask)
    angle = np.deg2rad(rng.uniform(-15, 15))
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.full(2, (image.shape[0] - 1) / 2)
    offset = centre - matrix @ centre
    return (
        ndimage.affine_transform(image, matrix, offset, order=1, mode="reflect"),
        ndimage.affine_transform(mask, matrix, offset, order=1, mode="reflect"),
    )


def mix_looks(image: Array, other: NDArray[np.uint8], rng: np.random.Generator) -> Array:
    """Mix the amplitudes of another scan's frequencies into the image's, and keep where things are: its phases.

    After Q. Xu et al., A Fourier-based framework for domain generalization (CVPR 2021, doi
    10.1109/CVPR46437.2021.01415).
    """
    size = image.shape[0]
    looks = np.asarray(Image.fromarray(other).resize((size, size), Image.Resampling.BILINEAR), np.float32)
    spectrum, amplitude = fft.rfft2(image), np.abs(fft.rfft2(looks))
    share = np.float32(rng.uniform(0, 1))
    spectrum *= 1 - share + share * amplitude / np.maximum(np.abs(spectrum), np.float32(1e-3))
    mixed: Array = np.clip(fft.irfft2(spectrum, s=image.shape), 0, 255)
    return mixed


def gain_curve(image: Array, rng: np.random.Generator) -> Array:
    """Overall gain, contrast about the mean, and a time-gain curve: a smooth factor by depth (row)."""
    size = image.shape[0]
    knots = rng.uniform(-0.25, 0.25, 5)
    curve = np.interp(np.linspace(0, 4, size), np.arange(5), knots)
    factor = (1 + curve + rng.uniform(-0.2, 0.2)).astype(np.float32)
    mean = image.mean()
    contrast = np.float32(rng.uniform(0.7, 1.35))
    changed: Array = ((image - mean) * contrast + mean) * factor[:, None]
    return changed


def gamma(image: Array, rng: np.random.Generator) -> Array:
    """Grey levels raised to a power between 0.55 and 1.8."""
    power = np.float32(np.exp(rng.uniform(-0.6, 0.6)))
    return (255 * (image / 255) ** power).astype(np.float32)


def dynamic_range(image: Array, rng: np.random.Generator) -> Array:
    """Return the image with another dynamic range: dark becomes black, and bright becomes white."""
    black, white = rng.uniform(0, 30), rng.uniform(190, 255)
    changed: Array = (image - np.float32(black)) * np.float32(255 / (white - black))
    return changed


def speckle(image: Array, rng: np.random.Generator) -> Array:
    """Multiplicative noise, correlated along the row as a scan line's point spread makes it."""
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, (rng.uniform(0.3, 0.8), rng.uniform(0.6, 1.6)))
    noise /= noise.std() + np.float32(1e-6)
    changed: Array = image * (1 + np.float32(rng.uniform(0.05, 0.2)) * noise)
    return changed


def smooth(image: Array, rng: np.random.Generator) -> Array:
    """A scanner's smoothing."""
    changed: Array = ndimage.gaussian_filter(image, rng.uniform(0.4, 1.4))
    return changed


def sharpen(image: Array, rng: np.random.Generator) -> Array:
    """A scanner's edge enhancement (unsharp masking)."""
    blurred = ndimage.gaussian_filter(image, rng.uniform(0.8, 2.0))
    changed: Array = image + np.float32(rng.uniform(0.3, 1.2)) * (image - blurred)
    return changed


def coarsen(image: Array, rng: np.random.Generator) -> Array:
    """A picture that was stored smaller."""
    size = image.shape[0]
    small = int(size * rng.uniform(0.4, 0.8))
    picture = Image.fromarray(image).resize((small, small), Image.Resampling.BILINEAR)
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))


def compress(image: Array, rng: np.random.Generator) -> Array:
    """JPEG of quality 15 to 70."""
    stream = io.BytesIO()
    Image.fromarray(np.rint(image).astype(np.uint8)).save(stream, "JPEG", quality=int(rng.integers(15, 71)))
    with Image.open(stream) as picture:
        return np.asarray(picture, np.float32)


def shadow(image: Array, rng: np.random.Generator) -> Array:
    """A dark band below a reflector, with soft sides, fading in with depth."""
    size = image.shape[0]
    columns, rows = np.arange(size), np.arange(size)
    centre, half_width = rng.uniform(0, size), rng.uniform(0.03, 0.12) * size
    start = rng.uniform(0.1, 0.7) * size
    side = np.exp(-(((columns - centre) / half_width) ** 2))
    depth = np.clip((rows - start) / (0.1 * size), 0, 1)
    strength = rng.uniform(0.3, 0.8)
    changed: Array = image * (1 - strength * depth[:, None] * side[None, :]).astype(np.float32)
    return changed


CHANGES: tuple[tuple[float, Change], ...] = (
    (0.7, gain_curve),
    (0.4, gamma),
    (0.2, dynamic_range),
    (0.25, speckle),
    (0.2, smooth),
    (0.15, sharpen),
    (0.2, coarsen),
    (0.15, shadow),
    (0.1, fan),
    (0.35, marks),
    (0.15, compress),
)
"""What may happen to the image alone: how often, and what. In this order."""
