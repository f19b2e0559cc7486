"""Paint over a scan as scanners and readers do: callipers, captions, body marks, the corners of a fan.

About half of BUSI's pictures have some of it, and callipers stand at the lesion. Painted anywhere, they say nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Array = NDArray[np.float32]

LETTERS = "ABCDEFGHIKLMNOPRSTUVWXYZabcdefghiklmnoprstuvwxyz0123456789.:-+/ "


def marks(image: Array, rng: np.random.Generator) -> Array:
    """Paint one to three of: a pair of callipers, a caption, a body mark. ``image`` is (S, S), float32, 0..255."""
    picture = Image.fromarray(np.rint(image).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(1, 4)):
        (_callipers, _caption, _body_mark)[rng.choice(3, p=(0.5, 0.35, 0.15))](draw, picture.width, rng)
    return np.asarray(picture, np.float32)


def _callipers(draw: ImageDraw.ImageDraw, size: int, rng: np.random.Generator) -> None:
    """Two crosses, often with a dotted line between them."""
    ends = rng.uniform(0.05, 0.95, (2, 2)) * size
    ends[1] = ends[0] + np.clip(ends[1] - ends[0], -0.5 * size, 0.5 * size)
    grey, arm = int(rng.integers(150, 256)), int(rng.integers(2, 5))
    for x, y in ends:
        if rng.random() < 0.7:
            draw.line((x - arm, y, x + arm, y), fill=grey)
            draw.line((x, y - arm, x, y + arm), fill=grey)
        else:
            draw.line((x - arm, y - arm, x + arm, y + arm), fill=grey)
            draw.line((x - arm, y + arm, x + arm, y - arm), fill=grey)
    if rng.random() < 0.6:
        count = max(2, int(np.hypot(*(ends[1] - ends[0])) / rng.integers(3, 7)))
        for share in np.linspace(0, 1, count):
            draw.point(tuple(ends[0] + share * (ends[1] - ends[0])), fill=grey)


def _caption(draw: ImageDraw.ImageDraw, size: int, rng: np.random.Generator) -> None:
    """A word or two, mostly near an edge."""
    text = "".join(rng.choice(list(LETTERS), rng.integers(2, 14)))
    x, y = rng.uniform(0, 0.8) * size, rng.uniform(0, 0.95) * size
    if rng.random() < 0.7:
        y = rng.choice((rng.uniform(0, 0.08), rng.uniform(0.88, 0.96))) * size
    font = ImageFont.load_default(float(rng.integers(6, 13)))
    draw.text((x, y), text, fill=int(rng.integers(140, 256)), font=font)


def _body_mark(draw: ImageDraw.ImageDraw, size: int, rng: np.random.Generator) -> None:
    """The outline of a breast in a corner, with a line for the probe."""
    side = rng.uniform(0.08, 0.16) * size
    x, y = rng.choice((0.01 * size, size - side - 2)), rng.choice((0.01 * size, size - side - 2))
    grey = int(rng.integers(120, 256))
    draw.ellipse((x, y, x + side, y + side), outline=grey)
    probe = x + side * rng.uniform(0.2, 0.8), y + side * rng.uniform(0.2, 0.8)
    draw.line((*probe, probe[0] + rng.uniform(-6, 6), probe[1] + rng.uniform(-6, 6)), fill=grey, width=2)


def fan(image: Array, rng: np.random.Generator) -> Array:
    """Black outside of a fan, as curved probes show it. ``image`` is (S, S), float32."""
    size = image.shape[0]
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    apex = rng.uniform(0.6, 2.5) * size  # above the picture
    angle = np.arctan2(columns - rng.uniform(0.4, 0.6) * size, rows + apex)
    radius = np.hypot(columns - size / 2, rows + apex)
    half_angle = np.arctan2(rng.uniform(0.4, 0.6) * size, apex + rng.uniform(0.2, 0.8) * size)
    seen = (np.abs(angle) <= half_angle) & (radius <= apex + size * rng.uniform(0.95, 1.1))
    return np.where(seen, image, np.float32(rng.integers(0, 5)))
