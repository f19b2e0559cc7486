"""The page of results across hospitals, with its counts and picture, from the run folder of hospitals.toml.

    hybridseg bench benchmarks/accuracy/hospitals.toml --data busi=DIR --data busbra=DIR --data busuclm=DIR -o RUN
    python benchmarks/accuracy/hospitals.py RUN --model unet.onnx --model unet-tiny.onnx

Each model is one that learned from BUSI and BUS-BRA without fold 0 of either. It predicts fold 0 of both and all of
BUS-UCLM. Its masks join RUN by the same call as those of ``hybridseg score --pred "masks/fold{fold}" --trained-on
busi+busbra``. For other models start from a copy of RUN without these lines. The picture needs matplotlib.
"""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from PIL import Image

from hybridseg.bench.records.folder import RunFolder, read_description, read_run
from hybridseg.bench.run.score import score_masks
from hybridseg.bench.verdicts.methods import MethodSummary, SetScores
from hybridseg.bench.verdicts.pairing import Difference, Scores, differences, lesion_scores
from hybridseg.bench.verdicts.summary import summarize
from hybridseg.data import load_sources
from hybridseg.images import write_mask
from hybridseg.registry import create
from hybridseg.text import csv_text, interval_text, markdown_table

RESULTS = Path(__file__).resolve().parents[1] / "results"
NAMES = {"busi": "BUSI", "busbra": "BUS-BRA", "busuclm": "BUS-UCLM"}
FREE = ("busi", "busuclm")
"""Hospitals with lesion-free images."""
BOTH = "busi+busbra"
WHERE = ("method", "learned at")
Named = tuple[tuple[str, ...], Callable[[MethodSummary], list[str]]]
"""The first columns of a table, and a line's cells there."""
COLUMNS = ("method", "trained_on", "tested_on", "fold", "case_id", "group", "label", "tp", "fp", "fn", "tn", "error")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--model", "models", multiple=True, help="A model that learned from both without fold 0 of either.")
def main(run: Path, models: tuple[str, ...]) -> None:
    """Score models into a run folder, and write page, counts and picture."""
    for model in models:
        predict(run, model)
    description, records = read_run(run)
    order = [method["spec"] for method in description["methods"]]
    lines = sorted((each for each in summarize(run).methods if each.cases), key=lambda each: order.index(each.method))
    write_counts(records, RESULTS / "hospitals_cases.csv.gz")
    draw(lines, RESULTS / "hospitals.png")
    crossed = dict(cross(lines, records))
    text = "\n".join([*command(description), *page(lines, crossed)])
    (RESULTS / "hospitals.md").write_text(text, "utf-8")


def write_counts(records: list[Any], path: Path) -> None:
    """Write the counts of every row as a compressed CSV."""
    counts = csv_text(COLUMNS, [[getattr(row, name) for name in COLUMNS] for row in records]) + "\n"
    path.write_bytes(gzip.compress(counts.encode(), mtime=0))


def command(description: dict[str, Any]) -> list[str]:
    """Return the page's head, with the commands that made it."""
    ran = description["plan"]["folds"]
    some = "".join(f" --fold {fold}" for fold in ran) if len(ran) < description["n_folds"] else ""
    return [
        "# Across hospitals",
        "",
        "```sh",
        "hybridseg bench benchmarks/accuracy/hospitals.toml --data busi=Dataset_BUSI_with_GT --data busbra=BUSBRA \\",
        f"    --data busuclm=BUS-UCLM{some} --no-cost -o RUN",
        "python benchmarks/accuracy/hospitals.py RUN --model unet.onnx --model unet-tiny.onnx",
        "```",
        "",
    ]


def predict(run: Path, model: str) -> None:
    """Write a model's masks of fold 0 and of the hospital that teaches nobody, and score them into a run."""
    segmenter = create(model)
    description = read_description(RunFolder(run))
    if description["plan"]["folds"] != [0, description["n_folds"] - 1]:
        raise click.UsageError("models that held out fold 0 alone join a run of --fold 0 --fold 5")
    dataset = load_sources([f"{name}={place}" for name, place in description["sources"].items()])
    fold_of, names = description["trainings"][BOTH], description["fold_names"]
    with tempfile.TemporaryDirectory() as folder:
        for case in dataset:
            if fold_of[case.case_id] in description["plan"]["folds"]:
                path = Path(folder, f"fold{names[fold_of[case.case_id]]}", f"{case.case_id}.png")
                path.parent.mkdir(parents=True, exist_ok=True)
                write_mask(path, segmenter.predict(case.image))
        score_masks(
            dataset, f"{folder}/fold{{fold}}", run,
            name=model.removesuffix(".onnx"), trained_on=BOTH, learned=segmenter.fingerprints,
        )  # fmt: skip


