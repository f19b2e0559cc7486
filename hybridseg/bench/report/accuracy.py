"""Chapters on accuracy: leaderboard, who is better than whom, how firm the order is, the spread over cases."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ...metrics import LESION_OVERLAP, CaseMetric, Estimate, case_metrics, group_means, rank_stability, scene_mean
from ...metrics.summary import DRAWS
from ...text import interval_text
from ..verdicts.methods import MethodSummary
from ..verdicts.origin import SEEN
from ..verdicts.origin import in_words as trained_on
from ..verdicts.pairing import SIGNIFICANT, lesion_scores
from .document import Entry, Figure, ReportTable, Section, Text, count, number, percent
from .facts import RunFacts
from .figures import histograms, intervals

_FOUND = 0.5
_WARNINGS = (
    SEEN, "few scenes", "incomplete", "different cases", "nobody looked", "synthetic", "times ", "predictions failed",
    "failed, scored", "not measured:",
)  # fmt: skip
_NO_LESION = Text("No image with a lesion has been scored yet.")


def leaderboard(facts: RunFacts) -> Section:
    """Return the tables of means with their intervals, per image and per scene, and their footnotes."""
    scenes = {each.method: _scene_means(facts, each.method) for each in facts.methods}
    texts = [Text(_in_short(facts))]
    texts += [Text(note, "warning" if _is_warning(note) else "p") for note in facts.summary.notes]
    if len(facts.cpus) > 1:
        texts.append(Text(f"Rows come from different processors: {' and '.join(facts.cpus)}.", "warning"))
    figures = []
    scored = [each for each in facts.methods if each.iou is not None]
    if scored:
        lines = [(facts.short[each.method], [_estimate(each), scenes[each.method]["iou"]]) for each in scored]
        figures.append(
            Figure(
                intervals(lines, ("per image", "per scene"), facts.ceilings()),
                f"Mean IoU with 95 % intervals, bootstrap over scenes.{ceiling_note(facts)}",
            )
        )
    return Section(
        "Leaderboard",
        "leaderboard",
        tuple(texts),
        tuple(figures),
        (_per_image(facts), _per_scene(facts, scenes), _per_lesion(facts)),
    )


def ceiling_note(facts: RunFacts) -> str:
    """Return what the line across a plot is, if there is one."""
    named = ", ".join(f"{name} ({iou:.3f})" for name, iou in facts.ceilings())
    return f" The line across: {named}, on the images that were read." if named else ""


def _in_short(facts: RunFacts) -> str:
    """Return who leads, and whether the lead over each other method can be told from chance."""
    first = facts.methods[0]
    if first.iou is None:
        return "No image with a lesion has been scored yet."
    if not first.is_ranked:
        return "No method is ranked: each was trained on images that it is scored on here, or failed on all."
    text = f"{first.method} has the highest mean IoU: {number(first.iou, low=first.iou_low, high=first.iou_high).text}."
    beaten: list[str] = []
    level: list[str] = []
    behind: list[str] = []
    for each in facts.summary.comparisons:
        if first.method in (each.first, each.second):
            other = each.second if each.first == first.method else each.first
            {first.method: beaten, other: behind}.get(each.better, level).append(other)
    if beaten:
        text += f" It is better than {_listed(beaten)}."
    if level:
        text += f" No detectable difference from {_listed(level)}."
    if behind:
        text += f" On the images that both have it is worse than {_listed(behind)}."
    others = [each.method for each in facts.methods if each.other_cases]
    if others:
        text += f" Not ranked, since not scored on the same cases: {_listed(others)}."
    return text


def _listed(names: list[str]) -> str:
    return " and ".join(", ".join(part) for part in (names[:-1], names[-1:]) if part)


def _is_warning(note: str) -> bool:
    return any(mark in note.lower() for mark in _WARNINGS)


def _estimate(method: MethodSummary) -> Estimate:
    return Estimate(method.iou or 0.0, method.iou_low or 0.0, method.iou_high or 0.0)


def _scene_means(facts: RunFacts, method: str) -> dict[str, Estimate]:
    found = {}
    for metric in ("iou", "f1"):
        scores = lesion_scores(facts.rows[method], metric)
        if scores:
            found[metric] = scene_mean(list(scores.values()), [facts.groups[case_id] for case_id in scores])
    return found


def _named(facts: RunFacts, columns: list[tuple[str, Callable[[MethodSummary], Entry]]], caption: str) -> ReportTable:
    rows = [
        (count(rank) if method.is_ranked else Entry("-"), Entry(method.marked), *(make(method) for _, make in columns))
        for rank, method in enumerate(facts.methods, 1)
    ]
    return ReportTable(caption, ("#", "method", *(title for title, _ in columns)), tuple(rows), names=2)


def _metric_columns(facts: RunFacts) -> list[tuple[str, Callable[[MethodSummary], Entry]]]:
    """Return the mean of each metric that a method has, and the images behind it where not all have a value."""
    columns: list[tuple[str, Callable[[MethodSummary], Entry]]] = []
    for metric in case_metrics().values():
        if not any(each.metrics[metric.name].images for each in facts.methods):
            continue
        columns.append((metric.heading, partial(_metric_mean, metric=metric)))
        if metric.missing is None:
            columns.append((f"{metric.heading} n", partial(_metric_images, name=metric.name)))
    return columns


def _metric_mean(method: MethodSummary, metric: CaseMetric) -> Entry:
    return number(method.metrics[metric.name].value, metric.shown_places)


def _metric_images(method: MethodSummary, name: str) -> Entry:
    return count(method.metrics[name].images)


def _per_image(facts: RunFacts) -> ReportTable:
    learned_from: list[tuple[str, Callable[[MethodSummary], Entry]]] = [
        ("learned from", lambda m: Entry(trained_on(m.seen, m.cases) if m.seen else "-"))
    ]
    scored_on: list[tuple[str, Callable[[MethodSummary], Entry]]] = [("scored on", lambda m: Entry(m.scored_on))]
    return _named(facts, [
        *(scored_on if any(each.other_cases for each in facts.methods) else ()),
        *(learned_from if any(each.seen for each in facts.methods) else ()),
        ("IoU [95 %]", lambda m: number(m.iou, low=m.iou_low, high=m.iou_high)),
        ("F1 [95 %]", lambda m: number(m.f1, low=m.f1_low, high=m.f1_high)),
        ("precision", lambda m: number(m.precision)),
        ("recall", lambda m: number(m.recall)),
        ("images", lambda m: count(m.lesion_images)),
        ("scenes", lambda m: count(m.scenes)),
        *_metric_columns(facts),
        ("missed %", lambda m: percent(m.missed)),
        ("false alarm %", lambda m: percent(m.false_positive_rate)),
        ("false alarm area %", lambda m: percent(m.false_positive_area)),
        ("failed", lambda m: count(m.failed)),
    ], "Per image: each lesion image has one vote. False alarm: a predicted pixel in a lesion-free image.")  # fmt: skip


def _per_scene(facts: RunFacts, scenes: dict[str, dict[str, Estimate]]) -> ReportTable:
    def entry(method: MethodSummary, metric: str) -> Entry:
        found = scenes[method.method].get(metric)
        return Entry("-") if found is None else number(found.value, low=found.low, high=found.high)

    return _named(facts, [
        ("scene IoU [95 %]", lambda m: entry(m, "iou")),
        ("scene F1 [95 %]", lambda m: entry(m, "f1")),
        ("scenes", lambda m: count(m.scenes)),
        ("missed scenes %", lambda m: percent(m.missed_scenes)),
        ("lesion images", lambda m: count(m.lesion_images)),
        ("pooled IoU", lambda m: number(m.pooled_iou)),
        ("pooled F1", lambda m: number(m.pooled_f1)),
        ("pooled precision", lambda m: number(m.pooled_precision)),
        ("pooled recall", lambda m: number(m.pooled_recall)),
        ("all images", lambda m: count(m.lesion_images + m.lesion_free_images)),
        ("two-class IoU", lambda m: number(m.mean_iou_two_class)),
    ], "Per scene: copies share one vote. Pooled: the pixels of all lesion images together, so large lesions weigh "
       "more. Two-class IoU: the mean of lesion's and background's IoU over the pixels of all images (Keras' "
       "MeanIoU(2)), to compare with tables made so.")  # fmt: skip


def _per_lesion(facts: RunFacts) -> ReportTable:
    def whole(value: int | None) -> Entry:
        return Entry("-") if value is None else count(value)

    return _named(facts, [
        ("lesion F1 [95 %]", lambda m: number(m.lesion_f1, low=m.lesion_f1_low, high=m.lesion_f1_high)),
        ("lesions", lambda m: whole(m.lesions)),
        ("found", lambda m: whole(m.lesions_found)),
        ("false regions", lambda m: whole(m.false_regions)),
    ], f"Per lesion: a lesion is found if one predicted region has an IoU above {LESION_OVERLAP:g} with it. A false "
       "region finds none, in images with a lesion or without.")  # fmt: skip


def verdicts(facts: RunFacts) -> Section:
    """Return for each pair of methods which is better."""
    title, slug = "Which is better", "better"
    comparisons = facts.summary.comparisons
    if not comparisons:
        return Section(title, slug, (Text("There are no two methods with lesion images in common to compare."),))
    rows = []
    for each in comparisons:
        p_value = Entry("< 0.001" if each.p_holm < 0.001 else f"{each.p_holm:.3f}", each.p_holm)
        interval = interval_text(each.difference, each.low, each.high, sign="+")
        sign = Entry(interval, each.difference, each.low, each.high)
        verdict = Entry(f"{each.better} is better" if each.better else "no detectable difference")
        wilcoxon = Entry("< 0.001" if each.wilcoxon_holm < 0.001 else f"{each.wilcoxon_holm:.3f}", each.wilcoxon_holm)
        behind = count(each.images), count(each.scenes)
        false = Entry("< 0.001" if each.p_false < 0.001 else f"{each.p_false:.3f}", each.p_false)
        rows.append((Entry(each.first), Entry(each.second), verdict, sign, p_value, wilcoxon, false, *behind))
    header = (
        "method", "against", "verdict", "IoU difference [95 %]", "p (Holm)", "Wilcoxon p (Holm)", "P(claim is false)",
        "images", "scenes",
    )  # fmt: skip
    note = (
        f"{facts.summary.test} A difference is called one where p is below {SIGNIFICANT}. Wilcoxon: signed ranks "
        "of the scenes' means, for comparison. P(claim is false): how likely the method with the higher mean isn't the "
        "better one, given these scenes alone (Student's t posterior of the mean difference, "
        "E. Christodoulou et al. 2025, arXiv:2505.04720). It isn't corrected for the number of pairs, and knows "
        "nothing of chance in training."
    )
    table = ReportTable("Every pair of methods: method minus against.", header, tuple(rows), names=2)
    return Section(title, slug, (Text(note),), (), (table,))


def ceilings(facts: RunFacts) -> Section:
    """Return how far methods are from a second reader, on the images that were read."""
    rows = tuple(
        (
            Entry(each.reader), Entry(each.method), count(each.images), count(each.scenes),
            number(each.reader_iou), number(each.method_iou),
            Entry(interval_text(each.difference, each.low, each.high, sign="+"), each.difference, each.low, each.high),
        )
        for each in facts.summary.ceilings
    )  # fmt: skip
    text = (
        "A second reader is the ceiling, not a competitor: no rank, no test. Both means are over the lesion images "
        "that the reader outlined and the method predicted."
    )
    header = ("second reader", "method", "images", "scenes", "reader IoU", "method IoU", "reader minus method [95 %]")
    return Section(
        "The ceiling", "ceiling", (Text(text),), (), (ReportTable("Second readers.", header, rows, names=2),)
    )


def ranks(facts: RunFacts) -> Section:
    """Return in what share of bootstrap samples each method takes each rank."""
    title, slug = "How firm is the order", "ranks"
    cases = facts.shared_lesion_cases()
    names = [each.method for each in facts.methods if each.is_compared]
    if len(names) < 2 or not cases:
        return Section(title, slug, (Text("It takes two methods with lesion images in common to have an order."),))
    values = [[facts.scores[method][case_id] for case_id in cases] for method in names]
    groups = [facts.groups[case_id] for case_id in cases]
    shares = rank_stability(values, groups)
    first = int(np.argmax(shares[:, 0]))
    text = (
        f"In {100 * shares[first, 0]:.0f} % of {DRAWS} bootstrap samples of the {len(set(groups))} scenes "
        f"{names[first]} has the highest mean IoU ({len(cases)} lesion images that every method has)."
    )
    rows = tuple(
        (
            Entry(facts.marked[name]),
            *(Entry(f"{100 * share:.0f}", float(share) * 100, shade=float(share)) for share in row),
        )
        for name, row in zip(names, shares, strict=True)
    )
    header = ("method", *(f"rank {rank}" for rank in range(1, len(names) + 1)))
    return Section(title, slug, (Text(text),), (), (ReportTable("Per cent of samples at each rank.", header, rows),))


def distributions(facts: RunFacts) -> Section:
    """Return how the scores of single cases spread."""
    title, slug = "From case to case", "cases"
    scored = {method: np.array(list(scores.values())) for method, scores in facts.scores.items() if scores}
    if not scored:
        return Section(title, slug, (_NO_LESION,))
    rows = []
    for method, values in scored.items():
        low, q1, median, q3, high = np.percentile(values, [5, 25, 50, 75, 95])
        scenes = group_means(values, [facts.groups[case_id] for case_id in facts.scores[method]])
        rows.append((
            Entry(facts.marked[method]), count(len(values)), count(len(scenes)),
            *(number(float(each)) for each in (low, q1, median, q3, high)),
            percent(float(np.mean(values >= _FOUND))), percent(float(np.mean(scenes >= _FOUND))),
        ))  # fmt: skip
    header = (
        "method", "images", "scenes", "5 %", "25 %", "median", "75 %", "95 %", "IoU ≥ 0.5, images %",
        "IoU ≥ 0.5, scenes %",
    )  # fmt: skip
    figure = Figure(
        histograms([(facts.short[method], values) for method, values in scored.items()]),
        "Lesion images by IoU, in steps of 0.05; the mark is the median.",
    )
    table = ReportTable("IoU of single lesion images: percentiles.", header, tuple(rows))
    return Section(title, slug, (), (figure,), (table,))
