"""``hybridseg score``: score masks made by anybody."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from ..text import printable
from ._examples import examples
from ._progress import progress_line

LISTED = 10


@click.command(
    epilog=examples(
        "score --truth DIR --pred their_masks/ -o RUN --name theirs",
        "score --truth DIR --pred second_reader/ -o RUN --reader",
    )
)
@click.option(
    "--truth", "truths", required=True, multiple=True, metavar="[NAME=]DIR",
    help="Ground truth: a data set as for bench, or a folder of masks. May be repeated, each with a short name.",
)  # fmt: skip
@click.option(
    "--pred", required=True, type=click.Path(path_type=Path), metavar="DIR|FILE.json",
    help="Masks to score: a folder, or COCO annotations in a .json file. "
    "`runs/fold{fold}/` is a folder for each fold of RUN, by a model that held that fold out.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="RUN",
    help="A new run folder, or one of the same data. The masks join it as a line of its table.",
)  # fmt: skip
@click.option("--name", default="", help="What the line is called [default: the folder's name].")
@click.option("--model", metavar="MODEL", help="What made the masks. A line says which of these images taught it.")
@click.option(
    "--trained-on", default="", metavar="NAME[+NAME]", help="For masks per fold: which of RUN's trainings made them."
)
@click.option(
    "--reader", "is_reader", is_flag=True,
    help="A second reader's outlines: the ceiling of RUN's table, no competitor. A case without a mask wasn't read.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["text", "md", "csv", "json"]), default="text", show_default=True,
    help="How to print the table.",
)  # fmt: skip
def score(
    *,
    truths: tuple[str, ...],
    pred: Path,
    output: Path | None,
    name: str,
    model: str | None,
    trained_on: str,
    is_reader: bool,
    form: str,
) -> None:
    """Score masks made by anybody: another tool's output folder, a second reader's outlines.

    Files are matched with cases by name, and `_mask`, `_pred`, `_seg` and the like don't count. A case without a file
    counts as a miss and is listed, and the exit code is 1. Masks per fold are checked. The fold that held a case out
    has to predict it, and no other may.
    """
    from ..bench.method import FOLD
    from ..bench.run.score import NO_PREDICTION, score_masks
    from ..bench.tables.run import render, write_tables
    from ..bench.verdicts.summary import summarize
    from ..data import load_sources, load_truth
    from ..data.coco import write_coco_masks
    from ..registry import create

    learned = None if model is None else create(model).fingerprints
    dataset = load_sources(truths, load_truth)
    command = ["hybridseg", *sys.argv[1:]]
    with tempfile.TemporaryDirectory(prefix="hybridseg-score-") as temporary:
        folder, masks = output or Path(temporary, "run"), None
        if pred.suffix.lower() == ".json":
            masks = Path(temporary, "masks")
            write_coco_masks(pred, masks)
        with progress_line("score") as progress:
            scored = score_masks(
                dataset, pred, folder,
                name=name, trained_on=trained_on, is_reader=is_reader, learned=learned,
                unpacked=masks, command=command, progress=progress,
            )  # fmt: skip
        summary = summarize(folder)
        if output is not None:
            write_tables(summary, folder)
    click.echo(render(summary, form))
    extra = [str(path if FOLD in str(pred) else path.relative_to(masks or pred)) for path in scored.matches.extra]
    _tell("files that belong to no case, passed over", extra)
    if is_reader:
        _tell("cases that weren't read, left out", list(scored.matches.missing))
    missing = [row.case_id for row in scored.records if row.error == NO_PREDICTION]
    _tell("cases without a prediction, scored as misses", missing)
    if output is not None:
        click.echo(f"run folder: {output}", err=True)
    if missing:
        raise click.exceptions.Exit(1)


def _tell(what: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        listed = ", ".join(printable(name, 300) for name in names[:LISTED])
        click.echo(f"hybridseg score: {what} ({len(names)}): {listed}{more}", err=True)
