"""Make one of the models that ship: the exported file, and its card as JSON and Markdown.

    python benchmarks/training/make_zoo.py unet runs/unet-scores/fold0.hybridseg --fold 0 \\
        --data Dataset_BUSI_with_GT --data BUSBRA --scores runs/unet-scores

What train_zoo.sh does at its end. ``--scores`` is a folder that cross_fit.py wrote: counts and confidences of each
hospital's cases that the model hadn't seen, and of hospitals that it never learned from. ``--fold`` is the fold that
the model hadn't seen. Its kernels are stored in 8 or 4 bits; what that costs is measured on the groups that its
training held out for validation. Run it when nothing else runs: it times.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from train_unet import held_out_cases, published_split, read_scores

from hybridseg.bench import measure_cost
from hybridseg.data import Dataset, load_dataset
from hybridseg.data.phantoms import phantom
from hybridseg.learned import examine
from hybridseg.metrics import f1, iou
from hybridseg.metrics.calibration import calibration_error, is_right, mean_at_coverage
from hybridseg.metrics.summary import Estimate, image_mean, scene_mean, wilson_interval
from hybridseg.onnx import OnnxSegmenter, describe, export_smaller
from hybridseg.onnx.quantise import Weights
from hybridseg.processes.machine import describe_machine
from hybridseg.unet.segmenter import UNetSegmenter

ROOT = Path(__file__).resolve().parents[2]
ZOO = ROOT / "hybridseg" / "zoo"
SPLITS = {
    "BUSI": "hybridseg's grouped BUSI split (hybridseg/data/busi_split.csv)",
    "BUS-BRA": "its authors' five folds (5-fold-cv.csv)",
}
SOURCES = {
    "BUSI": "BUSI (Al-Dhabyani et al. 2020, doi 10.1016/j.dib.2019.104863), published development part",
    "BUS-BRA": "BUS-BRA (Gomez-Flores et al. 2024, doi 10.1002/mp.16812), 1,406 of its 1,875 images",
    "BUS-UCLM": "BUS-UCLM (Vallez et al. 2025, doi 10.17632/7fvgj4jsp7), 264 of its 683 images, never trained on",
}
TEXTS = {
    "unet": "U-Net on an ImageNet-trained EfficientNet-Lite0, trained on two hospitals: `segment`'s default",
    "unet-tiny": "U-Net on the first blocks of EfficientNet-Lite0, taught by `unet`: the fast one, under 1 MB",
}
WEIGHTS: dict[str, Weights] = {"unet": "int8-stored", "unet-tiny": "int4-stored"}
KERNELS = {
    "int8-stored": "Kernels stored in 8 bits",
    "int4-stored": "Kernels trained for 4 bits and stored in them, those of depthwise convolutions in 8,",
}
HOW = {
    "unet": "the mean of two networks, 26 and 14 epochs at 192 pixels and 18 each at 256; the first one's last 18 show "
    "BUSI's lesion images twice an epoch",
    "unet-tiny": "one network, 18 epochs at 192 pixels, taught by `unet`'s first stage, which had seen what it saw and "
    "nothing else",
}
MAX_BYTES = {"unet": 12_000_000, "unet-tiny": 1_000_000}
LICENSE = "Apache-2.0 (code and weights; the encoder started from ImageNet weights, Apache-2.0)"


@click.command()
@click.argument("name", type=click.Choice(sorted(TEXTS)))
@click.argument("model_path", type=click.Path(exists=True, path_type=Path))
@click.option("--data", "folders", multiple=True, required=True, help="What it learned from; may be repeated.")
@click.option("--fold", type=click.IntRange(0, 4), help="The published fold that it hasn't seen.")
@click.option("--scores", "scores_folder", required=True, type=click.Path(exists=True, path_type=Path))
def main(*, name: str, model_path: Path, folders: tuple[str, ...], fold: int | None, scores_folder: Path) -> None:
    """Export, score from stored counts, time, and write the card."""
    model = UNetSegmenter.load(model_path)
    teachers = [model.teacher] if isinstance(model.teacher, str) else model.teacher or []
    start = _last_two(model.start_from) if model.start_from is not None else None
    # No one's folders:
    model.set_params(checkpoint_dir=None, start_from=start, teacher=[_last_two(path) for path in teachers] or None)
    learned = {part.layout: part for part in (learned_part(load_dataset(folder), fold) for folder in folders)}
    hospitals = {path.stem: score_card(path) for path in sorted(scores_folder.glob("*.csv"))}
    if model.calibration is None:
        raise SystemExit(f"{model_path}: it has no calibration: cross_fit.py writes one")
    seen = "every fold" if fold is None else f"all but fold {fold}"
    protocol = (
        f"{' and '.join(learned)}: the published fold that it hasn't seen, each half at an operating point chosen on "
        "the other; others: never trained on"
    )
    data = [
        {"name": SOURCES[layout], "images": len(part), "groups": len(set(part.groups)), "split": SPLITS[layout],
         "content_sha256": part.content_hash()}
        for layout, part in learned.items()
    ]  # fmt: skip
    combined = hashlib.sha256("".join(each["content_sha256"] for each in data).encode()).hexdigest()
    target = ZOO / f"{name}.onnx"
    model.fingerprints_, model.scope_ = examine([[case.image for case in part] for part in learned.values()])
    images, masks = validation_cases(model, learned)
    measure = {"images": images, "masks": masks, "max_bytes": MAX_BYTES[name]}
    compression = export_smaller(model, target, WEIGHTS[name], **measure, metadata={
        "license": LICENSE, "name": name, "scores": json.dumps(hospitals["BUSI"]),
        "hospitals": json.dumps(hospitals), "scores_protocol": protocol,
        "split": f"published folds, {seen}",
        "training_data": "; ".join(f"{each['name']}: {each['images']} images" for each in data),
        "training_data_sha256": combined,
        "intended_use": "Research. Not a medical device: not for diagnosis.",
    })  # fmt: skip
    print(compression)
    for path in sorted(scores_folder.glob("*.csv")):
        kept = ROOT / "benchmarks" / "results" / "counts" / f"{name}-{path.name}"
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
        "data": {"content_sha256": combined, "images": sum(each["images"] for each in data), "sources": data},
        "split": {"name": f"published folds, {seen}"},
        "training": {
            "command": "sh benchmarks/training/train_zoo.sh Dataset_BUSI_with_GT BUSBRA BUS-UCLM runs",
            "params": model.get_params(deep=False),
            "how": HOW[name],
        },
        "operating_point": asdict(model.current_operating_point),
        "calibration": asdict(model.calibration),
        "scores": hospitals["BUSI"],
        "hospitals": hospitals,
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
    write_hashes()
    print(markdown(card))


def write_hashes() -> None:
    """Write into the code which models ship: others aren't loaded under their names."""
    digests = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(ZOO.glob("*.onnx"))}
    hashes = [f'    "{name}": "{digest}",' for name, digest in digests.items()]
    about = '"""The SHA-256 of each model that ships, as `benchmarks/training/make_zoo.py` wrote it."""'
    (ZOO / "hashes.py").write_text("\n".join([about, "", "SHA256 = {", *hashes, "}", ""]))


