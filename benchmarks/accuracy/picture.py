"""README's picture: the model that ships on six synthetic phantoms, hits and misses alike.

python benchmarks/accuracy/picture.py -o benchmarks/results/overlays.png
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from PIL import Image

import hybridseg
from hybridseg.data.phantoms import phantom
from hybridseg.images import PREDICTION_COLOUR, TRUTH_COLOUR, overlay

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
            image, mask, truth = (
                np.asarray(Image.fromarray(array).resize(TILE, how))
                for array, how in (
                    (made.image, Image.Resampling.LANCZOS),
                    (model.predict(made.image), Image.Resampling.NEAREST),
                    (made.mask, Image.Resampling.NEAREST),
                )
            )
            tiles.append(overlay(image, mask, truth))
        rows.append(np.hstack(tiles))
    palette = Image.new("P", (1, 1))
    palette.putpalette([*PREDICTION_COLOUR, *TRUTH_COLOUR, *(grey for k in range(64) for grey in [k * 255 // 63] * 3)])
    picture = Image.fromarray(np.vstack(rows)).quantize(palette=palette, dither=Image.Dither.NONE)
    picture.save(output, optimize=True)


if __name__ == "__main__":
    main()
