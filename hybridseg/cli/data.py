"""``hybridseg data``: inspect data sets, find near-duplicates, make and check splits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from ..data.scenes import cache_folder
from ..text import printable
from ._examples import examples
from ._progress import progress_line
from ._scenes import cache_option, find_scenes, scene_options
from ._targets import overwrite_option, prepare_target

_FILE = click.Path(path_type=Path)
_format = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print.",
)


@click.group()
def data() -> None:
    """Inspect data sets, find near-duplicates, make and check splits, write phantoms.

    DATA is a folder, a manifest (CSV: image, mask, group, label), or `phantoms[n=24,seed=0]`. A folder is BUSI,
    BUS-BRA, BUS-UCLM, BrEaST, UDIAT or STU as published. It may also hold images/ and masks/, or <name>_image beside
    <name>_mask. `DIR[lesion=1;2,ignore=255]` says which mask values are lesion and which are ignored.
    """


@data.command(epilog=examples("data check DIR", "data check cases.csv -m unet.onnx"))
@click.argument("source", metavar="DATA")
@click.option("--no-pairs", is_flag=True, help="Don't look for near-duplicates.")
@click.option("-m", "--model", "models", multiple=True, help="Also count the images that it was trained on.")
@cache_option
@_format
def check(source: str, no_pairs: bool, models: tuple[str, ...], cache: Path | None, form: str) -> None:
    """Count what a data set holds, and say what reading it decides. Exit code 1 means that it can't be used."""
    from ..data import take_inventory

    folder = None if no_pairs else cache_folder(cache)
    with progress_line("checking") as progress:
        inventory = take_inventory(source, pairs=not no_pairs, progress=progress, cache_dir=folder)
    taught = _count_taught(source, models) if inventory.usable else {}
    if form == "json":
        counted = {model: None if seen is None else list(seen) for model, seen in taught.items()}
        click.echo(json.dumps({**inventory.to_dict(), **({"trained_on": counted} if models else {})}, indent=1))
    else:
        _echo_table([*inventory.lines(), *_taught_lines(taught, inventory.n_images)])
    if not inventory.usable:
        click.echo(f"hybridseg data check: {printable(source)} can't be used: {', '.join(inventory.faults)}", err=True)
        raise click.exceptions.Exit(1)


def _count_taught(source: str, models: Sequence[str]) -> dict[str, list[str] | None]:
    """Return for each model the cases that it was trained on; None where that isn't known."""
    from ..data import load_dataset
    from ..data.fingerprints import fingerprint, is_among
    from ..registry import create

    learned = {model: create(model).fingerprints for model in models}
    if not learned:
        return {}
    prints = {case.case_id: fingerprint(case.image) for case in load_dataset(source)}
    return {
        model: None if known is None else [case_id for case_id, own in prints.items() if is_among(own, known)]
        for model, known in learned.items()
    }


def _taught_lines(taught: dict[str, list[str] | None], images: int) -> list[tuple[str, str, str]]:
    from ..bench.verdicts.origin import in_words

    return [
        (model, "-", "not known from which images it learned") if seen is None
        else (model, str(len(seen)), in_words(len(seen), images))
        for model, seen in taught.items()
    ]  # fmt: skip


@data.command(
    short_help="Deal whole scenes into folds of like size and classes.",
    epilog=examples("data split DIR --folds 5 -o split.csv", "data split busi=DIR busbra=DIR2 --files -o split.csv"),
)
@click.argument("sources", metavar="[NAME=]DATA...", nargs=-1, required=True)
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, metavar="N", help="Number of folds.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of the dealing.")
@click.option(
    "--split", "kind", type=click.Choice(["grouped", "busi", "published"]),
    help="As for `bench` [default: grouped, but with short names what `bench` takes].",
)  # fmt: skip
@click.option("--files", is_flag=True, help="Also write columns image and masks, which a training script needs.")
@click.option("-o", "--output", type=_FILE, required=True, metavar="CSV", help="Written: case_id,group,label,fold.")
@overwrite_option
@scene_options
def split(
    *,
    sources: tuple[str, ...],
    folds: int,
    seed: int,
    kind: str | None,
    files: bool,
    output: Path,
    overwrite: bool,
    as_read: bool,
    cache: Path | None,
) -> None:
    """Deal whole scenes into folds of like size and class shares, or write the folds that `bench` would take.

    The model for fold k learns from every case whose fold isn't k, and predicts those of fold k. `bench` and `score`
    take such models or their masks: `-m "mine=runs/fold{fold}.onnx"`, `--pred "runs/fold{fold}/"`.
    """
    from ..data import choose_data, write_split
    from ..data.crossing import parse_sources, whole_split

    prepare_target(output, overwrite)
    alone = "" in parse_sources(sources)
    dataset, made, _ = choose_data(
        sources, split=kind or ("grouped" if alone else None), folds=folds, seed=seed,
        find_scenes=lambda found: find_scenes(found, as_read, cache, needed=True),
    )  # fmt: skip
    parts = whole_split(dataset, made)
    write_split(parts, output, dataset if files else None)
    for number, fold in enumerate(parts.folds):
        click.echo(f"fold {number}: {len(fold.train)} to learn from, {len(fold.test)} for test")
    click.echo(f"groups: {dataset.groups_in_words}")


