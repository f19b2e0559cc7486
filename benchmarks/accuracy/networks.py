"""The page of the known networks, with its counts and picture, from a run that trained them and runs that tested them.

    hybridseg bench benchmarks/accuracy/networks.toml --data Dataset_BUSI_with_GT -o TRAINED
    for model in TRAINED/models/*.hybridseg; do
        hybridseg export "$model" -o "${model%.hybridseg}.onnx"
        hybridseg bench -m "${model%.hybridseg}.onnx" --data busi=Dataset_BUSI_with_GT --data busbra=BUSBRA \\
            --data busuclm=BUS-UCLM --train busi+busbra --fold 0 --fold 5 -o "TESTED/$(basename "$model")"
    done
    python benchmarks/accuracy/networks.py TRAINED TESTED/*

The first run trains each network once, on BUSI without fold 0. The others train nothing: ``--train`` names whose fold 0
is tested. So the same models predict fold 0 of BUSI and BUS-BRA and all of BUS-UCLM. The picture needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from hospitals import NAMES, RESULTS, Named, means, mistakes, of, save_picture, write_counts

from hybridseg.bench.records.folder import RunFolder, read_description, read_run
from hybridseg.bench.verdicts.methods import MethodSummary
from hybridseg.bench.verdicts.pairing import SIGNIFICANT, Difference, differences, lesion_scores
from hybridseg.bench.verdicts.summary import summarize
from hybridseg.text import interval_text, markdown_table, spec_parts

PLAIN, OURS = "unet-2015", "unet"
SHARED = ("size=", "epochs=")
"""Parameters that all lines have alike."""
PUBLISHED_WIDTH = {"unet-2015": 64, "attention-unet": 64, "unet-plus-plus": 32, "deep-unet": 64}
Found = Mapping[tuple[str, str, str], Difference]
"""Differences in F1: by network, compared with, tested on."""


@dataclass(frozen=True)
class Trained:
    """A network as it was trained: its short name, its parameters, and the minutes that it took."""

    title: str
    params: Mapping[str, Any]
    minutes: float


@click.command()
@click.argument("trained", type=click.Path(path_type=Path))
@click.argument("tested", type=click.Path(path_type=Path), nargs=-1, required=True)
def main(trained: Path, tested: tuple[Path, ...]) -> None:
    """Write page, counts and picture of the networks in TRAINED, as the runs in TESTED score them."""
    known, listed = networks(trained)
    rows = [row for run in tested for row in read_run(run)[1]]
    records = [replace(row, method=known[Path(row.method).stem].title) for row in rows]
    by_title = {known[Path(line.method).stem].title: line for run in tested for line in summarize(run).methods}
    lines = {each.title: by_title[each.title] for each in known.values() if each.title in by_title}
    found = compared(list(lines), records)
    write_counts(records, RESULTS / "networks_cases.csv.gz")
    draw(lines, RESULTS / "networks.png")
    missing = [title for title in listed if title not in lines]
    text = page({each.title: each for each in known.values()}, lines, found, missing)
    (RESULTS / "networks.md").write_text("\n".join(text), "utf-8")


def networks(folder: Path) -> tuple[dict[str, Trained], list[str]]:
    """Return what a run trained, by the stem of the model's file, and the titles of all networks that it lists."""
    description = read_description(RunFolder(folder))
    params = {method["spec"]: method["params"] for method in description["methods"]}
    seconds = {line.method: line.fit_seconds for line in summarize(folder).methods}
    known = {
        cell["file"]: Trained(short(cell["method"]), params[cell["method"]], took / 60)
        for cell in description["cells"]
        if (took := seconds[cell["method"]]) is not None
    }
    return known, [short(cell["method"]) for cell in description["cells"]]


def short(spec: str) -> str:
    """Return a spec without the parameters that all lines share."""
    name, parts = spec_parts(spec)
    own = [part for part in parts if not part.startswith(SHARED)]
    return f"{name}[{','.join(own)}]" if own else name


