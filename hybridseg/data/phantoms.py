"""Synthetic breast-ultrasound images with exact ground truth: the data set that needs no download.

The generator follows the physics that makes ultrasound hard to segment. Tissue is a map of echo strength in
decibels: skin, subcutaneous fat with septa, gland with fat lobules, fascia and muscle. Random scatterers of
that strength are blurred by a point-spread function that widens away from the focus; the envelope of the
sum is speckle, Rayleigh where scatterers are many and K-distributed where their density varies. Attenuation
is summed along each beam, so that a shadow or an enhancement begins below what causes it. Noise, an
imperfect depth gain, logarithmic compression and burnt-in callipers and text come last.

They are phantoms: good for tests, demonstrations and timing, not for a statement about patients.

References
----------
Wagner, Smith, Sandrik and Lopez (1983), Statistics of speckle in ultrasound B-scans,
doi:10.1109/T-SU.1983.31404. Jakeman and Pusey (1976), A model for non-Rayleigh sea echo (K-distribution),
doi:10.1109/TAP.1976.1141451. Shankar (1995), A model for ultrasonic scattering from tissues based on the
K distribution, doi:10.1088/0031-9155/40/10/006.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .cases import Case, Dataset

GENERATOR_VERSION = 1
"""Raised whenever a seed gives other pixels than before."""

KINDS = ("benign", "malignant", "normal")
SMALLEST_SIDE_PX = 32
_PATTERN = (0, 1, 0, 2, 0, 1, 0, 1, 0, 2)  # 5 benign, 3 malignant, 2 normal in every ten
_REFERENCE_HEIGHT_PX = 470.0

Float = NDArray[np.float32]


class Phantom(NamedTuple):
    """Image (H, W) uint8, ground truth (H, W) bool, and label: one of `KINDS`."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    label: str


