"""Average the weights of a training and of the one that it started from: one network, at no cost in use.

    python benchmarks/training/average_stages.py runs/unet-first runs/unet -o runs/unet-mean

Half the way from the first stage's weights to the second's often travels better than either end (M. Wortsman et al.,
Robust fine-tuning of zero-shot models, CVPR 2022, doi 10.1109/CVPR52688.2022.00780). All else is the second stage's:
its size, its parameters, and the operating point that it chose on its validation groups.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from hybridseg.data.fingerprints import join_fingerprints
from hybridseg.training.checkpoints import CHECKPOINT, read_start, set_start
from hybridseg.training.convert import convert_weights
from hybridseg.training.quiet import import_keras
from hybridseg.unet.segmenter import UNetSegmenter


@click.command()
@click.argument("first", type=click.Path(exists=True, path_type=Path))
@click.argument("second", type=click.Path(exists=True, path_type=Path))
@click.option("--name", default="fold0", help="Which of a folder's trainings.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(*, first: Path, second: Path, name: str, output: Path) -> None:
    """Average, and save under the same name."""
    import_keras()
    stages = [read_start(folder / f"{name}.checkpoint" / CHECKPOINT) for folder in (first, second)]
    model = UNetSegmenter.load(second / f"{name}.hybridseg")
    network = model._build(model.size)
    set_start(network, [(a + b) / 2 for a, b in zip(stages[0][0], stages[1][0], strict=True)])
    model.network_ = np.frombuffer(convert_weights(model, network), np.uint8)
    model.fingerprints_ = join_fingerprints([prints for _, prints in stages])
    output.mkdir(parents=True, exist_ok=True)
    model.save(output / f"{name}.hybridseg")


if __name__ == "__main__":
    main()
