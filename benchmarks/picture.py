"""README's picture: the model that ships on six synthetic phantoms, hits and misses alike.

    python benchmarks/picture.py -o benchmarks/results/overlays.png
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from PIL import Image

import hybridseg
from hybridseg.data.phantoms import phantom
from hybridseg.images import overlay

SEEDS = ((1, 4, 6), (5, 2, 7))
TILE = (300, 250)
ZOO = Path(hybridseg.__file__).parent / "zoo"


@click.command()
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(output: Path) -> None:
    """Segment, outline, tile."""
    model = hybridseg.load(ZOO / "unet.onnx")
    rows = []
    for seeds in SEEDS:
        tiles = []
        for seed in seeds:
            made = phantom(seed)
            drawn = overlay(made.image, model.predict(made.image), made.mask)
            tiles.append(np.asarray(Image.fromarray(drawn).resize(TILE, Image.Resampling.LANCZOS)))
        rows.append(np.hstack(tiles))
    Image.fromarray(np.vstack(rows)).quantize(128).save(output, optimize=True)


if __name__ == "__main__":
    main()
