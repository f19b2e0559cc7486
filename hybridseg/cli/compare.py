"""``hybridseg compare``: two runs over the same cases, paired."""

from __future__ import annotations

from pathlib import Path

import click

from ._examples import examples

_RUN = click.Path(path_type=Path)


@click.command(epilog=examples("compare OLD_RUN NEW_RUN", "compare OLD_RUN NEW_RUN --metric f1 --all-pairs"))
@click.argument("run_a", type=_RUN)
@click.argument("run_b", type=_RUN)
@click.option(
    "--metric",
    default="iou",
    show_default=True,
    metavar="NAME",
    help="What is compared: iou, f1, or a metric of which more is better, such as nsd (boundaries within 3 px).",
)
@click.option("--all-pairs", is_flag=True, help="Each method of A with each of B, not only with its namesake.")
@click.option(
    "--format", "form", type=click.Choice(["text", "md", "csv", "json"]), default="text", show_default=True,
    help="How to print the table.",
)  # fmt: skip
def compare(*, run_a: Path, run_b: Path, metric: str, all_pairs: bool, form: str) -> None:
    """Say which methods of RUN_B are better or worse than those of RUN_A, case by case.

    A method is compared with its namesake in the other run. If the runs share no method, each is compared with each.
    """
    from ..bench.tables.compare import render_comparison
    from ..bench.verdicts.compare import compare_runs

    click.echo(render_comparison(compare_runs(run_a, run_b, metric=metric, every=all_pairs), form))