@dataclass(frozen=True)
class PhantomCase(Case):
    """A phantom made from its seeds each time it is read. ``shape`` None: drawn from the seeds."""

    seeds: tuple[int, ...]
    shape: tuple[int, int] | None = None

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return image and mask, of one shape."""
        made = phantom(self.seeds, self.label, self.shape)
        return made.image, made.mask

    def content_hash(self) -> str:
        """Return a SHA-256 (hex) over generator version, seeds, kind and shape."""
        text = f"phantom {GENERATOR_VERSION} {self.seeds} {self.label} {self.shape}"
        return hashlib.sha256(text.encode()).hexdigest()


def phantom_dataset(n: int = 24, seed: int = 0, shape: tuple[int, int] | None = None) -> Dataset:
    """Return ``n`` phantoms: of every ten, five benign, three malignant and two without a lesion.

    The first cases of a larger set are those of a smaller one with the same seed.

    Raises
    ------
    ValueError
        If ``n`` is below 1, ``seed`` negative or ``shape`` too small.

    Examples
    --------
    >>> phantom_dataset(3).labels
    ['benign', 'malignant', 'benign']
    """
    if n < 1:
        raise ValueError(f"`n` must be at least 1, got {n}")
    if seed < 0:
        raise ValueError(f"`seed` must not be negative, got {seed}")
    if shape is not None:
        _check_shape(shape)
    cases = []
    for index in range(n):
        case_id = f"phantom ({index + 1})"
        cases.append(PhantomCase(case_id, case_id, KINDS[_PATTERN[index % 10]], (seed, index), shape))
    return Dataset("phantoms", tuple(cases), "the generator: each phantom is a scene of its own")


def phantom(
    seed: int | Sequence[int], kind: str | None = None, shape: tuple[int, int] | None = None
) -> Phantom:
    """Return one phantom; equal arguments give equal pixels.

    Parameters
    ----------
    seed : int or sequence of int
        Not negative.
    kind : {'benign', 'malignant', 'normal'}, optional
        Drawn with odds 5 : 3 : 2 when not given.
    shape : tuple of int, optional
        Rows and columns, at least 32 each; drawn around 470 x 560 when not given.

    Raises
    ------
    ValueError
        If ``kind`` is unknown or ``shape`` too small.
    """
    rng = np.random.default_rng(seed)
    drawn_kind = KINDS[_PATTERN[int(rng.integers(10))]]
    drawn_shape = (int(rng.integers(400, 561)), int(rng.integers(470, 681)))
    kind = drawn_kind if kind is None else kind
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {', '.join(KINDS)}, got `{kind}`")
    height, width = _check_shape(shape or drawn_shape)
    scale = height / _REFERENCE_HEIGHT_PX

    echo_db, loss_db = _tissue(rng, (height, width), scale)
    mask = np.zeros((height, width), bool)
    outline = None
    if kind != "normal":
        outline = _draw_outline(rng, kind, (height, width))
        mask = _add_lesion(rng, kind, outline, echo_db=echo_db, loss_db=loss_db, scale=scale)
    image = _scan(rng, echo_db, loss_db, scale)
    _burn_in(rng, image, outline, scale)
    return Phantom(image, mask, kind)


def _check_shape(shape: tuple[int, int]) -> tuple[int, int]:
    if len(shape) != 2 or min(shape) < SMALLEST_SIDE_PX:
        raise ValueError(f"`shape` must be (rows, columns), each at least {SMALLEST_SIDE_PX}, got {shape}")
    return int(shape[0]), int(shape[1])


# ---- tissue --------------------------------------------------------------------------------------
def _tissue(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> tuple[Float, Float]:
    """Return echo strength (dB, gland near 0) and loss per pixel of path (dB), both of the image's shape.

    Made at half the resolution: nothing in it is finer than the point-spread function.
    """
    rows, columns = (shape[0] + 1) // 2, (shape[1] + 1) // 2
    depth = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) / rows
    unit = scale / 2  # half-resolution pixels per pixel of the reference height

    # Structures lie along layers that bend: noise stretched sideways, then sheared column by column.
    fibres = _bend(rng, _noise(rng, (rows, columns), (2.0 * unit, 26 * unit)), 16 * unit)
    strands = _bend(rng, _noise(rng, (rows, columns), (3.5 * unit, 10 * unit)), 16 * unit)
    lobules = _noise(rng, (rows, columns), (13 * unit, 26 * unit))
    septa = np.clip(fibres - 0.7, 0, 1.8)
    fatty = np.clip(lobules - rng.uniform(0.3, 1.2), 0, 0.6) / 0.6

    skin = rng.uniform(0.02, 0.045) + _curve(rng, columns, 0.003)
    fat = skin + rng.uniform(0.06, 0.22) + _curve(rng, columns, 0.014)
    gland = fat + rng.uniform(0.3, 0.5) + _curve(rng, columns, 0.014)
    ragged = depth + 0.022 * lobules + 0.006 * strands
    in_skin = np.clip((skin - depth) / 0.01 + 0.5, 0, 1)
    above_gland, above_muscle = (
        np.clip((edge - ragged) / rng.uniform(0.01, 0.06) + 0.5, 0, 1) for edge in (fat, gland)
    )
    in_fat = np.maximum(above_gland - in_skin, 0)
    in_gland = np.maximum(above_muscle - np.maximum(above_gland, in_skin), 0)
    in_muscle = 1 - in_skin - in_fat - in_gland

    echo_db = (
        in_skin * (3 + 2 * strands)
        + in_fat * (rng.uniform(-10, -5) + 1.5 * strands + 7 * septa)
        + in_gland * (rng.uniform(1.5, 4) * strands + 4 * septa - rng.uniform(4, 12) * fatty + 1.5 * lobules)
        + in_muscle * (rng.uniform(-9, -4) + 2.5 * strands + 8 * septa)
    )
    for edge, strength in ((skin, 5.0), (fat, rng.uniform(0, 7)), (gland, rng.uniform(0, 9))):
        line = np.exp(-(((depth + 0.01 * lobules - edge) * rows / (3 * unit)) ** 2))
        echo_db += strength * line * np.clip(0.5 + strands, 0, 1)

    loss_db = np.full((rows, columns), rng.uniform(0.0, 0.015), np.float32) / scale
    # Poor contact or a nipple dims whole beams.
    contact = np.clip(_curve(rng, columns, 1.0, bends=9) - 1.0, 0, None)
    loss_db += (contact * rng.uniform(0.0, 0.06) / scale).astype(np.float32)
    loss_db += (0.05 / scale * septa * in_gland).astype(np.float32)
    return _double(echo_db, shape), _double(loss_db, shape)


def _noise(rng: np.random.Generator, shape: tuple[int, int], sigma_px: tuple[float, float]) -> Float:
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


def _curve(rng: np.random.Generator, size: int, amplitude: float, bends: int = 5) -> Float:
    """Return a smooth random curve of mean about 0 and SD about ``amplitude``."""
    phase = rng.uniform(0, 2 * np.pi, bends)
    weight = rng.standard_normal(bends) / np.arange(1, bends + 1) ** 0.5
    weight *= amplitude / max(float(np.sqrt((weight**2).sum() / 2)), 1e-6)
    t = np.linspace(0, 1, size)[:, None] * np.pi * np.arange(1, bends + 1)[None, :]
    curve: Float = (np.cos(t + phase) * weight).sum(axis=1).astype(np.float32)
    return curve


def _bend(rng: np.random.Generator, field: Float, shift_px: float) -> Float:
    """Shift columns up and down along a smooth curve that changes with depth."""
    rows, columns = field.shape
    top, bottom = _curve(rng, columns, shift_px, 4), _curve(rng, columns, shift_px, 4)
    depth = np.linspace(0, 1, rows)[:, None]
    source = np.arange(rows)[:, None] + np.rint(top * (1 - depth) + bottom * depth).astype(np.intp)
    bent: Float = np.take_along_axis(field, np.abs(source) % rows, axis=0)
    return bent


# ---- lesion --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Outline:
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


def _draw_outline(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> _Outline:
    height, width = shape
    benign = kind == "benign"
    share = float(np.clip(rng.lognormal(np.log(0.035 if benign else 0.085), 0.65), 0.006, 0.2))
    aspect = float(rng.uniform(0.45, 0.85) if benign else rng.uniform(0.75, 1.5))  # height over width
    area = share * height * width
    axial = min(np.sqrt(area * aspect / np.pi), 0.3 * height)
    lateral = min(area / (np.pi * axial), 0.4 * width)
    t = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    orders = np.arange(2, 6 if benign else 16)
    weights = rng.standard_normal(len(orders)) / orders
    log_factor = np.cos(orders * t[:, None] + rng.uniform(0, 2 * np.pi, len(orders))) @ weights
    log_factor *= (rng.uniform(0.02, 0.07) if benign else rng.uniform(0.09, 0.16)) / log_factor.std()
    if not benign:
        for _ in range(int(rng.integers(3, 10))):  # spicules: thin, pointed, outwards
            away = np.abs((t - rng.uniform(0, 2 * np.pi) + np.pi) % (2 * np.pi) - np.pi)
            log_factor += rng.uniform(0.1, 0.4) * np.exp(-away / rng.uniform(0.05, 0.14))
    top = max(0.08 * height + axial, 0.2 * height)
    y, x = rng.uniform(top, max(top + 1, 0.62 * height)), rng.uniform(0.24, 0.76) * width
    tilt = float(rng.uniform(-0.35, 0.35))
    return _Outline((float(y), float(x)), (float(axial), float(lateral)), tilt, np.exp(log_factor))


def _add_lesion(
    rng: np.random.Generator, kind: str, outline: _Outline, *, echo_db: Float, loss_db: Float, scale: float
) -> NDArray[np.bool_]:
    """Write a lesion into echo strength and loss, in place, and return its mask."""
    window = outline.window((echo_db.shape[0], echo_db.shape[1]))
    relative = outline.relative_radius(window)
    mask = np.zeros(echo_db.shape, bool)
    mask[window] = relative <= 1
    echo_db, loss_db = echo_db[window], loss_db[window]  # views: what follows writes through

    benign = kind == "benign"
    mean_radius = float(np.sqrt(outline.semi_axes[0] * outline.semi_axes[1]))
    softness = (rng.uniform(1.5, 4.0) if benign else rng.uniform(4.0, 12.0)) * scale / mean_radius
    # The edge that is seen wanders about the edge that is true.
    wander = _noise(rng, relative.shape, (5 * scale, 6 * scale)) * np.float32(0.35 * softness)
    inside = np.clip((1 - relative + wander) / softness + 0.5, 0, 1)
    cystic = benign and rng.random() < 0.25
    level = rng.uniform(-26, -18) if cystic else rng.uniform(-15, -6) if benign else rng.uniform(-17, -8)
    texture = _noise(rng, relative.shape, (6 * scale, 9 * scale)) * np.float32(1.2 if benign else 2.5)
    echo_db += inside * (level + texture - (0.2 if cystic else 0.6) * echo_db)
    if benign:  # a capsule
        rim = rng.uniform(0, 5) * np.exp(-(((relative - 1) / (1.5 * softness)) ** 2))
    else:  # a halo of invaded fat
        rim = rng.uniform(0, 5) * np.clip(1.4 - relative, 0, 0.4) / 0.4
    echo_db += (1 - inside) * rim

    path_px = 2 * outline.semi_axes[0]
    if benign:
        loss_db -= inside * np.float32(rng.uniform(0, 8) / path_px)
        # Refraction at the sides, where the outline runs along the beam, dims what lies below it.
        x = np.arange(window[1].start, window[1].stop, dtype=np.float32) - np.float32(outline.centre[1])
        side = np.abs(np.abs(x) / np.float32(outline.semi_axes[1]) - 1) < 0.07
        loss_db += (side & (np.abs(relative - 1) < 0.15)) * np.float32(rng.uniform(0, 12) / (0.6 * path_px))
    else:
        loss_db += inside * np.float32(rng.uniform(-2, 14) / path_px)
        if rng.random() < 0.3:  # microcalcifications
            bright = (rng.random(relative.shape, dtype=np.float32) < 0.002 / scale**2) & (relative < 0.8)
            echo_db[bright] += 24
    return mask


# ---- scanner -------------------------------------------------------------------------------------
def _scan(rng: np.random.Generator, echo_db: Float, loss_db: Float, scale: float) -> NDArray[np.uint8]:
    """Return the log-compressed image (H, W), uint8, of scatterers with these strengths and losses."""
    from scipy import ndimage

    rows, columns = echo_db.shape
    depth = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    # Beams have a width: shadows soften sideways.
    path_db = ndimage.gaussian_filter1d(np.cumsum(loss_db, axis=0), 7 * scale, axis=1, truncate=2)
    gain_db = (
        -rng.uniform(0, 18) * np.clip(depth - rng.uniform(0.2, 0.5), 0, 1)
        + _curve(rng, columns, rng.uniform(0.3, 1.5))[None, :]
        + _curve(rng, rows, 1.2, bends=7)[:, None]
    ).astype(np.float32)
    clumping = rng.gamma(rng.uniform(1.5, 4.0), size=((rows + 1) // 2, (columns + 1) // 2)).astype(np.float32)
    clumping_db = _double(_decibels(clumping / clumping.mean() + np.float32(1e-3)), (rows, columns))

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
    level_db = _decibels(0.5 * looks + np.float32(1e-6)) + gain_db
    span_db = rng.uniform(36, 48)
    grey = 255 * (level_db + span_db * rng.uniform(0.54, 0.7)) / span_db
    image: NDArray[np.uint8] = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return image


def _decibels(power: Float) -> Float:
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


def _burn_in(
    rng: np.random.Generator, image: NDArray[np.uint8], outline: _Outline | None, scale: float
) -> None:
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