def cross(lines: list[MethodSummary], records: list[Any]) -> Iterator[tuple[tuple[str, str, str, str], Difference]]:
    """Yield what learning elsewhere, or at both, changes in F1: by method, tested on, learned at, instead of."""
    groups = {row.case_id: row.group for row in records}
    scores: dict[tuple[str, str, str], Scores] = {
        (line.title, line.trained_on, name): lesion_scores(
            [row for row in records if row.method == line.method and row.tested_on == name], "f1"
        )
        for line in lines for name in NAMES
    }  # fmt: skip
    pairs = {}
    for title in dict.fromkeys(line.title for line in lines):
        for name in NAMES:
            for more, less in ((other(name), name), (BOTH, "busi"), (BOTH, "busbra")):
                if less != other(name) and (title, more, name) in scores and (title, less, name) in scores:
                    pairs[title, name, more, less] = scores[title, more, name], scores[title, less, name]
    yield from differences(pairs, groups).items()


def other(name: str) -> str:
    """Return the hospital that teaches beside this one, or an empty text."""
    return {"busi": "busbra", "busbra": "busi"}.get(name, "")


def of(line: MethodSummary, name: str) -> SetScores:
    """Return what a line scores at a hospital."""
    return next(each for each in line.sets if each.tested_on == name)


def place(trained_on: str) -> str:
    """Return where a line learned, in words."""
    return "both" if trained_on == BOTH else NAMES[trained_on]


def page(lines: list[MethodSummary], crossed: dict[tuple[str, str, str, str], Difference]) -> list[str]:
    """Return the page below its head."""
    return [
        "Three methods learn at BUSI, at BUS-BRA, or at both. Where a hospital teaches, each of its published folds is",
        "predicted by a model that learned from the others. A hospital that doesn't teach is predicted whole, by the",
        "model of all images that teach. BUS-UCLM teaches nobody. Means over lesion images in native pixels, 95 %",
        "intervals by bootstrap over patients or scenes. Every row: [counts](hospitals_cases.csv.gz). For research,",
        "not for diagnosis.", "",
        *folds(lines), "",
        "![F1 by where a method learned and where it was tested](hospitals.png)", "",
        "*Mean F1. Rows: where a method learned. Columns: where it was tested. In a frame: a hospital that taught it,",
        "on folds that it hadn't seen.*", "",
        "## F1", "", *means(lines, "f1", "F1"), "", "## IoU", "", *means(lines, "iou", "IoU"), "",
        "## Lesions missed, and lesion-free images outlined", "",
        "Lesion images of patients or scenes, the share of lesion images without one right pixel, and the share of",
        "lesion-free images with a mask.", "",
        *mistakes(lines),
        "", "## What crossing costs, and what a second hospital brings", "",
        "Mean difference in F1 on the lesion images that both models predicted, with its 95 % interval. p: sign-flip",
        "permutation test over patients or scenes, Holm-corrected for the rows of this table.", "",
        *changes(crossed), "",
        *findings(lines, crossed), "",
    ]  # fmt: skip


def means(lines: list[MethodSummary], metric: str, title: str, *, named: Named | None = None) -> list[str]:
    """Return the table of a mean with its interval at each hospital; ``named`` gives other first cells."""
    columns, head = named or (WHERE, where)
    return markdown_table(
        [*columns, *(f"{name}, {title}" for name in NAMES.values())],
        [[*head(line), *(interval(of(line, name), metric) for name in NAMES)] for line in lines],
    )


def mistakes(lines: list[MethodSummary], *, named: Named | None = None) -> list[str]:
    """Return the table of images, lesions missed and lesion-free images outlined."""
    columns, head = named or (WHERE, where)
    rows = [
        [*head(line),
         *(f"{of(line, name).lesion_images:,} of {of(line, name).scenes}" for name in NAMES),
         *(f"{100 * (of(line, name).missed or 0):.1f}" for name in NAMES),
         *(f"{100 * (of(line, name).false_positive_rate or 0):.1f}" for name in FREE)]
        for line in lines
    ]  # fmt: skip
    return markdown_table(
        [*columns, *(f"{name}, lesion images" for name in NAMES.values()),
         *(f"{name}, missed %" for name in NAMES.values()),
         *(f"{NAMES[name]}, outlined %" for name in FREE)],
        rows,
    )  # fmt: skip