def _last_two(path: str) -> str:
    return "/".join(Path(path).parts[-2:])


def learned_part(dataset: Dataset, fold: int | None) -> Dataset:
    """Return the development cases that a model without this fold has learned from."""
    split = published_split(dataset)
    return dataset.select(split.case_ids if fold is None else split.folds[fold].train)


def validation_cases(model: UNetSegmenter, learned: dict[str, Dataset]) -> tuple[list, list]:
    """Return images and masks of the groups that `fit` held out from these cases to choose the epoch."""
    cases = [(layout, case) for layout, part in learned.items() for case in part]
    images, masks = zip(*(case.read() for _, case in cases), strict=True)
    held_out = held_out_cases(model, cases, images, masks)
    if held_out.sum() != model.validation_images_:
        raise SystemExit(
            f"{held_out.sum()} cases would be held out, the model's training held out "
            f"{model.validation_images_}: is it one of other data?"
        )
    chosen = np.flatnonzero(held_out)
    return [images[k] for k in chosen], [masks[k] for k in chosen]


def score_card(path: Path) -> dict[str, object]:
    """Return means with 95 % intervals by bootstrap over patients or scenes, from the counts of unseen cases."""
    cases = [(group, counts) for _, group, counts in read_scores(path)]
    lesions = [(group, c) for group, c in cases if c.tp + c.fn]
    free = [c for _, c in cases if not c.tp + c.fn]
    groups = [group for group, _ in lesions]
    ious, f1s = [iou(c) for _, c in lesions], [f1(c) for _, c in lesions]
    best = {group: max(c.tp for g, c in lesions if g == group) for group in groups}
    means = {
        "iou": image_mean(ious, groups),
        "f1": image_mean(f1s, groups),
        "scene_iou": scene_mean(ious, groups),
        "scene_f1": scene_mean(f1s, groups),
        "scenes_missed": wilson_interval(sum(tp == 0 for tp in best.values()), len(best)),
        "lesions_with_a_mask": wilson_interval(sum(c.tp + c.fp > 0 for _, c in lesions), len(lesions)),
    }
    means |= confidence_means(path)
    if free:
        means["lesion_free_with_a_mask"] = wilson_interval(sum(c.fp > 0 for c in free), len(free))
    card: dict[str, object] = {
        "lesion_images": len(lesions),
        "scenes": len(best),
        "lesion_free_images": len(free),
    }
    for key, estimate in means.items():
        card[key] = round(estimate.value, 6)
        card[f"{key}_interval"] = [round(estimate.low, 6), round(estimate.high, 6)]
    return card


