"""``hybridseg recommend``: the best model of a run under a budget."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import registry
from ..zoo.cards import PUBLISHED, shipped
from ._examples import examples

if TYPE_CHECKING:
    from ..bench.verdicts.budget import Candidate


NEW_HOSPITAL = "BUS-UCLM"
"""Of the published results, the hospital that taught nobody: there, every model is a stranger."""


@click.command(epilog=examples("recommend --max-false-alarms 30", "recommend RUN --max-ms 20 --max-mb 5"))
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--max-ms", type=float, metavar="MS", help="Allow this median time per image, on one thread.")
@click.option("--max-p95", "max_p95_ms", type=float, metavar="MS", help="Allow this 95th percentile of that time.")
@click.option("--max-mb", type=float, metavar="MB", help="Allow this size of its file, in 10^6 bytes.")
@click.option("--max-mib", type=float, metavar="MIB", help="Allow this much memory of its process, in MiB.")
@click.option("--max-start", "max_start_s", type=float, metavar="S", help="Allow this time from start to first mask.")
@click.option(
    "--max-missed", type=click.FloatRange(0, 100), metavar="PERCENT",
    help="Allow this share of lesion images in which it finds no pixel.",
)  # fmt: skip
@click.option(
    "--max-false-alarms", type=click.FloatRange(0, 100), metavar="PERCENT",
    help="Allow this share of lesion-free images in which it predicts a pixel.",
)  # fmt: skip
@click.option(
    "--hospital", default="", metavar="NAME",
    help=f"Judge by this data set alone, by its short name [default: all of RUN, {NEW_HOSPITAL} without RUN].",
)  # fmt: skip
@click.option(
    "--metric", default="iou", show_default=True, metavar="NAME",
    help="Accuracy is the mean of this over lesion images: iou, f1, or a metric of which more is better.",
)  # fmt: skip
@click.option("--at-least", type=float, metavar="VALUE", help="The accuracy to reach.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print it."
)
def recommend(
    *,
    run: Path | None,
    metric: str,
    hospital: str,
    form: str,
    max_missed: float | None,
    max_false_alarms: float | None,
    **costs: float | None,
) -> None:
    """Name the most accurate method of RUN that keeps a budget of time, size, memory and mistakes.

    Without RUN it chooses among the models that ship. It then takes published results on cases of three hospitals that
    the models hadn't seen. At one of these, BUSI, the classical methods stand beside them.

    Time and size are those of what was measured. That is an ONNX file where RUN has one, else the method in Python.
    Between two of the same accuracy the ONNX file is taken.

    The answer says what the budget costs in accuracy, what stands next to it, and how to get its file. With --at-least
    alone it is the fastest that reaches that accuracy. Exit code 1 means that nothing fits. The nearest is named.
    """
    from ..bench.records.published import read_published
    from ..bench.tables.recommend import render_recommendation
    from ..bench.verdicts.budget import Budget
    from ..bench.verdicts.recommend import recommend_method, recommend_stored

    shares = {
        name: None if percent is None else percent / 100
        for name, percent in (("max_missed", max_missed), ("max_false_alarms", max_false_alarms))
    }
    place = hospital or ("" if run else NEW_HOSPITAL)
    budget = Budget(metric=metric, hospital=place, **shares, **costs)
    found = recommend_method(run, budget) if run else recommend_stored(*read_published(PUBLISHED), budget)
    lines = get_lines(found.chosen, run or PUBLISHED) if found.chosen else []
    if form == "json":
        click.echo(json.dumps({**asdict(found), "commands": lines}, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(render_recommendation(found, budget, lines))
    if found.chosen is None:
        raise click.exceptions.Exit(1)


def get_lines(chosen: Candidate, run: Path) -> list[str]:
    """Return the command lines that put the chosen method into one ONNX file, and any obstacle."""
    spec = chosen.method
    name = Path(spec.partition("[")[0].rpartition(":")[2]).stem
    target = f"{name}.onnx"
    if chosen.is_onnx or chosen.as_given:
        return _lines_for_file(chosen, target)
    anew = _anew(spec)
    if chosen.model:
        return [
            shlex.join(["hybridseg", "export", str(run / chosen.model), "-o", target]),
            "# that model was fitted without its test fold; fitted on all cases:",
            anew,
        ]
    export = shlex.join(["hybridseg", "export", spec, "-o", target])
    if registry.is_file_spec(spec):  # a run folder may come from anybody: what it names isn't run to look at it
        return ["# if it needs no fitting:", export, "# else, fitted on all cases:", anew]
    if _has_to_learn(spec):
        return ["# the run keeps no fitted model of it; fitted on all cases:", anew]
    return [export]


def _anew(spec: str) -> str:
    """Return the command line that fits a method on all cases and exports it; a run folder may hold any name."""
    name = Path(spec.partition("[")[0].rpartition(":")[2]).stem
    model, onnx = shlex.quote(f"{name}.hybridseg"), shlex.quote(f"{name}.onnx")
    return f"hybridseg fit {shlex.quote(spec)} --data DIR -o {model} && hybridseg export {model} -o {onnx}"


def _lines_for_file(chosen: Candidate, target: str) -> list[str]:
    spec = chosen.method
    name = spec.partition("[")[0]
    ours = shipped(name) if chosen.is_onnx and not Path(name).exists() else None
    file = ours or Path(name)
    if not file.is_file() and file.stem in registry.available():
        return [_anew(file.stem)]
    if not file.is_file():
        return [f"# {name}, the file that was measured, isn't here any more"]
    if _is_another(file, chosen):
        return [f"# {file} isn't the file that was measured (its SHA-256 or size differs)"]
    if ours:
        return [shlex.join(["hybridseg", "models", "--copy", ours.stem, "-o", "."])]
    copied = ["cp", str(file), "DIR/" if name == target else target]
    return [shlex.join(copied if chosen.is_onnx else ["hybridseg", "export", spec, "-o", target])]


def _is_another(file: Path, chosen: Candidate) -> bool:
    """Whether a file isn't the one that was measured; by its size where the run is too old to tell the SHA-256."""
    if not chosen.sha256:
        return round(file.stat().st_size / 1e6, 3) != round(chosen.mb, 3)
    from ..bench.method import saved_hash

    try:
        return saved_hash(registry.create(str(file))) != chosen.sha256
    except ValueError:
        return True


def _has_to_learn(spec: str) -> bool:
    try:
        return registry.create(spec).tags.requires_fit
    except (ValueError, KeyError, ImportError, OSError):  # it isn't installed here: the person knows better
        return False