def changes(crossed: dict[tuple[str, str, str, str], Difference]) -> list[str]:
    """Return the table of paired differences."""
    rows = [
        [title, NAMES[name], f"{place(more)} instead of {place(less)}", f"{found.cases:,}",
         interval_text(found.mean, found.low, found.high, sign="+"), f"{found.p_value:.3f}"]
        for (title, name, more, less), found in crossed.items()
    ]  # fmt: skip
    return markdown_table(["method", "tested at", "learned at", "images", "F1 gained", "p"], rows)


def where(line: MethodSummary) -> list[str]:
    """Return the first cells of a line, under `WHERE`."""
    return [line.title, place(line.trained_on)]


def folds(lines: list[MethodSummary]) -> Iterator[str]:
    """Yield which lines have all five folds of the hospitals that teach, and which have fewer images than they."""
    most = {name: max(of(line, name).lesion_images for line in lines) for name in NAMES}
    some = [line for line in lines if any(of(line, name).lesion_images < most[name] for name in NAMES)]
    whole = list(dict.fromkeys(f"`{line.title}`" for line in lines if line not in some))
    if some:
        who = f"{', '.join(whole)} have all five folds. The others have" if whole else "The lines have"
        yield f"{who} the folds that the command names, so a column's figures are of different"
        yield "images. The table of misses tells of how many. The differences below are paired by image. `unet` and"
        yield "`unet-tiny` are one model each, which held out fold 0. Their operating points were"
        yield "chosen on that fold, so here they look a little better there than in [models.md](models.md)."


def findings(lines: list[MethodSummary], crossed: dict[tuple[str, str, str, str], Difference]) -> Iterator[str]:
    """Yield what the numbers say."""
    learned_here = [line for line in lines if not line.title.startswith("unet")]
    worst = sum(line.worst_set is not None and line.worst_set.tested_on == "busuclm" for line in lines)
    alarms = [100 * (of(line, name).false_positive_rate or 0) for line in learned_here for name in FREE]
    abroad = [found for (_, name, more, _), found in crossed.items() if more == other(name)]
    second = [found for (_, name, more, less), found in crossed.items() if more == BOTH and less == name]
    yield from ("## What to take from it", "")
    yield f"- {worst} of the {len(lines)} lines are worst at BUS-UCLM, where nobody learned."
    yield from differences_in_words("Learning at the other hospital instead of the one where it is tested", abroad)
    yield from differences_in_words("Learning at both instead of the one where it is tested", second)
    yield f"- The classical methods outline {min(alarms):.0f} to {max(alarms):.0f} % of the lesion-free images."


def differences_in_words(what: str, found: list[Difference]) -> Iterator[str]:
    """Yield by how much F1 differs over the lines, and in how many of them surely."""
    means = [each.mean for each in found]
    sure = sum(each.p_value < 0.05 for each in found)
    yield f"- {what} changes F1 by {min(means):+.3f} to {max(means):+.3f}."
    yield f"  Of {len(found)} differences, {sure} have p < 0.05."


def interval(scores: SetScores, metric: str) -> str:
    """Return a mean with its interval."""
    return interval_text(*(getattr(scores, f"{metric}{end}") for end in ("", "_low", "_high")))


def draw(lines: list[MethodSummary], path: Path) -> None:
    """Draw F1 by training and test as a heat map."""
    from matplotlib.figure import Figure

    values = [[of(line, name).f1 or 0.0 for name in NAMES] for line in lines]
    figure = Figure(figsize=(5.6, 0.9 + 0.3 * len(lines)), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    shades = axes.imshow(values, cmap="viridis", vmin=0.3, vmax=0.9, aspect="auto")
    axes.set_xticks(range(len(NAMES)), [f"tested on\n{name}" for name in NAMES.values()])
    axes.set_yticks(range(len(lines)), [f"{line.title}, learned at {place(line.trained_on)}" for line in lines])
    axes.tick_params(length=0, labelsize=8)
    for row, line in enumerate(lines):
        for column, name in enumerate(NAMES):
            value = values[row][column]
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8,
                      color="black" if value > 0.65 else "white")  # fmt: skip
            if name in line.trained_on.split("+"):
                axes.add_patch(_frame(column, row))
    figure.colorbar(shades, ax=axes, label="mean F1 of lesion images", fraction=0.05)
    save_picture(figure, path)


def save_picture(figure: Any, path: Path) -> None:
    """Write a figure as a small PNG of 256 colours."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _frame(column: int, row: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, row - 0.44), 0.94, 0.88, fill=False, edgecolor="white", linewidth=1.4)


if __name__ == "__main__":
    main()