def compared(titles: list[str], records: list[Any]) -> Found:
    """Return each network's F1 minus that of plain U-Net and of `unet`, at each hospital."""
    groups = {row.case_id: row.group for row in records}
    scores = {
        (title, name): lesion_scores([row for row in records if (row.method, row.tested_on) == (title, name)], "f1")
        for title in titles
        for name in NAMES
    }
    pairs = {
        (title, reference, name): (scores[title, name], scores[reference, name])
        for reference in titles
        if reference == OURS or reference.startswith(PLAIN)
        for title in titles
        if title != reference
        for name in NAMES
    }
    return differences(pairs, groups)


def page(
    trained: Mapping[str, Trained], lines: Mapping[str, MethodSummary], found: Found, missing: list[str]
) -> list[str]:
    """Return the page."""
    title_of = {line.method: title for title, line in lines.items()}
    named: Named = (("network",), lambda line: [title_of[line.method]])
    some = list(lines.values())
    return [
        "# Known networks by one recipe and one short budget", "",
        *first(lines, found), "",
        *protocol(next(iter(trained.values())).params, missing), "",
        "![F1 by multiply-adds at three hospitals](networks.png)", "",
        "*Mean F1 of lesion images with its interval, by multiply-adds of an image at this size. The line joins",
        "networks that no cheaper one reaches.*", "",
        "## What each line is", "",
        *recipes(trained, lines), "",
        "A quarter of the width is a sixteenth of the multiply-adds: another network than the published one. Training",
        "took these minutes on one core, which other work shared. Milliseconds are processor time per image, decoded",
        "pixels to mask, one thread, with the mirrored image. Take their ratio as rough. At published sizes, some were",
        "timed in one run: [peers.md](peers.md). `speed/networks.py` times all.", "",
        "## F1", "", *means(some, "f1", "F1", named=named), "",
        "## IoU", "", *means(some, "iou", "IoU", named=named), "",
        "## Lesions missed, and lesion-free images outlined", "",
        "Lesion images of patients or scenes, the share of lesion images without one right pixel, and the share of",
        "lesion-free images with a mask.", "", *mistakes(some, named=named), "",
        "## Beside plain U-Net and beside `unet`", "",
        "Mean difference in F1 on the same lesion images, the first minus the second, with its 95 % interval. p:",
        "sign-flip permutation test over patients or scenes, Holm-corrected for the rows of this table.", "",
        *changes(found), "",
    ]  # fmt: skip


def protocol(params: Mapping[str, Any], missing: list[str]) -> Iterator[str]:
    """Yield what was done, and what it can't say."""
    yield from (
        f"**The budget is short: {params['epochs']} epochs at {params['size']} pixels.** Full trainings would rank",
        "these networks differently, and a pretrained encoder gains most when time is short. So this page names no",
        "best network. The `unet` that ships learned from two hospitals, for longer and at a larger size:",
        "[models.md](models.md). Nothing was chosen by this page. For research, not for diagnosis.", "",
        "```sh",
        *(line[4:] for line in (__doc__ or "").splitlines() if line.startswith("    ")),
        "```", "",
        "Each network learned once, from BUSI without its fold 0, by the recipe of `unet`. That very model was tested",
        "on fold 0 of BUSI, on the published fold 0 of BUS-BRA, and on all of BUS-UCLM. Neither BUS-BRA nor BUS-UCLM",
        "taught any. Means are over lesion images in native pixels. Intervals: 95 %, bootstrap over patients or",
        "scenes. They come from one training each, so they leave out the chance of the seed. Every row:",
        "[counts](networks_cases.csv.gz).",
    )  # fmt: skip
    if missing:
        yield from ("", f"Not trained and tested, because time ran out: {', '.join(f'`{each}`' for each in missing)}.")


