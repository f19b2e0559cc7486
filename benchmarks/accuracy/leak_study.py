"""How many points are due to copies: the same methods on grouped folds and on random ones.

    python benchmarks/accuracy/leak_study.py --data Dataset_BUSI_with_GT -o runs/leak \\
        -m otsu -m watershed -m random-forest -m benchmarks/accuracy/nearest.py:NearestSegmenter

Both splits have five class-stratified folds, so that training parts are of the same size, and every image is predicted
once under each. The random one is dealt as if every image were a scene of its own. Writes a run folder for each split
and leak_study.md beside them. Killed, it goes on where it was.
"""

from __future__ import annotations

from pathlib import Path

import click

from hybridseg.bench import make_plan, run_plan
from hybridseg.bench.verdicts.pairing import difference, lesion_scores
from hybridseg.data import busi_split, check_split, grouped_folds, load_dataset
from hybridseg.data.splits import published_groups
from hybridseg.metrics import image_mean
from hybridseg.text import interval_text

FACTORY = "hybridseg.registry:create"


@click.command()
@click.option("--data", required=True, help="BUSI, as unzipped.")
@click.option("-m", "--method", "methods", multiple=True, required=True)
@click.option("--seed", default=0, help="Deals the random folds.")
@click.option("-j", "--jobs", default=1)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(data: str, methods: tuple[str, ...], seed: int, jobs: int, output: Path) -> None:
    """Run both, compare image by image, print the page."""
    grouped = busi_split()
    dataset = load_dataset(data).select(grouped.case_ids)
    dataset = dataset.regrouped(published_groups(), "the published groups")
    alone = dataset.regrouped({case_id: case_id for case_id in grouped.case_ids}, "every image alone")
    random = grouped_folds(alone, 5, seed)
    leaks = check_split(random, dataset)
    assert check_split(grouped, dataset).n_leaked == 0
    scores = {}
    for name, split in (("grouped", grouped), ("random", random)):
        plan = make_plan(dataset, split, methods, FACTORY, split_name=f"{name}, 5 folds", seed=0)
        records = run_plan(plan, output / name, processes=jobs, command=["leak_study.py"])
        for method in methods:
            rows = [row for row in records if row.method == method]
            for metric in ("iou", "f1"):
                scores[name, method, metric] = lesion_scores(rows, metric)
    groups = dict(zip((case.case_id for case in dataset), dataset.groups, strict=True))
    page = report(methods, scores, groups, {c for fold in leaks.folds for c in fold.leaked}, leaks.share)
    (output / "leak_study.md").write_text(page)
    print(page)


def report(methods, scores, groups, leaked, share) -> str:
    """Return the page: all lesion images, then those with a copy in training, then those without."""
    some = scores["random", methods[0], "iou"]
    parts = {
        f"All {len(some)} lesion images": list(some),
        f"The {sum(c in leaked for c in some)} whose scene is in the random split's training part":
            [c for c in some if c in leaked],
        f"The other {sum(c not in leaked for c in some)}": [c for c in some if c not in leaked],
    }  # fmt: skip
    lines = [
        "# How many points are due to copies", "",
        f"A random split of BUSI's development part leaks {100 * share:.1f} % of its test images: another image of the "
        "same scene is in training. Each method is fitted and scored on five grouped folds (the published ones) and "
        "on five random, class-stratified ones of the same size. Means are per image. Differences have a 95 % interval "
        "by bootstrap over scenes.", "",
    ]  # fmt: skip
    for title, cases in parts.items():
        lines += [f"## {title}", "", "| method | metric | grouped | random | random minus grouped |",
                  "|---|---|---:|---:|---:|"]  # fmt: skip
        for method in methods:
            for metric, label in (("iou", "IoU"), ("f1", "F1")):
                found = {name: {c: scores[name, method, metric][c] for c in cases} for name in ("grouped", "random")}
                change = difference(found["random"], found["grouped"], groups)
                means = [image_mean(list(v.values()), [groups[c] for c in v]).value for v in found.values()]
                interval = interval_text(change.mean, change.low, change.high, sign="+")
                name = method.rsplit("/", 1)[-1]
                lines.append(f"| {name} | {label} | {means[0]:.3f} | {means[1]:.3f} | {interval} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
