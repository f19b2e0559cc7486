"""Chapters on parts of the data: lesions by size, class and source, images without a lesion, and failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...data.cases import natural_key
from ...data.facts import fact_title
from ...metrics import image_mean, wilson_interval
from ...text import counted
from .document import Entry, ReportTable, Section, Text, count, number, percent
from .facts import RunFacts

_COLUMNS = 8
"""Values of a fact that have a column each; facts with more have no table."""

_LISTED = 100
"""Failed predictions that are listed; the others are counted."""


def parts(facts: RunFacts) -> Section:
    """Return mean IoU by lesion size, by class, by source, and by what the source knows of a case."""
    lesion = facts.lesion_shares()
    if not lesion:
        return Section("Parts of the data", "parts", (Text("No image with a lesion has been scored yet."),))
    sizes, thirds, _ = size_thirds(lesion)
    tables = [_by(facts, sizes, thirds, "By lesion size: thirds, by the lesion's share of the picture.")]
    texts = []
    known = sorted({fact for case_id in lesion for fact in facts.known[case_id]} - {"patient"})
    by_fact = (
        (fact_title(fact), {case_id: str(facts.known[case_id].get(fact, "")) for case_id in lesion}) for fact in known
    )
    sources = {case_id: source_of(case_id) for case_id in lesion}
    for what, parts_of in (("class", facts.labels), ("source", sources), *by_fact):
        names = sorted({parts_of[case_id] for case_id in lesion}, key=natural_key)
        if len(names) < 2:
            if names[0]:
                texts.append(Text(f"No table by {what}: all lesion images have the same, {names[0]}."))
        elif len(names) > _COLUMNS:
            texts.append(Text(f"No table by {what}: {len(names)} values are too many. They are in cases.csv."))
        else:
            tables.append(_by(facts, parts_of, names, f"By {what}."))
    what_n = "Mean IoU with its 95 % interval by bootstrap over scenes. n: lesion images of how many scenes."
    by_source = " Source: the folder in a case's name." if any(sources.values()) else ""
    texts.append(Text(what_n + by_source))
    return Section("Parts of the data", "parts", tuple(texts), (), tuple(tables))


def source_of(case_id: str) -> str:
    """Return where a case comes from: the folders in its name, as sets read from several sites have them."""
    return case_id.rpartition("/")[0]


def size_thirds(shares: Mapping[str, float]) -> tuple[dict[str, str], list[str], tuple[float, float]]:
    """Return which third of the lesions by size each case is in, the thirds' names in order, and where they part."""
    first, second = np.quantile(list(shares.values()), [1 / 3, 2 / 3])
    names = [
        f"small: up to {100 * first:.1f} %",
        f"medium: up to {100 * second:.1f} %",
        f"large: above {100 * second:.1f} %",
    ]
    return (
        {
            case_id: names[0] if share <= first else names[1] if share <= second else names[2]
            for case_id, share in shares.items()
        },
        names,
        (float(first), float(second)),
    )


def _by(facts: RunFacts, parts_of: Mapping[str, str], names: list[str], caption: str) -> ReportTable:
    everywhere = {case_id for scores in facts.scores.values() for case_id in scores}
    cases = {name: [case_id for case_id in everywhere if parts_of[case_id] == name] for name in names}
    scenes = {name: len({facts.groups[case_id] for case_id in cases[name]}) for name in names}
    rows = []
    for method, scores in facts.scores.items():
        entries = []
        for name in names:
            inside = [case_id for case_id in scores if parts_of[case_id] == name]
            if inside:
                groups = [facts.groups[each] for each in inside]
                mean = image_mean([scores[each] for each in inside], groups)
                entry = number(mean.value, low=mean.low, high=mean.high)
                fewer = f" (n = {len(inside)} of {len(set(groups))})" if len(inside) < len(cases[name]) else ""
                entries.append(replace(entry, text=entry.text + fewer))
            else:
                entries.append(Entry("-"))
        rows.append((Entry(facts.marked[method]), *entries))
    header = ("method", *(f"{name or 'none given'} (n = {len(cases[name])} of {scenes[name]})" for name in names))
    return ReportTable(caption, header, tuple(rows))


def lesion_free(facts: RunFacts) -> Section:
    """Return how often a lesion is seen where there is none."""
    title, slug = "Images without a lesion", "lesion-free"
    if not any(method.lesion_free_images for method in facts.methods):
        none = "There is no lesion-free image among the scored cases: nothing can be said of false alarms."
        return Section(title, slug, (Text(none),))
    rows = []
    for method in facts.methods:
        free = [row for row in facts.rows[method.method] if not row.has_lesion]
        if not free:
            continue
        alarms = sum(row.fp > 0 for row in free)
        rate = wilson_interval(alarms, len(free))
        areas = [row.fp / (row.height * row.width) for row in free if row.fp]
        rows.append((
            Entry(method.marked), count(len(free)), count(alarms),
            percent(rate.value, low=rate.low, high=rate.high),
            percent(float(np.median(areas)) if areas else None), percent(method.false_positive_area),
        ))  # fmt: skip
    header = ("method", "images", "false alarms", "% [95 %]", "median area of an alarm, %", "mean area over all, %")
    text = "A false alarm is any predicted pixel. Interval: Wilson's, image by image."
    return Section(title, slug, (Text(text),), (), (ReportTable("Lesion-free images.", header, tuple(rows)),))


def failures(facts: RunFacts) -> Section:
    """Return the predictions that failed, with the reason."""
    failed = [(method, row) for method, rows in facts.rows.items() for row in rows if row.error]
    title, slug = "Failed predictions", "failures"
    if not failed:
        return Section(title, slug, (Text("None."),))
    text = f"{counted(len(failed), 'prediction')} failed. A failed prediction is scored as the worst mask there is."
    if len(failed) > _LISTED:
        text += f" The first {_LISTED}:"
    rows = tuple((Entry(method), Entry(row.case_id), Entry(row.error)) for method, row in failed[:_LISTED])
    return Section(
        title,
        slug,
        (Text(text, "warning"),),
        (),
        (ReportTable("Failures.", ("method", "case", "reason"), rows, names=2),),
    )
