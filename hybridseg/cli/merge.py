"""``hybridseg merge``: join run folders."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ._examples import examples


@click.command(epilog=examples("merge RUN1 RUN2 -o WHOLE"))
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="RUN", help="A new folder for the whole."
)
@click.option(
    "--format", "form", type=click.Choice(["text", "md", "csv", "json"]), default="text", show_default=True,
    help="How to print the table.",
)  # fmt: skip
def merge(*, runs: tuple[Path, ...], output: Path, form: str) -> None:
    """Join run folders into a new one and print its table.

    They are the shards of one run (`bench --shard`), or runs of other methods on the same data and split. Folders that
    don't belong together are refused. A killed merge is made again by the same command. Exit code 1 means that rows are
    missing, for example because a shard hasn't ended.
    """
    from ..bench.run.merge import merge_runs
    from ..bench.tables.run import render
    from ..bench.verdicts.summary import summarize

    rows, missing = merge_runs(runs, output, command=["hybridseg", *sys.argv[1:]])
    click.echo(render(summarize(output), form))
    click.echo(f"run folder: {output}", err=True)
    if missing:
        click.echo(f"hybridseg merge: {missing} of {rows + missing} rows are missing", err=True)
        raise click.exceptions.Exit(1)
