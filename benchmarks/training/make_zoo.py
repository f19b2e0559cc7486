"""Make one of the models that ship: the exported file, and its card as JSON and Markdown.

    python benchmarks/training/make_zoo.py unet runs/unet/all.hybridseg --data Dataset_BUSI_with_GT \\
        --counts runs/unet/fold0.csv --counts runs/unet/fold1.csv

What train_zoo.sh does at its end. The scores are those of the same trainings with a fold held out (``--counts``, by
cross_fit.py): the model that ships has seen all folds, so nothing in BUSI's development part can score it. Its
kernels are stored in 8 or 4 bits; what that costs is measured on the groups that its (first) training held out for
validation. Run it when nothing else runs: it times.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from train_unet import read_scores

from hybridseg.bench import measure_cost
from hybridseg.data import Dataset, load_dataset
from hybridseg.data.phantoms import phantom
from hybridseg.data.splits import busi_split
from hybridseg.metrics import f1, iou
from hybridseg.metrics.summary import image_mean, scene_mean, wilson_interval
from hybridseg.onnx import OnnxSegmenter, describe, export_smaller
from hybridseg.onnx.quantise import Weights
from hybridseg.processes.machine import describe_machine
from hybridseg.training.cases import hold_out
from hybridseg.unet.segmenter import UNetSegmenter

PACKAGE = Path(__file__).resolve().parents[2] / "hybridseg"
ZOO = PACKAGE / "zoo"
SPLIT_FILE = PACKAGE / "data" / "busi_split.csv"
SPLIT = "hybridseg's grouped BUSI split, hybridseg/data/busi_split.csv: trained on all five folds"
TEXTS = {
    "unet": "Mean of two U-Nets on ImageNet-trained EfficientNet-Lite0: the accurate one, and `segment`'s default",
    "unet-tiny": "U-Net on the first blocks of EfficientNet-Lite0, taught by `unet`: the fast one, under 1 MB",
}
WEIGHTS: dict[str, Weights] = {"unet": "int8-stored", "unet-tiny": "int4-stored"}
KERNELS = {
    "int8-stored": "Kernels stored in 8 bits",
    "int4-stored": "Kernels trained for 4 bits and stored in them, those of depthwise convolutions in 8,",
}
HOW = {
    "unet": "two seeds, each 48 epochs at 192 pixels, then 24 at 256; the mean of both",
    "unet-tiny": "32 epochs, taught by `unet`'s two networks, which had seen what it saw and nothing else",
}
MAX_BYTES = {"unet": 12_000_000, "unet-tiny": 1_000_000}
LICENSE = "Apache-2.0 (code and weights; the encoder started from ImageNet weights, Apache-2.0)"


@click.command()
@click.argument("name", type=click.Choice(sorted(TEXTS)))
@click.argument("model_path", type=click.Path(exists=True, path_type=Path))
@click.option("--counts", multiple=True, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data", required=True, help="BUSI, as unzipped.")
def main(*, name: str, model_path: Path, counts: tuple[Path, ...], data: str) -> None:
    """Export, score from stored counts, time, and write the card."""
    model = UNetSegmenter.load(model_path)
    teachers = [model.teacher] if isinstance(model.teacher, str) else model.teacher or []
    model.set_params(  # no one's folders
        checkpoint_dir=None, teacher=[_last_two(path) for path in teachers] or None,
        start_from=_last_two(model.start_from) if model.start_from else None,
    )
    dataset = load_dataset(data).select(busi_split().case_ids)
    scores = score_card(counts)
    target = ZOO / f"{name}.onnx"
    protocol = f"held-out folds: {', '.join(path.stem for path in counts)} of the published grouped BUSI split"
    split = {"name": SPLIT, "sha256": hashlib.sha256(SPLIT_FILE.read_bytes()).hexdigest()}
    images, masks = validation_cases(model, dataset)
    measure = {"images": images, "masks": masks, "max_bytes": MAX_BYTES[name]}
    compression = export_smaller(model, target, WEIGHTS[name], **measure, metadata={
        "license": LICENSE, "name": name, "scores": json.dumps(scores), "scores_protocol": protocol,
        "split": split["name"], "split_sha256": split["sha256"],
        "training_data": f"BUSI, {len(dataset)} development images", "training_data_sha256": dataset.content_hash(),
        "intended_use": "Research. Not a medical device: not for diagnosis.",
    })  # fmt: skip
    print(compression)
    for path in counts:
        kept = ZOO.parent.parent / "benchmarks" / "results" / "counts" / f"{name}-{path.name}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, kept)
    images = [phantom(seed, shape=(470, 560)).image for seed in range(20)]
    cost = {
        f"threads_{threads}": measure_cost("hybridseg.registry:create", str(target), images, threads=threads)
        for threads in (1, 2)
    }
    content = target.read_bytes()
    network = describe(target)
    if "warm_ms_median" not in cost["threads_1"]:
        raise SystemExit(f"{target}: its cost can't be measured: {cost['threads_1'].get('error')}")
    card = {
        "name": name,
        "file": target.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "description": TEXTS[name],
        "license": LICENSE,
        "intended_use": "Research on breast ultrasound. Not a medical device: not for diagnosis.",
        "data": {
            "name": "BUSI (Al-Dhabyani et al. 2020, doi 10.1016/j.dib.2019.104863), published development part",
            "images": len(dataset), "groups": len(set(dataset.groups)), "content_sha256": dataset.content_hash(),
        },
        "split": split,
        "training": {"command": "sh benchmarks/training/train_zoo.sh Dataset_BUSI_with_GT runs",
                     "params": model.get_params(deep=False), "how": HOW[name]},
        "operating_point": asdict(model.current_operating_point),
        "scores": scores,
        "scores_protocol": protocol,
        "cost": {"ms_median": cost["threads_1"].get("warm_ms_median"), "image": "470 x 560", **cost},
        "bytes": len(content),
        "parameters": network.parameters,
        "multiply_adds": network.multiply_adds,
        "compression": asdict(compression),
        "parity_single_precision": json.loads(OnnxSegmenter.load(target).metadata["parity_single_precision"]),
        "machine": describe_machine(),
    }
    target.with_suffix(".json").write_text(json.dumps(card, indent=2, default=str) + "\n")
    target.with_suffix(".md").write_text(markdown(card))
    print(markdown(card))


def _last_two(path: str) -> str:
    return "/".join(Path(path).parts[-2:])


def validation_cases(model: UNetSegmenter, dataset: Dataset) -> tuple[list, list]:
    """Return images and masks of the groups that `fit` held out from these cases to choose the epoch."""
    images, masks = zip(*(case.read() for case in dataset), strict=True)
    has_lesion = np.array([mask.any() for mask in masks])
    held_out = hold_out(has_lesion, list(dataset.groups), model.validation_share, model.random_state)
    if held_out.sum() != model.validation_images_:
        raise SystemExit(f"{held_out.sum()} cases would be held out, the model's training held out "
                         f"{model.validation_images_}: is it one of other data?")
    chosen = np.flatnonzero(held_out)
    return [images[k] for k in chosen], [masks[k] for k in chosen]


def score_card(paths: tuple[Path, ...]) -> dict[str, object]:
    """Return means with 95 % intervals by bootstrap over scenes, from the counts of held-out cases."""
    cases = [(group, counts) for path in paths for _, group, counts in read_scores(path)]
    lesions = [(group, c) for group, c in cases if c.tp + c.fn]
    free = [c for _, c in cases if not c.tp + c.fn]
    groups = [group for group, _ in lesions]
    ious, f1s = [iou(c) for _, c in lesions], [f1(c) for _, c in lesions]
    means = {
        "iou": image_mean(ious, groups), "f1": image_mean(f1s, groups),
        "scene_iou": scene_mean(ious, groups), "scene_f1": scene_mean(f1s, groups),
        "lesions_with_a_mask": wilson_interval(sum(c.tp + c.fp > 0 for _, c in lesions), len(lesions)),
        "lesion_free_with_a_mask": wilson_interval(sum(c.fp > 0 for c in free), len(free)),
    }
    best = {group: max(c.tp for g, c in lesions if g == group) for group in groups}
    means["scenes_missed"] = wilson_interval(sum(tp == 0 for tp in best.values()), len(best))
    card: dict[str, object] = {
        "lesion_images": len(lesions), "scenes": len(best), "lesion_free_images": len(free),
    }
    for key, estimate in means.items():
        card[key] = round(estimate.value, 6)
        card[f"{key}_interval"] = [round(estimate.low, 6), round(estimate.high, 6)]
    return card


def markdown(card: dict) -> str:
    """Return the card as a page."""
    scores, point = card["scores"], card["operating_point"]
    peak = card["cost"]["threads_1"].get("peak_mib")

    def cell(key: str) -> str:
        low, high = scores[f"{key}_interval"]
        return f"{scores[key]:.3f} | {low:.3f} to {high:.3f}"

    lines = [
        f"# {card['name']}", "", card["description"] + ".", "", f"**{card['intended_use']}**", "",
        f"- File: `{card['file']}`, {card['bytes'] / 1e6:.2f} MB, SHA-256 `{card['sha256']}`",
        f"- Licence: {card['license']}",
        f"- Trained on: {card['data']['name']}; {card['data']['images']} images in {card['data']['groups']} groups of "
        f"one scene; content SHA-256 `{card['data']['content_sha256']}`",
        f"- {KERNELS[card['compression']['weights']]} with a scale per output channel, computed in single precision: "
        f"F1 {card['compression']['f1_before']:.4f} -> "
        f"{card['compression']['f1_after']:.4f} on the {card['compression']['images']} cases that its (first) "
        f"training held out, {card['compression']['differing_share']:.2g} of the pixels differ (this compares the two "
        "files only: an empty mask where there is no lesion counts 1)",
        f"- Trained by: `{card['training']['command']}`: {card['training']['how']}",
        f"- Operating point: threshold {point['threshold']}, "
        f"presence threshold {point['presence_threshold']}, smallest area {point['min_area_fraction']:.1%}, "
        + ("largest region only" if point["largest_only"] else "all regions"),
        f"- Cost: {card['cost']['ms_median']:.1f} ms an image of {card['cost']['image']} pixels on one thread of "
        f"{card['machine']['cpu']}, whole pipeline (median); {card['parameters']:,} parameters; "
        f"{'unknown' if peak is None else f'{peak:.0f}'} MiB at most",
        "", "## Scores", "",
        f"The same trainings with whole folds held out ({card['scores_protocol']}), native pixels, 95 % intervals by "
        f"bootstrap over scenes (shares: Wilson). {scores['lesion_images']} lesion images of {scores['scenes']} "
        f"scenes, {scores['lesion_free_images']} lesion-free images. The model that ships has trained on all folds.",
        "",
        "| | value | 95 % interval |", "|---|---|---|",
        f"| IoU, mean over lesion images | {cell('iou')} |",
        f"| F1, mean over lesion images | {cell('f1')} |",
        f"| IoU, mean over scenes | {cell('scene_iou')} |",
        f"| F1, mean over scenes | {cell('scene_f1')} |",
        f"| scenes missed (no pixel right) | {cell('scenes_missed')} |",
        f"| lesion images with a mask | {cell('lesions_with_a_mask')} |",
        f"| lesion-free images with a mask | {cell('lesion_free_with_a_mask')} |",
        "", "## Limits", "",
        "One public data set from one hospital and two scanner types, women between 25 and 75; frames chosen by its "
        "authors. Lesions can be missed, and normal tissue outlined. Where two masses are in the picture, one may be "
        "outlined only. A black frame and captions around the scan are left out where a dark gap parts them from "
        "it, and so is what is all but black across the scan, or the smaller of two panels. Cut off whatever else is "
        "around it, and don't turn the picture: what that costs is measured in `benchmarks/results/robustness.md`. "
        "A picture without a scan gets no mask if it is of nearly one grey, but "
        "dark noise or a caption on black may be outlined. Say so wherever its masks are shown.", "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
