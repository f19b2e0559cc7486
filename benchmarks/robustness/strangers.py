"""Pictures that are no breast ultrasound: made here, and real ones that packages bring along."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WORDS = (
    "patient", "seen", "for", "follow up", "of a mass", "in the left breast", "no change", "since last year", "report",
    "dated", "finding", "impression", "recommend", "ultrasound", "in six months", "signed",
)  # fmt: skip
PHOTOGRAPHS = (
    "skimage/data/astronaut.png", "skimage/data/camera.png", "skimage/data/chelsea.png", "skimage/data/coffee.png",
    "skimage/data/hubble_deep_field.jpg", "skimage/data/moon.png", "skimage/data/motorcycle_left.png",
    "skimage/data/motorcycle_right.png", "skimage/data/rocket.jpg", "skimage/data/brick.png",
    "skimage/data/grass.png", "skimage/data/gravel.png", "skimage/data/coins.png",
    "sklearn/datasets/images/china.jpg", "sklearn/datasets/images/flower.jpg",
    "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
)  # fmt: skip
GRAPHICS = (
    "skimage/data/chessboard_GRAY.png", "skimage/data/chessboard_RGB.png", "skimage/data/clock_motion.png",
    "skimage/data/color.png", "skimage/data/horse.png", "skimage/data/logo.png", "skimage/data/page.png",
    "skimage/data/text.png", "matplotlib/mpl-data/sample_data/Minduka_Present_Blue_Pack.png",
    "matplotlib/mpl-data/sample_data/logo2.png",
)  # fmt: skip
MEDICAL = (
    "skimage/data/cell.png", "skimage/data/ihc.png", "skimage/data/microaneurysms.png", "skimage/data/phantom.png",
    "skimage/data/retina.jpg",
    *(f"pydicom/data/test_files/{name}.dcm" for name in (
        "693_J2KI", "CT_small", "J2K_pixelrep_mismatch", "JPEG2000", "MR_small", "examples_overlay", "image_dfl",
        "examples_palette",
    )),
)  # fmt: skip
"""Microscopy, retina, CT, MR and nuclear medicine; the last one is ultrasound of another organ, in colour."""


def real(names: tuple[str, ...]) -> Iterator[np.ndarray]:
    """Yield packages' own pictures as grey images, (H, W) uint8."""
    for name in names:
        package, _, rest = name.partition("/")
        yield _read(Path(__import__(package).__file__).parent / rest)