@data.command("check-split", epilog=examples("data check-split split.csv --data DIR"))
@click.argument("file", type=_FILE)
@click.option(
    "--data", "source", metavar="DATA",
    help="The images that the split divides [default: groups from FILE's column, else the published BUSI split's].",
)  # fmt: skip
@click.option("--skip-unknown", is_flag=True, help="Leave out names that the data don't have.")
@scene_options
@_format
def check_split(
    *, file: Path, source: str | None, skip_unknown: bool, as_read: bool, cache: Path | None, form: str
) -> None:
    """Count test images whose scene is also in training. Exit code 1 means that there are some.

    FILE is a split that `hybridseg data split` wrote, nnU-Net's splits_final.json, or train.txt beside
    val.txt or test.txt, or their folder.
    """
    from ..data import check_split as count_leaks
    from ..data import load_dataset, read_split
    from ..data.splits import named_cases

    dataset = named_cases(file) if source is None else load_dataset(source)
    read = read_split(file, dataset, skip_unknown=skip_unknown)
    report = count_leaks(read, find_scenes(dataset, as_read, cache, needed=True))
    if form == "json":
        click.echo(json.dumps(report.to_dict(), indent=1))
    else:
        _echo_table(report.lines())
    if report.n_leaked:
        raise click.exceptions.Exit(1)


@data.command(epilog=examples("data pairs DIR --sheet pairs.png", "data pairs BUSI BUS-BRA"))
@click.argument("sources", metavar="DATA...", nargs=-1, required=True)
@click.option("--sheet", type=_FILE, metavar="PNG", help="Also write a contact sheet, to check the pairs by eye.")
@overwrite_option
@cache_option
@_format
def pairs(sources: tuple[str, ...], sheet: Path | None, overwrite: bool, cache: Path | None, form: str) -> None:
    """List the pairs of images that show the same frame. Of several data sets, list the pairs between them."""
    from ..data import join_datasets, load_dataset
    from ..data.duplicates import contact_sheet, find_pairs

    if sheet is not None:
        prepare_target(sheet, overwrite)
    datasets = [load_dataset(source) for source in sources]
    names = [each.name for each in datasets]
    if len(set(names)) < len(names):
        names = [f"{number}-{name}" for number, name in enumerate(names, 1)]
    several = len(datasets) > 1
    dataset = join_datasets(dict(zip(names, datasets, strict=True))) if several else datasets[0]
    folder = cache_folder(cache)
    with progress_line("comparing") as progress:
        found = find_pairs(dataset, progress=progress, cache_dir=folder, across=several)
    if sheet is not None:
        contact_sheet(dataset, found, sheet)
    if form == "json":
        rows = [{"case_a": p.case_a, "case_b": p.case_b, "score": float(p.score)} for p in found]
        click.echo(json.dumps(rows, indent=1))
    else:
        _echo_table([(p.case_a, p.case_b, f"{p.score:.3g}") for p in found])
    click.echo(f"hybridseg data pairs: {len(found)} pairs among {len(dataset)} images", err=True)


@data.command(short_help="Write synthetic images and masks.", epilog=examples("data phantoms --n 10 -o phantoms"))
@click.option(
    "-o", "--output", type=_FILE, required=True, metavar="DIR",
    help="A new or empty folder. A killed command goes on in its own.",
)  # fmt: skip
@click.option("--n", type=click.IntRange(1), default=24, show_default=True, metavar="N", help="Number of images.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of the images.")
def phantoms(output: Path, n: int, seed: int) -> None:
    """Write synthetic ultrasound images and their masks as a folder like BUSI."""
    from ..data.files import write_folder
    from ..data.phantoms import phantom_dataset

    with progress_line("phantoms") as progress:
        write_folder(phantom_dataset(n, seed), output, progress)
    click.echo(f"{n} phantoms in {printable(output)}")


def _echo_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows with their columns aligned; names of files and cases may hold anything."""
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
