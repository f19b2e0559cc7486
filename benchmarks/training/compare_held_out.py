"""Compare trainings on the groups that all of them held out for validation: what the plan decides by.

    python benchmarks/training/compare_held_out.py runs/unet-first/fold0.hybridseg runs/unet/fold0.hybridseg \\
        --data Dataset_BUSI_with_GT --data BUSBRA --fold 0

The trainings must have the same data and ``validation_share``. With ``--mean`` the mean of their probabilities joins
them. For each hospital it prints the mean F1 over the lesion images, its difference to the first training with a
standard error over images, and how many lesion-free images get a mask. Each model answers at the operating point that
was chosen for it on these very groups.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from train_unet import held_out_cases, training_cases

from hybridseg.training.operating import choose_operating_point, f1_per_image
from hybridseg.unet.segmenter import UNetSegmenter


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data", "folders", required=True, multiple=True, help="What the trainings learned from.")
@click.option("--fold", type=click.IntRange(0, 4), help="The published fold that they held out.")
@click.option("--mean", is_flag=True, help="Compare the mean of the trainings, too.")
def main(paths: tuple[Path, ...], folders: tuple[str, ...], fold: int | None, *, mean: bool) -> None:
    """Predict and print."""
    models = {str(path): UNetSegmenter.load(path) for path in paths}
    train = training_cases(folders, fold)
    images, masks = zip(*(case.read() for _, case in train), strict=True)
    held_out = np.flatnonzero(held_out_cases(models[str(paths[0])], train, images, masks))
    if mean:
        both = models["their mean"] = UNetSegmenter.mean_of(list(models.values()))
        both.operating_point_ = choose_operating_point(
            [masks[k] for k in held_out], [both.predict_proba(images[k]) for k in held_out]
        )
    for source in dict.fromkeys(name for name, _ in train):
        own = [k for k in held_out if train[k][0] == source]
        lesions, free = ([k for k in own if masks[k].any() == wanted] for wanted in (True, False))
        first = None
        for name, model in models.items():
            scores = f1_per_image([masks[k] for k in lesions], [model.predict(images[k]) for k in lesions])
            first = scores if first is None else first
            error = (scores - first).std() / np.sqrt(len(lesions))
            outlined = sum(bool(model.predict(images[k]).any()) for k in free)
            print(
                f"{source}, {name}: F1 {scores.mean():.3f} on {len(lesions)} lesion images "
                f"({(scores - first).mean():+.3f}, standard error {error:.3f}); "
                f"{outlined} of {len(free)} lesion-free images outlined"
            )


if __name__ == "__main__":
    main()
