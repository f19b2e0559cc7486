"""Compare trainings on the groups that all of them held out for validation: what the plan decides by.

    python benchmarks/training/compare_held_out.py runs/unet/fold0.hybridseg \\
        runs/unet/fold0.hybridseg+runs/second/fold0.hybridseg --data Dataset_BUSI_with_GT --data BUSBRA --fold 0

The trainings must have the same data and ``validation_share``. Several paths with ``+`` between them are the mean of
their probabilities. An exported file may stand for a training whose model is gone. For each hospital it prints the mean
F1 over the lesion images, its difference to the first one with a standard error over images, and how many lesion-free
images get a mask. Each answers at the operating point that these very groups choose for it. Then the same without the
presence decision: how good the outlines are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click
import numpy as np
from train_unet import held_out_cases, training_cases

from hybridseg.onnx import OnnxSegmenter
from hybridseg.postprocess import apply_operating_point
from hybridseg.segmenter import Segmenter
from hybridseg.training.operating import choose_operating_point, f1_per_image
from hybridseg.unet.segmenter import UNetSegmenter


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--data", "folders", required=True, multiple=True, help="What the trainings learned from.")
@click.option("--fold", type=click.IntRange(0, 4), help="The published fold that they held out.")
def main(paths: tuple[str, ...], folders: tuple[str, ...], fold: int | None) -> None:
    """Predict and print."""
    models = {path: load(path) for path in paths}
    train = training_cases(folders, fold)
    images, masks = zip(*(case.read() for _, case in train), strict=True)
    trained = next((each for each in models.values() if isinstance(each, UNetSegmenter)), None)
    if trained is None:
        raise click.UsageError("one path must be of a training: it says which groups were held out")
    held_out = np.flatnonzero(held_out_cases(trained, train, images, masks))
    decided: dict[str, dict[int, np.ndarray]] = {}
    outlined: dict[str, dict[int, np.ndarray]] = {}
    for path, model in models.items():
        maps = [model.predict_proba(images[k]) for k in held_out]
        point = choose_operating_point([masks[k] for k in held_out], maps)
        plain = replace(point, min_area_fraction=0.0, presence_threshold=0.0)
        for found, each in ((decided, point), (outlined, plain)):
            found[path] = {k: apply_operating_point(p, each) for k, p in zip(held_out, maps, strict=True)}
        print(f"{path}: {point}")
    for source in dict.fromkeys(name for name, _ in train):
        own = [k for k in held_out if train[k][0] == source]
        show(source, decided, masks, own)
        show(f"{source}, outlines", outlined, masks, own)


def show(what: str, predicted: dict[str, dict[int, np.ndarray]], masks: Sequence[np.ndarray], own: list[int]) -> None:
    """Print F1 of each one's masks of these cases, and its difference to the first."""
    lesions, free = ([k for k in own if masks[k].any() == wanted] for wanted in (True, False))
    first = None
    for path, found in predicted.items():
        scores = f1_per_image([masks[k] for k in lesions], [found[k] for k in lesions])
        first = scores if first is None else first
        error = (scores - first).std() / np.sqrt(len(lesions))
        print(
            f"{what}, {path}: F1 {scores.mean():.3f} on {len(lesions)} lesion images "
            f"({(scores - first).mean():+.4f}, standard error {error:.4f}); "
            f"{sum(bool(found[k].any()) for k in free)} of {len(free)} lesion-free images outlined"
        )


def load(path: str) -> Segmenter:
    """Return the model of a path, or the mean of several with + between them; an exported one has its file."""
    if path.endswith(".onnx"):
        return OnnxSegmenter.load(path)
    models = [UNetSegmenter.load(each) for each in path.split("+")]
    return UNetSegmenter.mean_of(models) if len(models) > 1 else models[0]


if __name__ == "__main__":
    main()