def quarters(images: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the four quarters of each image."""
    for image in images:
        rows, columns = image.shape[0] // 2, image.shape[1] // 2
        for half in (image[:rows], image[rows:]):
            yield from (half[:, :columns], half[:, columns:])


def _read(path: Path) -> np.ndarray:
    if path.suffix != ".dcm":
        return np.array(Image.open(path).convert("RGBA").convert("L"))
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # padded and old test files
        values = pydicom.dcmread(path).pixel_array.astype(float)
    low, high = np.percentile(values, [1, 99])
    return (255 * np.clip((values - low) / (high - low), 0, 1)).astype(np.uint8)


def text_page(rng: np.random.Generator) -> np.ndarray:
    """Return a page of text, dark on light or light on dark."""
    height, width = (int(side) for side in rng.integers(400, 1200, 2))
    light, dark = int(rng.integers(200, 256)), int(rng.integers(0, 60))
    paper, ink = (light, dark) if rng.random() < 0.7 else (dark, light)
    page = Image.new("L", (width, height), paper)
    size = int(rng.integers(10, 34))
    draw, font, top = ImageDraw.Draw(page), ImageFont.load_default(size), int(rng.integers(5, 60))
    while top < height - size:
        line = " ".join(rng.choice(WORDS, int(rng.integers(3, 18))))
        draw.text((int(rng.integers(5, 40)), top), line, font=font, fill=ink)
        top += int(size * rng.uniform(1.2, 2))
    return np.array(page)


def screenshot(rng: np.random.Generator) -> np.ndarray:
    """Return coloured windows and words, in grey."""
    height, width = int(rng.integers(500, 1100)), int(rng.integers(700, 1600))
    screen = Image.new("RGB", (width, height), tuple(int(level) for level in rng.integers(20, 256, 3)))
    draw = ImageDraw.Draw(screen)
    for _ in range(int(rng.integers(5, 30))):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        far = (x + int(rng.integers(20, width // 2)), y + int(rng.integers(10, height // 3)))
        draw.rectangle([(x, y), far], fill=tuple(int(level) for level in rng.integers(0, 256, 3)))
    for _ in range(int(rng.integers(10, 60))):
        place = int(rng.integers(0, width)), int(rng.integers(0, height))
        font = ImageFont.load_default(int(rng.integers(10, 30)))
        draw.text(place, " ".join(rng.choice(WORDS, 4)), font=font, fill=int(rng.integers(0, 256)) * 0x010101)
    return np.array(screen.convert("L"))


def chart(rng: np.random.Generator) -> np.ndarray:
    """Return lines and bars on white."""
    height, width = int(rng.integers(300, 900)), int(rng.integers(400, 1200))
    picture = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(picture)
    for place in range(10):
        draw.line([(0, place * height // 10), (width, place * height // 10)], fill=210)
    for place in range(int(rng.integers(0, 12))):
        left = place * width // 12
        corners = [(left + 5, int(rng.integers(height // 4, height))), (left + width // 20, height)]
        draw.rectangle(corners, fill=int(rng.integers(60, 200)))
    for _ in range(int(rng.integers(1, 6))):
        heights = height / 2 + np.cumsum(rng.normal(0, height / 40, 60))
        points = [(place * width // 60, int(y)) for place, y in enumerate(heights)]
        draw.line(points, fill=int(rng.integers(0, 150)), width=int(rng.integers(1, 5)))
    return np.array(picture)


def noise(rng: np.random.Generator) -> np.ndarray:
    """Return noise: uniform, normal, exponential, or in blocks."""
    height, width = (int(side) for side in rng.integers(100, 900, 2))
    shape = (height, width)
    return _grey([
        lambda: rng.integers(0, 256, shape),
        lambda: rng.normal(rng.uniform(40, 200), rng.uniform(5, 60), shape),
        lambda: rng.exponential(rng.uniform(10, 60), shape),
        lambda: np.kron(rng.integers(0, 256, (height // 8 + 1, width // 8 + 1)), np.ones((8, 8)))[:height, :width],
    ][rng.integers(4)]())  # fmt: skip


def blank(rng: np.random.Generator) -> np.ndarray:
    """Return one grey, a ramp of greys, or either with a little noise."""
    height, width = (int(side) for side in rng.integers(50, 900, 2))
    picture = np.full((height, width), float(rng.integers(0, 256)))
    picture += rng.integers(2) * np.linspace(-1, 1, width) * rng.uniform(0, 120)
    return _grey(picture + rng.integers(2) * rng.normal(0, rng.uniform(0, 2), picture.shape))


def head(rng: np.random.Generator) -> np.ndarray:
    """Return a made-up slice of a head: skull, brain and ventricles on black."""
    from scipy.ndimage import gaussian_filter

    side = int(rng.integers(200, 520))
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    distance = (x / rng.uniform(0.6, 0.8)) ** 2 + (y / rng.uniform(0.75, 0.95)) ** 2
    picture = np.where(distance < 0.88, rng.uniform(60, 140), rng.uniform(160, 250))
    for centre in (-0.12, 0.12):
        picture[((x - centre) / 0.08) ** 2 + (y / 0.3) ** 2 < 1] = rng.uniform(10, 220)
    picture = gaussian_filter(picture + gaussian_filter(rng.normal(0, 60, picture.shape), 2), 1)
    return _grey(np.where(distance < 1, picture + rng.normal(0, 4, picture.shape), rng.uniform(0, 4)))


def chest(rng: np.random.Generator) -> np.ndarray:
    """Return a made-up film of a chest: spine, lungs and ribs."""
    height, width = (int(side) for side in rng.integers(400, 900, 2))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    picture = 150 + 60 * np.exp(-((x / 0.12) ** 2))
    for side in (-0.45, 0.45):
        lung = np.exp(-(((x - side) / 0.3) ** 4 + ((y - 0.05) / 0.6) ** 4))
        picture -= rng.uniform(60, 110) * lung
    for rib in range(9):
        picture += 12 * np.exp(-(((y + 0.6 - 0.16 * rib - 0.25 * np.abs(x)) / 0.03) ** 2)) * (np.abs(x) < 0.8)
    return _grey(picture + rng.normal(0, 3, picture.shape))


def _grey(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 255).astype(np.uint8)
