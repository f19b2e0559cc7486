"""Random fields of tissue, and a scanner that makes pictures of them. Phantoms are drawn with both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


def noise(rng: np.random.Generator, shape: tuple[int, int], sigma_px: tuple[float, float]) -> Float:
    """Return Gaussian noise of mean 0 and SD about 1, smooth over ``sigma_px`` (rows, columns)."""
    from scipy import ndimage

    # A blur wider than three pixels is made on every ``step``-th pixel and stretched back.
    steps = [max(1, int(sigma / 3)) for sigma in sigma_px]
    coarse = tuple(size // step + 2 for size, step in zip(shape, steps, strict=True))
    field = rng.standard_normal(coarse, dtype=np.float32)
    field = ndimage.gaussian_filter(
        field, [max(0.4, sigma / step) for sigma, step in zip(sigma_px, steps, strict=True)], truncate=3
    )
    field /= max(float(field.std()), 1e-6)
    for axis in (0, 1):
        field = _stretch(field, shape[axis], steps[axis], axis)
    return field


def _stretch(field: Float, size: int, step: int, axis: int) -> Float:
    """Interpolate linearly to ``size`` samples, ``step`` to each of the field's."""
    position = np.arange(size, dtype=np.float32) / np.float32(step)
    low = np.minimum(position.astype(np.intp), field.shape[axis] - 2)
    weight = (position - low).astype(np.float32)
    weight = weight[:, None] if axis == 0 else weight[None, :]
    stretched: Float = np.take(field, low, axis) * (1 - weight) + np.take(field, low + 1, axis) * weight
    return stretched


def _double(field: NDArray[Any], shape: tuple[int, int]) -> Float:
    padded = np.pad(field.astype(np.float32), ((0, 1), (0, 1)), mode="edge")
    return _stretch(_stretch(padded, shape[0], 2, 0), shape[1], 2, 1)


def curve(rng: np.random.Generator, size: int, amplitude: float, bends: int = 5) -> Float:
    """Return a smooth random curve of mean about 0 and SD about ``amplitude``."""
    phase = rng.uniform(0, 2 * np.pi, bends)
    weight = rng.standard_normal(bends) / np.arange(1, bends + 1) ** 0.5
    weight *= amplitude / max(float(np.sqrt((weight**2).sum() / 2)), 1e-6)
    t = np.linspace(0, 1, size)[:, None] * np.pi * np.arange(1, bends + 1)[None, :]
    curve: Float = (np.cos(t + phase) * weight).sum(axis=1).astype(np.float32)
    return curve


def bend(rng: np.random.Generator, field: Float, shift_px: float) -> Float:
    """Shift columns up and down along a smooth curve that changes with depth."""
    rows, columns = field.shape
    top, bottom = curve(rng, columns, shift_px, 4), curve(rng, columns, shift_px, 4)
    depth = np.linspace(0, 1, rows)[:, None]
    source = np.arange(rows)[:, None] + np.rint(top * (1 - depth) + bottom * depth).astype(np.intp)
    bent: Float = np.take_along_axis(field, np.abs(source) % rows, axis=0)
    return bent