def first(lines: Mapping[str, MethodSummary], found: Found) -> Iterator[str]:
    """Yield where a peer has a higher mean than `unet`, before anything else."""
    if OURS not in lines:
        yield f"`{OURS}` isn't among the networks here, so nothing is compared with it."
        return
    higher = [(key, each) for key, each in found.items() if key[1] == OURS and each.mean > 0]
    if not higher:
        yield "No network here has a higher mean F1 than `unet` at any of the three hospitals."
        return
    yield "Some networks have a higher mean F1 than `unet` here:"
    yield ""
    for (title, _, name), each in higher:
        sure = "p < 0.05" if each.p_value < SIGNIFICANT else "not significant"
        yield f"- `{title}` at {NAMES[name]}: {difference(each)}, {sure}"


def recipes(trained: Mapping[str, Trained], lines: Mapping[str, MethodSummary]) -> list[str]:
    """Return the table of what was trained how, and what it costs."""
    plain = next((milliseconds(line) for title, line in lines.items() if title.startswith(PLAIN)), None)
    rows = []
    for title, line in lines.items():
        each = trained[title]
        ms = milliseconds(line)
        rows.append([
            title, width(title, each.params), "ImageNet" if each.params.get("pretrained") else "no",
            str(each.params["random_state"]), str(each.params["epochs"]), str(each.params["size"]),
            f"{(line.parameters or 0) / 1e6:.2f}", f"{(line.multiply_adds or 0) / 1e9:.3f}",
            f"{(line.saved_bytes or 0) / 1e6:.1f}", f"{ms:.1f}", f"{ms / plain:.2f}" if plain else "",
            f"{each.minutes:.1f}",
        ])  # fmt: skip
    return markdown_table(
        ["network", "width", "pretrained", "seed", "epochs", "size", "parameters, M", "multiply-adds, G", "file, MB",
         "ms", f"ms / {PLAIN}", "training, min"],
        rows,
    )  # fmt: skip


def width(title: str, params: Mapping[str, Any]) -> str:
    """Return a network's width in words."""
    published = PUBLISHED_WIDTH.get(title.partition("[")[0])
    return "published" if params.get("width") is None or published is None else f"{params['width']} of {published}"


def milliseconds(line: MethodSummary) -> float:
    """Return the processor time of an image."""
    return (line.ms_median or 0.0) * (line.cores_used or 1.0)


def changes(found: Found) -> list[str]:
    """Return the table of paired differences."""
    return markdown_table(
        ["network", "beside", "tested at", "images", "F1", "p"],
        [
            [title, reference, NAMES[name], f"{each.cases:,}", difference(each), f"{each.p_value:.3f}"]
            for (title, reference, name), each in found.items()
        ],
    )


def difference(each: Difference) -> str:
    """Return a difference with its interval."""
    return interval_text(each.mean, each.low, each.high, sign="+")


def draw(lines: Mapping[str, MethodSummary], path: Path) -> None:
    """Draw F1 over multiply-adds, one panel for each hospital, and the front."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), dpi=100, layout="constrained")
    panels = figure.subplots(1, len(NAMES), sharey=True)
    shades = [f"C{number}" for number in range(len(lines))]
    for axes, (name, hospital) in zip(panels, NAMES.items(), strict=True):
        points = []
        for shade, (title, line) in zip(shades, lines.items(), strict=True):
            scores, cost = of(line, name), (line.multiply_adds or 0) / 1e9
            f1, low, high = scores.f1 or 0.0, scores.f1_low or 0.0, scores.f1_high or 0.0
            axes.errorbar(cost, f1, [[f1 - low], [high - f1]], fmt="o", color=shade, label=title, capsize=2, lw=0.8)
            points.append((cost, f1))
        axes.plot(*zip(*front(points), strict=True), color="grey", lw=1, zorder=0)
        axes.set_title(f"tested on {hospital}", fontsize=10)
        axes.set_xlabel("multiply-adds, G")
    panels[0].set_ylabel("mean F1 of lesion images")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", fontsize=8, frameon=False)
    save_picture(figure, path)


def front(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points (cost, score) that no cheaper one reaches, by cost."""
    kept: list[tuple[float, float]] = []
    for cost, score in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or score > kept[-1][1]:
            kept.append((cost, score))
    return kept


if __name__ == "__main__":
    main()
