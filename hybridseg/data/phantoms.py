"""Synthetic breast-ultrasound images with exact ground truth: the data set that needs no download.

The generator follows the physics that makes ultrasound hard to segment. Tissue is a map of echo strength in decibels:
skin, subcutaneous fat with septa, gland with fat lobules, fascia and muscle. Random scatterers of that strength are
blurred by a point-spread function that widens away from the focus. The envelope of the sum is speckle: Rayleigh where
scatterers are many, and K-distributed where their density varies. Attenuation is summed along each beam, so that a
shadow or an enhancement begins below what causes it. Noise, an imperfect depth gain, logarithmic compression and
burnt-in callipers and text come last.

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
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .cases import Case, Dataset
from .ultrasound import Float, PhantomOutline, _double, bend, burn_in, curve, noise, scan

GENERATOR_VERSION = 1
"""Raised whenever a seed gives other pixels than before."""

KINDS = ("benign", "malignant", "normal")
SMALLEST_SIDE_PX = 32
_PATTERN = (0, 1, 0, 2, 0, 1, 0, 1, 0, 2)  # 5 benign, 3 malignant, 2 normal in every ten
_REFERENCE_HEIGHT_PX = 470.0
_CASE_NAME = re.compile(r"(?:.*/)?phantom \([0-9]+\)", re.DOTALL)


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


def is_phantom(case_id: str) -> bool:
    """Whether a case is a phantom by its name, also where phantoms were written to a folder or joined with other data.

    >>> is_phantom("phantom (3)"), is_phantom("mine/phantom (12)"), is_phantom("benign (3)")
    (True, True, False)
    """
    return _CASE_NAME.fullmatch(case_id) is not None


def phantom(seed: int | Sequence[int], kind: str | None = None, shape: tuple[int, int] | None = None) -> Phantom:
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
    image = scan(rng, echo_db, loss_db, scale)
    burn_in(rng, image, outline, scale)
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
    fibres = bend(rng, noise(rng, (rows, columns), (2.0 * unit, 26 * unit)), 16 * unit)
    strands = bend(rng, noise(rng, (rows, columns), (3.5 * unit, 10 * unit)), 16 * unit)
    lobules = noise(rng, (rows, columns), (13 * unit, 26 * unit))
    septa = np.clip(fibres - 0.7, 0, 1.8)
    fatty = np.clip(lobules - rng.uniform(0.3, 1.2), 0, 0.6) / 0.6

    skin = rng.uniform(0.02, 0.045) + curve(rng, columns, 0.003)
    fat = skin + rng.uniform(0.06, 0.22) + curve(rng, columns, 0.014)
    gland = fat + rng.uniform(0.3, 0.5) + curve(rng, columns, 0.014)
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
    contact = np.clip(curve(rng, columns, 1.0, bends=9) - 1.0, 0, None)
    loss_db += (contact * rng.uniform(0.0, 0.06) / scale).astype(np.float32)
    loss_db += (0.05 / scale * septa * in_gland).astype(np.float32)
    return _double(echo_db, shape), _double(loss_db, shape)


def _draw_outline(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> PhantomOutline:
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
    return PhantomOutline((float(y), float(x)), (float(axial), float(lateral)), tilt, np.exp(log_factor))


def _add_lesion(
    rng: np.random.Generator, kind: str, outline: PhantomOutline, *, echo_db: Float, loss_db: Float, scale: float
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
    wander = noise(rng, relative.shape, (5 * scale, 6 * scale)) * np.float32(0.35 * softness)
    inside = np.clip((1 - relative + wander) / softness + 0.5, 0, 1)
    cystic = benign and rng.random() < 0.25
    level = rng.uniform(-26, -18) if cystic else rng.uniform(-15, -6) if benign else rng.uniform(-17, -8)
    texture = noise(rng, relative.shape, (6 * scale, 9 * scale)) * np.float32(1.2 if benign else 2.5)
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
