"""``hybridseg bench``: score methods on data, fold by fold."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..data.scenes import DEFAULT_FOLDS
from ._examples import examples
from ._limits import limit_options
from ._progress import progress_line
from ._scenes import find_scenes, scene_options
from ._suite import take_suite

if TYPE_CHECKING:
    from ..bench import Plan, Record

FACTORY = "hybridseg.registry:create"
"""How a process of the harness makes a method from what the person wrote."""

COUNTER = "hybridseg.onnx.inspect:count_network"
"""How it counts the network inside a method: the harness knows no graphs."""

DEFAULT_DATA = "phantoms[n=24]"  # `phantoms` may be a folder here
_NEEDS_TENSORFLOW = ("hybridseg.unet", "hybridseg_networks")


@click.command(
    epilog=examples(
        "bench",
        "bench --data DIR -m unet.onnx -m otsu -o RUN",
        "bench --data a=DIR --data b=DIR2 --train a -m random-forest -o RUN",
    )
)
@click.argument("suite", required=False, is_eager=True, expose_value=False, callback=take_suite, metavar="[SUITE.toml]")
@click.option(
    "--data",
    "sources",
    multiple=True,
    default=(DEFAULT_DATA,),
    show_default=True,
    metavar="[NAME=]DIR",
    help="Folder, CSV manifest, or phantoms. May be repeated, each with a short name.",
)
@click.option(
    "--train",
    multiple=True,
    metavar="NAME[+NAME]",
    help="Data sets to learn from together. Repeat it for several trainings [default: all together].",
)
@click.option("--test", multiple=True, metavar="NAME", help="Data set to predict. May be repeated [default: all].")
@click.option(
    "--leave-one-out", is_flag=True, help="Predict each data set by models that learned from the others only."
)
@click.option(
    "-m",
    "--method",
    "methods",
    multiple=True,
    metavar="METHOD|MODEL",
    help="May be repeated [default: the models that ship, and all methods that need no TensorFlow].",
)
@click.option(
    "--folds",
    type=click.IntRange(2),
    metavar="N",
    help=f"Number of folds. Scenes stay whole, and classes are spread evenly [default: {DEFAULT_FOLDS}].",
)
@click.option(
    "--split",
    metavar="busi|published|grouped|FILE",
    help="Where the folds come from [default: busi for BUSI, published if the data bring folds, else grouped].",
)
@click.option(
    "--fold",
    "chosen",
    multiple=True,
    type=click.IntRange(0),
    metavar="K",
    help="Only this fold, counted from 0. May be repeated.",
)
@click.option("--test-part", is_flag=True, help="For BUSI: train on the published development part and score the rest.")
@scene_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Folder of the run. The same command goes on where it stopped.",
)
@click.option(
    "-j", "--jobs", "processes", default=1, show_default=True, type=click.IntRange(1),
    help="Cells (method x fold) at work at once.",
)  # fmt: skip
@click.option(
    "--cluster",
    default="",
    metavar="ADDRESS|FILE",
    help="Work on a running Dask cluster: tcp://host:port or its scheduler file.",
)
@click.option(
    "--shard", default="", metavar="K/N",
    help="Only every N-th cell, from the K-th. `merge` joins the folders.",
)  # fmt: skip
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Seed of the folds, and `random_state` of methods that have one.",
)
@click.option(
    "--empty",
    type=click.Choice(["skip", "0", "1"]),
    default="skip",
    show_default=True,
    help="Also print means over all images. An empty mask on a lesion-free image scores this in them.",
)
@limit_options
@click.option("--no-cost", is_flag=True, help="Don't measure time and memory in processes of their own.")
@click.option(
    "--as-exported", is_flag=True, help="Measure the cost of each method's exported ONNX file, kept in RUN/models."
)
@click.option("--retry-failed", "retry", is_flag=True, help="When going on with RUN, try again what failed.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and stop.")
@click.option(
    "--format", "form", type=click.Choice(["text", "md", "csv", "json"]), default="text", show_default=True,
    help="How to print the table.",
)  # fmt: skip
def bench(
    *,
    sources: tuple[str, ...],
    train: tuple[str, ...],
    test: tuple[str, ...],
    leave_one_out: bool,
    methods: tuple[str, ...],
    folds: int | None,
    split: str | None,
    chosen: tuple[int, ...],
    test_part: bool,
    as_read: bool,
    cache: Path | None,
    output: Path | None,
    processes: int,
    cluster: str,
    shard: str,
    seed: int,
    empty: str,
    no_cost: bool,
    as_exported: bool,
    retry: bool,
    dry_run: bool,
    form: str,
) -> None:
    """Fit and score methods on the folds of a data set, and print the table.

    Without options it takes synthetic phantoms, the models that ship, and every method that needs no TensorFlow.

    A scene is all images of one view of one lesion, copies included. Each case is predicted by a model that saw neither
    it nor another image of its scene. If nothing names the scenes, near-duplicates are looked for first. A trained
    model (a file) is scored as it is, and marked. `-m mine=runs/fold{fold}.onnx` is one model per fold. Each predicts
    its own fold alone. `-m "random-forest[n_trees=50|100]"` chooses inside each training part, in inner folds that keep
    scenes together. The fit time holds the search.

    With -o every row is on disk at once, and a killed run goes on where it was.

    SUITE.toml describes a whole run. Its keys are the long names of these options, and options override it.

    Data sets with short names are crossed: `--data NAME=DIR --data NAME2=DIR2`. A model for fold k learns from no case
    of fold k of any of them. A data set that doesn't teach is predicted by the model that learned from all the others'
    cases. Exit code 1 means that predictions failed. They count as misses and are listed.
    """
    from ..bench import make_plan
    from ..bench.method import FOLD
    from ..bench.tables.plan import plan_matrix
    from ..data import choose_data, parse_sources
    from ..data.readers import split_source
    from ..processes.shards import parse_shard
    from ..registry import is_model_path, parse_spec

    part = parse_shard(shard) if shard else None
    if (cluster or part) and output is None:
        raise click.UsageError(f"--{'cluster' if cluster else 'shard'} needs -o RUN")
    if as_exported and no_cost:
        raise click.UsageError("--as-exported measures cost: not with --no-cost")
    if retry and output is None:
        raise click.UsageError("--retry-failed needs -o RUN")
    specs = list(methods) or default_methods()
    dataset, parts, split_name = choose_data(
        sources, train, test, leave_one_out=leave_one_out,
        split=split, folds=folds, seed=seed, test_part=test_part,
        find_scenes=lambda found: find_scenes(found, as_read, cache),
    )  # fmt: skip
    for source in parse_sources(sources).values():
        _refuse_inside(output, split_source(source)[0])
    as_given = [spec for spec in specs if FOLD not in spec and is_model_path(parse_spec(spec)[0])]
    plan = make_plan(
        dataset, parts, specs, FACTORY,
        split_name=split_name, seed=seed, folds=chosen or None, as_given=as_given,
    )  # fmt: skip
    if dry_run:
        click.echo(plan_matrix(plan, output))
        return
    if part is not None and output is not None:
        failed = _run_shard(plan, output, processes, cluster, part, retry)
        click.echo(f"run folder: {output}, shard {shard}: `hybridseg merge` joins it with the others", err=True)
    elif output is not None:
        costs = {"cost": not no_cost, "as_exported": as_exported}
        failed = _run(plan, output, processes, form, **costs, empty=empty, cluster=cluster, retry=retry)
        click.echo(f"run folder: {output}", err=True)
    else:
        with tempfile.TemporaryDirectory(prefix="hybridseg-bench-") as folder:
            failed = _run(plan, Path(folder), processes, form, cost=not no_cost, as_exported=as_exported, empty=empty)
    if failed:
        first = failed[0]
        click.echo(
            f"hybridseg bench: {len(failed)} predictions failed, scored as misses; first: {first.method}, "
            f"{first.case_id}: {first.error}{'; --retry-failed does them again' if output else ''}",
            err=True,
        )
        raise click.exceptions.Exit(1)


def _refuse_inside(output: Path | None, source: Path) -> None:
    """Raise unless a run folder lies outside a folder of data."""
    if output is not None and source.is_dir() and output.resolve().is_relative_to(source.resolve()):
        raise click.UsageError(f"-o {output}: lies in the folder of the data, whose images its masks would join")


def _run(
    plan: Plan,
    folder: Path,
    processes: int,
    form: str,
    *,
    cost: bool,
    as_exported: bool,
    empty: str,
    cluster: str = "",
    retry: bool = False,
) -> list[Record]:
    from ..bench.run.costing import measure_costs
    from ..bench.run.running import run_plan
    from ..bench.tables.run import render, write_tables
    from ..bench.verdicts.summary import summarize

    with progress_line("bench") as progress:
        records = run_plan(
            plan, folder, processes=processes, cluster=cluster, retry=retry, command=_command(), progress=progress
        )
        if cost:
            measure_costs(
                plan, folder, counter=COUNTER, retry=retry, as_exported=as_exported,
                command=_command(), progress=progress,
            )  # fmt: skip
    summary = summarize(folder, empty=None if empty == "skip" else float(empty))
    _tell_deaths(folder)
    write_tables(summary, folder)
    click.echo(render(summary, form))
    return [record for record in records if record.error]


def _run_shard(
    plan: Plan, folder: Path, processes: int, cluster: str, shard: tuple[int, int], retry: bool
) -> list[Record]:
    from ..bench.run.running import run_plan

    with progress_line("bench") as progress:
        records = run_plan(
            plan, folder, processes=processes, cluster=cluster, shard=shard, retry=retry, command=_command(),
            progress=progress,
        )  # fmt: skip
    _tell_deaths(folder)
    return [record for record in records if record.error]


def _command() -> list[str]:
    return ["hybridseg", *sys.argv[1:]]


def _tell_deaths(folder: Path) -> None:
    """Name the processes that died. Their work is done again, and a second death is recorded."""
    from ..bench.records.folder import RunFolder, read_description

    sessions = [each for each in read_description(RunFolder(folder))["sessions"] if "measured" not in each]
    for death in sessions[-1].get("deaths", ()) if sessions else ():
        click.echo(f"hybridseg bench: a process died: {death}", err=True)


def default_methods() -> list[str]:
    """Return the models that ship, and the installed methods that need no TensorFlow, by name.

    One that can't be loaded is left out, with the reason on stderr: a broken plug-in stops nobody else.
    """
    from ..registry import MethodLoadError, available, find_class
    from ..zoo.cards import cards, shipped

    chosen = [card["file"] for card in cards() if shipped(card["file"])]
    for name, info in available().items():
        if info.value.startswith(_NEEDS_TENSORFLOW):
            continue
        try:
            find_class(name)
        except MethodLoadError as error:
            click.echo(f"hybridseg bench: left out: {error}", err=True)
            continue
        chosen.append(name)
    return chosen