# ---- scanner -------------------------------------------------------------------------------------
def scan(rng: np.random.Generator, echo_db: Float, loss_db: Float, scale: float) -> NDArray[np.uint8]:
    """Return the log-compressed image (H, W), uint8, of scatterers with these strengths and losses."""
    from scipy import ndimage

    rows, columns = echo_db.shape
    depth = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    # Beams have a width: shadows soften sideways.
    path_db = ndimage.gaussian_filter1d(np.cumsum(loss_db, axis=0), 7 * scale, axis=1, truncate=2)
    gain_db = (
        -rng.uniform(0, 18) * np.clip(depth - rng.uniform(0.2, 0.5), 0, 1)
        + curve(rng, columns, rng.uniform(0.3, 1.5))[None, :]
        + curve(rng, rows, 1.2, bends=7)[:, None]
    ).astype(np.float32)
    clumping = rng.gamma(rng.uniform(1.5, 4.0), size=((rows + 1) // 2, (columns + 1) // 2)).astype(np.float32)
    clumping_db = _double(decibels(clumping / clumping.mean() + np.float32(1e-3)), (rows, columns))

    strength = np.exp((echo_db - path_db + clumping_db) * np.float32(np.log(10) / 10))
    # Noise passes the same receiver, so it looks like speckle.
    noise = np.float32(10 ** (rng.uniform(-38, -30) / 10))
    amplitude = np.sqrt(strength + noise)
    axial, narrow = max(0.5, rng.uniform(0.8, 1.1) * scale), max(0.5, rng.uniform(1.0, 1.5) * scale)
    wide = narrow * rng.uniform(1.8, 2.6)
    focus = np.clip(np.abs(depth - rng.uniform(0.3, 0.5)) / 0.6, 0, 1)
    power: Float = np.zeros((rows, columns), np.float32)
    # A blur of standard deviations a, b leaves 1 / (4 pi a b) of white noise's power.
    near_gain = (1 - focus) * np.float32(4 * np.pi * axial * narrow)
    far_gain = focus * np.float32(4 * np.pi * axial * wide)
    for _ in range(2):  # real and imaginary part
        echo = rng.standard_normal((rows, columns), dtype=np.float32) * amplitude
        echo = ndimage.gaussian_filter1d(echo, axial, axis=0, truncate=3)
        sharp = ndimage.gaussian_filter1d(echo, narrow, axis=1, truncate=3)
        blurred = ndimage.gaussian_filter1d(sharp, float(np.sqrt(wide**2 - narrow**2)), axis=1, truncate=2.5)
        power += near_gain * sharp**2 + far_gain * blurred**2
    # Compounding: scanners average looks from several angles, which tames the speckle.
    looks = ndimage.gaussian_filter(power, (1.2 * axial, 1.8 * narrow), truncate=2)
    level_db = decibels(0.5 * looks + np.float32(1e-6)) + gain_db
    span_db = rng.uniform(36, 48)
    grey = 255 * (level_db + span_db * rng.uniform(0.54, 0.7)) / span_db
    image: NDArray[np.uint8] = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return image


def decibels(power: Float) -> Float:
    # The natural logarithm is vectorised where log10 isn't: three times faster.
    decibels: Float = np.float32(10 / np.log(10)) * np.log(power)
    return decibels


# ---- what the operator left in the picture -------------------------------------------------------
_GLYPHS = {  # 3 x 5 pixels each, rows top down
    "A": "010101111101101", "B": "110101110101110", "E": "111100110100111", "F": "111100110100100",
    "H": "101101111101101", "I": "111010010010111", "L": "100100100100111", "R": "110101110101101",
    "S": "011100010001110", "T": "111010010010010", "G": "011100101101011", " ": "000000000000000",
}  # fmt: skip


_TEXTS = ("RIGHT BREAST", "LEFT BREAST", "RT BREAST", "LT BREAST")


def burn_in(rng: np.random.Generator, image: NDArray[np.uint8], outline: PhantomOutline | None, scale: float) -> None:
    """Draw callipers at a lesion's axes and a caption, in place: in about a third of the images each."""
    size = max(1, round(2.5 * scale))
    if outline is not None and rng.random() < 0.35:
        half_y, half_x = outline.semi_axes
        y, x = outline.centre
        for end_y, end_x in ((half_y, 0.0), (0.0, half_x)):
            for part in np.linspace(-1, 1, 25):
                _dot(image, y + part * end_y, x + part * end_x, 1)
            for sign in (-1, 1):
                for step in range(-2 * size, 2 * size + 1):
                    _dot(image, y + sign * end_y + step, x + sign * end_x, max(1, size // 2))
                    _dot(image, y + sign * end_y, x + sign * end_x + step, max(1, size // 2))
    if rng.random() < 0.35:
        text = _TEXTS[int(rng.integers(len(_TEXTS)))]
        letters = [np.array(list(_GLYPHS[letter])).reshape(5, 3) == "1" for letter in text]
        bits = np.hstack([np.pad(letter, ((0, 0), (0, 1))) for letter in letters])
        drawn = np.kron(bits, np.ones((size, size), bool))
        top = int(rng.uniform(0.85, 0.95) * image.shape[0])
        left = int(rng.uniform(0.02, 0.4) * image.shape[1])
        window = image[top : top + drawn.shape[0], left : left + drawn.shape[1]]
        window[drawn[: window.shape[0], : window.shape[1]]] = 235


def _dot(image: NDArray[np.uint8], y: float, x: float, size: int) -> None:
    row, column = round(y), round(x)
    if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
        image[row : row + size, column : column + size] = 235


# ---- lesion --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class PhantomOutline:
    """A star-shaped region: at angle t its edge is ``radius(t)`` times the ellipse's."""

    centre: tuple[float, float]
    semi_axes: tuple[float, float]
    tilt: float
    factors: NDArray[np.float64]

    def window(self, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Return rows and columns that hold the region and what surrounds it."""
        reach = 1.4 * float(self.factors.max()) * max(self.semi_axes)
        rows, columns = (
            slice(max(0, int(middle - reach)), min(size, int(middle + reach) + 2))
            for middle, size in zip(self.centre, shape, strict=True)
        )
        return rows, columns

    def relative_radius(self, window: tuple[slice, slice]) -> Float:
        """Return each pixel's distance from the centre in units of the edge's: up to 1 is inside."""
        y = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None] - np.float32(self.centre[0])
        x = np.arange(window[1].start, window[1].stop, dtype=np.float32)[None, :] - np.float32(self.centre[1])
        cosine, sine = np.float32(np.cos(self.tilt)), np.float32(np.sin(self.tilt))
        u = (cosine * y - sine * x) / np.float32(self.semi_axes[0])
        v = (sine * y + cosine * x) / np.float32(self.semi_axes[1])
        angle = np.arctan2(v, u) * np.float32(len(self.factors) / (2 * np.pi))
        factor = self.factors.astype(np.float32)[np.rint(angle).astype(np.intp) % len(self.factors)]
        relative: Float = (np.hypot(u, v) / factor).astype(np.float32, copy=False)
        return relative
