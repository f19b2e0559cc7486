"""Augmentation for breast ultrasound: what changes between probes, settings and patients, and nothing else.

Geometry moves image and mask together; intensity touches the image alone. Every draw comes from the generator that
is passed in, so a case's picture in an epoch depends on seed, epoch and case only, whatever was drawn before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]


def augment(image: Array, mask: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return a changed copy of a working-size image and its mask.

    Parameters
    ----------
    image : ndarray of shape (S, S), float32
        Grey values 0..255.
    mask : ndarray of shape (S, S), float32
        Lesion share of each working pixel, in [0, 1].
    rng : numpy.random.Generator
    """
    image, mask = move(image, mask, rng)
    if rng.random() < 0.8:
        image = gain_curve(image, rng)
    if rng.random() < 0.5:
        gamma = np.float32(np.exp(rng.uniform(-0.5, 0.5)))
        image = (255 * (np.clip(image, 0, 255) / 255) ** gamma).astype(np.float32)
    if rng.random() < 0.3:
        image = speckle(image, rng)
    if rng.random() < 0.2:
        image = ndimage.gaussian_filter(image, rng.uniform(0.4, 1.2))
    if rng.random() < 0.15:
        image = shadow(image, rng)
    return np.clip(image, 0, 255).astype(np.float32), mask


def move(image: Array, mask: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Flip left to right, rotate up to 15 degrees, scale by 0.7 to 1.4 (sides apart by up to 15 %), shift up to 12 %.

    Never upside down: the skin is on top and shadows fall downwards. What comes in from outside mirrors the border.
    """
    size = image.shape[0]
    angle = np.deg2rad(rng.uniform(-15, 15))
    scale = np.exp(rng.uniform(-0.35, 0.35))
    aspect = np.exp(rng.uniform(-0.07, 0.07))
    shift = rng.uniform(-0.12, 0.12, 2) * size
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = matrix / np.array([scale * aspect, scale / aspect])
    if rng.random() < 0.5:
        matrix[:, 1] *= -1
    centre = np.full(2, (size - 1) / 2)
    offset = centre - matrix @ (centre + shift)
    return (
        ndimage.affine_transform(image, matrix, offset, order=1, mode="reflect"),
        ndimage.affine_transform(mask, matrix, offset, order=1, mode="reflect"),
    )


def gain_curve(image: Array, rng: np.random.Generator) -> Array:
    """Overall gain, contrast about the mean, and a time-gain curve: a smooth factor by depth (row)."""
    size = image.shape[0]
    knots = rng.uniform(-0.25, 0.25, 5)
    curve = np.interp(np.linspace(0, 4, size), np.arange(5), knots)
    factor = (1 + curve + rng.uniform(-0.2, 0.2)).astype(np.float32)
    mean = image.mean()
    contrast = np.float32(rng.uniform(0.75, 1.3))
    changed: Array = ((image - mean) * contrast + mean) * factor[:, None]
    return changed


def speckle(image: Array, rng: np.random.Generator) -> Array:
    """Multiplicative noise, correlated along the row as a scan line's point spread makes it."""
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, (rng.uniform(0.3, 0.8), rng.uniform(0.6, 1.6)))
    noise /= noise.std() + np.float32(1e-6)
    changed: Array = image * (1 + np.float32(rng.uniform(0.05, 0.25)) * noise)
    return changed


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