def read_confidences(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return raw and calibrated confidence of every case, in the order of `read_scores`."""
    with path.open() as stream:
        rows = list(csv.DictReader(stream))
    raw, calibrated = ([float(row[name]) for row in rows] for name in ("raw_confidence", "confidence"))
    return np.array(raw), np.array(calibrated)


def confidence_means(path: Path) -> dict[str, Estimate]:
    """Return how far confidences are from what is right, and F1 where the least sure images are left to a person."""
    cases = read_scores(path)
    raw, sure = read_confidences(path)
    groups = [group for _, group, _ in cases]
    right = [is_right(c) for _, _, c in cases]
    f1s = [f1(c) if c.tp + c.fn else np.nan for _, _, c in cases]
    return {
        "calibration_error": calibration_error(sure, right, groups),
        "raw_calibration_error": calibration_error(raw, right, groups),
        "f1_of_surest_80": mean_at_coverage(sure, f1s, groups, 0.8),
    }


ROWS = {
    "iou": "IoU, mean over lesion images", "f1": "F1, mean over lesion images",
    "scene_iou": "IoU, mean over patients or scenes", "scene_f1": "F1, mean over patients or scenes",
    "scenes_missed": "patients or scenes missed (no pixel right)", "lesions_with_a_mask": "lesion images with a mask",
    "lesion_free_with_a_mask": "lesion-free images with a mask",
    "calibration_error": "expected calibration error of the confidence",
    "raw_calibration_error": "the same before calibration",
    "f1_of_surest_80": "F1 of lesion images, the 20 % least sure of all images left out",
}  # fmt: skip


def score_table(hospitals: dict) -> list[str]:
    """Return the table of scores: a column for each hospital."""

    def cell(card: dict, key: str) -> str:
        if key not in card:
            return "no lesion-free image"
        low, high = card[f"{key}_interval"]
        return f"{card[key]:.3f} [{low:.3f}, {high:.3f}]"

    sizes = [
        f"{card['lesion_images']} lesion images of {card['scenes']}, {card['lesion_free_images']} lesion-free"
        for card in hospitals.values()
    ]
    return [
        f"| | {' | '.join(hospitals)} |",
        f"|---|{'---|' * len(hospitals)}",
        f"| images | {' | '.join(sizes)} |",
        *(f"| {text} | {' | '.join(cell(card, key) for card in hospitals.values())} |" for key, text in ROWS.items()),
    ]


def markdown(card: dict) -> str:
    """Return the card as a page."""
    point = card["operating_point"]
    peak = card["cost"]["threads_1"].get("peak_mib")
    learned = "; ".join(
        f"{each['name']}: {each['images']} images of {each['groups']} patients or scenes ({each['split']})"
        for each in card["data"]["sources"]
    )
    lines = [
        f"# {card['name']}",
        "",
        card["description"] + ".",
        "",
        f"**{card['intended_use']}**",
        "",
        f"- File: `{card['file']}`, {card['bytes'] / 1e6:.2f} MB, SHA-256 `{card['sha256']}`",
        f"- Licence: {card['license']}",
        f"- Trained on {learned}. {card['split']['name'].capitalize()}. Content SHA-256 "
        f"`{card['data']['content_sha256']}`",
        f"- {KERNELS[card['compression']['weights']]} with a scale per output channel, computed in single precision: "
        f"F1 {card['compression']['f1_before']:.4f} -> "
        f"{card['compression']['f1_after']:.4f} on the {card['compression']['images']} cases that its "
        f"training held out, {card['compression']['differing_share']:.2g} of the pixels differ (this compares the two "
        "files only: an empty mask where there is no lesion counts 1)",
        f"- Trained by: `{card['training']['command']}`: {card['training']['how']}",
        f"- Operating point: threshold {point['threshold']}, "
        f"presence threshold {point['presence_threshold']}, smallest area {point['min_area_fraction']:.1%}, "
        + ("largest region only" if point["largest_only"] else "all regions"),
        f"- Confidence: calibrated on {card['calibration']['images']} images that it hadn't seen; at another hospital "
        "it can be off by more than the table below shows",
        f"- Cost: {card['cost']['ms_median']:.1f} ms an image of {card['cost']['image']} pixels on one thread of "
        f"{card['machine']['cpu']}, whole pipeline (median); {card['parameters']:,} parameters; "
        f"{'unknown' if peak is None else f'{peak:.0f}'} MiB at most",
        "",
        "## Scores",
        "",
        f"Native pixels, no image seen in training, 95 % intervals by bootstrap over patients or scenes (shares: "
        f"Wilson). {card['scores_protocol'][0].upper()}{card['scores_protocol'][1:]}. Counts: "
        f"`benchmarks/results/counts/{card['name']}-*.csv`.",
        "",
        *score_table(card["hospitals"]),
        "",
        "## Limits",
        "",
        "Two public data sets of two hospitals, frames chosen by their authors. At a third hospital expect what the "
        "column of a hospital that it never learned from shows, or less. Lesions can be missed, and normal tissue "
        "outlined. A black frame and captions around the scan are left out where a dark gap parts them from "
        "it, and so is what is all but black across the scan, or the smaller of two panels. Cut off whatever else is "
        "around it, and don't turn the picture: what that costs is measured in `benchmarks/results/robustness.md`. "
        "A picture without a scan gets no mask if it is of nearly one grey, but "
        "dark noise or a caption on black may be outlined. Say so wherever its masks are shown.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
