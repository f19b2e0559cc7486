"""Chapters on several data sets: trained where, tested where, and what one more source in training brings."""

from __future__ import annotations

from dataclasses import asdict, replace

from ...text import interval_text
from ..verdicts.methods import MethodSummary
from ..verdicts.notes import how_predicted
from ..verdicts.pairing import Scores, differences, lesion_scores
from .document import Entry, ReportTable, Section, Text, count, number, percent
from .facts import RunFacts


def across(facts: RunFacts) -> Section:
    """Return IoU and F1 by training and test set, shaded as a map, with the worst set, misses and false alarms."""
    tables = [_matrix(facts, metric, unit) for metric, unit in (("iou", "IoU"), ("f1", "F1"))]
    tables.append(_mistakes(facts))
    worst = [method for method in facts.methods if method.worst_set is not None]
    texts = [Text(
        f"Rows: what a method was trained on. Columns: what it was tested on. {how_predicted(facts.description)}"
    )]  # fmt: skip
    texts += [
        Text(f"{method.marked}: worst on {set_.tested_on}, mean IoU {set_.iou:.3f}.", "li")
        for method in worst
        if (set_ := method.worst_set) is not None
    ]
    return Section("Across data sets", "across", tuple(texts), (), tuple(tables))


def _sets(facts: RunFacts) -> list[str]:
    tested = {each.tested_on for method in facts.methods for each in method.sets}
    return [name for name in facts.description["sources"] if name in tested]


def _names(method: MethodSummary) -> tuple[Entry, Entry]:
    mark = method.marked.removeprefix(method.method)
    return Entry(method.title + mark), Entry(method.trained_on or "-")


def _matrix(facts: RunFacts, metric: str, unit: str) -> ReportTable:
    rows = []
    scenes = _most(facts, "scenes")
    for method in facts.methods:
        found = {each.tested_on: asdict(each) for each in method.sets}
        entries = []
        for name, most in scenes.items():
            value, low, high = (found.get(name, {}).get(f"{metric}{end}") for end in ("", "_low", "_high"))
            entry = replace(number(value, low=low, high=high), shade=value)
            entries.append(_of_fewer(entry, found[name]["scenes"], most, "{} scenes") if name in found else entry)
        rows.append((*_names(method), *entries))
    header = ("method", "trained on", *(f"tested on {name} ({n} scenes)" for name, n in scenes.items()))
    return ReportTable(
        f"Mean {unit} per lesion image, with its 95 % interval by bootstrap.", header, tuple(rows), names=2
    )


def _mistakes(facts: RunFacts) -> ReportTable:
    lesion, lesion_free = _most(facts, "lesion_images"), _most(facts, "lesion_free_images")
    shares = [(name, "missed", "lesion_images", n) for name, n in lesion.items()]
    shares += [(name, "false_positive_rate", "lesion_free_images", n) for name, n in lesion_free.items() if n]
    rows = []
    for method in facts.methods:
        found = {each.tested_on: asdict(each) for each in method.sets}
        entries = [
            _of_fewer(percent(found[name][share]), found[name][images], most, "n = {}") if name in found else Entry("-")
            for name, share, images, most in shares
        ]
        rows.append((*_names(method), *entries))
    what = {"missed": "missed", "false_positive_rate": "false alarm"}
    header = ("method", "trained on", *(f"{name}: {what[share]} % (n = {most})" for name, share, _, most in shares))
    return ReportTable("Lesions missed, and lesion-free images with a mask, by test set.", header, tuple(rows), names=2)


def _of_fewer(entry: Entry, here: int, most: int, words: str) -> Entry:
    """Return an entry with how many scenes or images it is of, where these are fewer than the heading says."""
    return entry if here == most else replace(entry, text=f"{entry.text} ({words.format(here)})")


def _most(facts: RunFacts, what: str) -> dict[str, int]:
    """Return how many of them the line with most has, by test set."""
    every = [each for method in facts.methods for each in method.sets]
    return {name: max(getattr(each, what) for each in every if each.tested_on == name) for name in _sets(facts)}


def second_source(facts: RunFacts) -> Section:
    """Return, for each test set, what training on one more source brings, paired by image."""
    pairs: dict[tuple[str, str, str, str], tuple[Scores, Scores]] = {}
    ran = [method for method in facts.methods if not method.never_ran]
    for more in ran:
        for less in ran:
            if more.title == less.title and _adds_one(more.trained_on, less.trained_on):
                for name in _sets(facts):
                    scores = [
                        lesion_scores([row for row in facts.rows[method.method] if row.tested_on == name], "iou")
                        for method in (more, less)
                    ]
                    pairs[more.title, less.trained_on, more.trained_on, name] = (scores[0], scores[1])
    rows = [
        (
            Entry(method), Entry(less), Entry(more), Entry(name), count(found.cases),
            count(found.scenes),
            Entry(interval_text(found.mean, found.low, found.high, sign="+"), found.mean, found.low, found.high),
            Entry("< 0.001" if found.p_value < 0.001 else f"{found.p_value:.3f}", found.p_value),
        )
        for (method, less, more, name), found in differences(pairs, facts.groups).items()
    ]  # fmt: skip
    title, slug = "What one more hospital in training brings", "second"
    if not rows:
        return Section(title, slug, (Text("No two lines of this run differ by one source in training."),))
    header = ("method", "trained on", "and then on", "tested on", "images", "scenes", "IoU gained [95 %]", "p (Holm)")
    text = (
        "Mean of the per-image difference in IoU, with its 95 % interval by bootstrap over scenes or patients; p: "
        "two-sided sign-flip permutation test, Holm-corrected for the number of rows."
    )
    return Section(title, slug, (Text(text),), (), (ReportTable("One more source.", header, tuple(rows), names=4),))


def _adds_one(more: str, less: str) -> bool:
    """Whether a training has the sources of another and one more."""
    ours, theirs = set(more.split("+")), set(less.split("+"))
    return bool(less) and theirs < ours and len(ours) == len(theirs) + 1
