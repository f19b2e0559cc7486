"""Methods: data, split, methods, metrics, statistics, computing, as far as a run knows them."""

from __future__ import annotations

from typing import Any

from ...data.facts import fact_title
from ...data.phantoms import is_phantom
from ...metrics import LESION_OVERLAP, case_metrics
from ...metrics.significance import FLIPS
from ...metrics.summary import DRAWS
from ...version import __version__
from ..records.folder import groups_known
from ..report.facts import RunFacts
from ..report.protocol import post_processing
from ..verdicts.notes import MIN_SCENES
from ..verdicts.origin import in_words
from .blocks import Block, Heading, Paragraph, plain
from .references import Library


def methods(facts: RunFacts, library: Library) -> list[Block]:
    """Return the whole section."""
    return [
        Heading("Methods", 1),
        Heading("Data"), *_data(facts, library),
        Heading("Partitions"), *_partitions(facts),
        Heading("Segmentation methods"), *_methods(facts, library),
        Heading("Metrics"), *_metrics(facts),
        Heading("Statistics"), *_statistics(facts),
        Heading("Computing"), *_computing(facts),
    ]  # fmt: skip


def _data(facts: RunFacts, library: Library) -> list[Block]:
    cases: dict[str, set[str]] = {}
    for rows in facts.rows.values():
        for row in rows:
            cases.setdefault(row.tested_on, set()).add(row.case_id)
    blocks: list[Block] = []
    references = facts.description.get("references", {})
    for name, ids in cases.items():
        said = library.keys([references[name]]) if name in references else ""
        if all(map(is_phantom, ids)):
            said = " (synthetic phantoms [@hybridseg], which say nothing about patients)"
        title = name or facts.description["dataset"]
        lesion = sum(facts.shares[case_id] > 0 for case_id in ids)
        text = (
            f"{plain(title)}{said or ' [?cite the data set, and give its licence]'}: {len(ids)} images of "
            f"{len({facts.groups[each] for each in ids})} scenes or patients were scored, {lesion} with a lesion and "
            f"{len(ids) - lesion} without.{_labels(facts, ids)}{_known(facts, ids)}"
        )
        blocks.append(Paragraph(text))
    asked = (
        "[?state how images were acquired and chosen, with dates, devices and exclusions] [?name who outlined the "
        "lesions, with what experience and software] [?name the ethics committee, or why none was asked]"
    )
    return [*blocks, Paragraph(asked)]


def _labels(facts: RunFacts, ids: set[str]) -> str:
    counts: dict[str, int] = {}
    for case_id in sorted(ids):
        label = facts.labels[case_id]
        counts[label] = counts.get(label, 0) + bool(label)
    words = ", ".join(f"{count} {plain(label)}" for label, count in counts.items() if label)
    return f" Classes: {words}." if words else ""


def _known(facts: RunFacts, ids: set[str]) -> str:
    names = sorted({name for case_id in ids for name in facts.known[case_id]} - {"patient"})
    return f" The source also tells {plain(', '.join(map(fact_title, names)))}." if names else ""


def _partitions(facts: RunFacts) -> list[Block]:
    description = facts.description
    folds = sorted({cell["fold"] for cell in description["cells"]})
    some = "" if len(folds) == description["n_folds"] else f" Only fold {', '.join(map(str, folds))} was run."
    groups_from = description.get("groups_from") or "nobody"
    text = f"{plain(description['split'])}.{some} Scenes or patients as told by: {plain(groups_from)}."
    if not groups_known(description):
        text += " Nobody looked for copies of a scene: they may stand on both sides of a fold."
    elif not description["split"].startswith(("file ", "no split")):  # a file's split says itself how many leak
        text += " No image of a scene or patient that is tested in a fold taught that fold's models."
    trainings = sorted({name for name in description.get("trainings", {}) if name})
    if trainings:
        text += (
            f" Trainings: {plain(', '.join(trainings))}. A set that teaches is predicted in its own folds, any other "
            "set by the model of all cases that teach."
        )
    return [Paragraph(f"Partitions: {text} [?justify the size of the test set]")]


def _methods(facts: RunFacts, library: Library) -> list[Block]:
    blocks: list[Block] = []
    for method in facts.description["methods"]:
        if method["spec"] in facts.rows:
            blocks.append(Paragraph(_method(facts, method, library), is_item=True))
    text = (
        "Probabilities become masks by each method's own threshold and post-processing. Masks are scored at the "
        "image's own size."
    )
    return [*blocks, Paragraph(text)]


def _method(facts: RunFacts, method: dict[str, Any], library: Library) -> str:
    spec = method["spec"]
    references = method.get("references", [])
    summary = str(method.get("summary", "")).rstrip(".")
    said = f"{plain(summary)}{library.keys(references)}. " if summary else ""
    if method["class"] == "masks":
        said, how = "", "Its masks were made elsewhere. [?describe and cite the method]"
    elif method["as_given"]:
        how = "It was trained elsewhere and scored as given. [?say what it learned from, and cite it]"
    else:
        how = "It was fitted on each fold's training part."
    if not references and method["class"] != "masks" and not method["as_given"]:
        how += " [?cite the method]"
    parameters = ", ".join(f"{name}={value!r}" for name, value in method.get("params", {}).items() if value is not None)
    given = f" Parameters: {plain(parameters)}." if parameters and not method["as_given"] else ""
    points = post_processing(facts.fits.get(spec, []))
    point = "" if points == "unknown" else f" From probability to mask: {plain(points)}."
    summary_of = next(each for each in facts.methods if each.method == spec)
    seen = f" It was {in_words(summary_of.seen, summary_of.cases)}, so it isn't ranked." if summary_of.seen else ""
    return f"{plain(facts.marked[spec])}: {said}{how}{given}{point}{seen}"


def _metrics(facts: RunFacts) -> list[Block]:
    description, first = facts.description, facts.methods[0]
    texts = [
        "Metrics follow the recommendations of Metrics Reloaded [@maierhein2024] for segmentation. With pixels counted "
        "as true positive (TP), false positive (FP) and false negative (FN), IoU is TP / (TP + FP + FN). F1, or Dice, "
        "is 2 TP / (2 TP + FP + FN).",
        f"Empty masks: {plain(description['empty_masks'])}",
        "A lesion image is missed if no predicted pixel lies in the lesion. A false alarm is a lesion-free image with "
        "a predicted pixel.",
    ]
    there = [metric for name, metric in case_metrics().items() if first.metrics[name].images]
    texts += [metric.definition for metric in there if metric.definition]
    if first.lesions is not None:
        texts.append(
            f"A lesion, a connected region of the truth, is found if one predicted region has an IoU above "
            f"{LESION_OVERLAP:g} with it. Lesion F1 is 2 found / (lesions + predicted regions)."
        )
    further = [metric.title for metric in there if not metric.definition]
    if further:
        texts.append(f"Further metrics: {plain(', '.join(further))}. [?define and cite them]")
    return [Paragraph(" ".join(texts))]


def _statistics(facts: RunFacts) -> list[Block]:
    few = any(method.scenes < MIN_SCENES for method in facts.methods)
    warning = (
        f" Some intervals rest on fewer than {MIN_SCENES} scenes or patients; such percentile intervals are too narrow "
        "[@hesterberg2015]."
    )
    return [Paragraph(
        f"Means have 95 % percentile intervals from {DRAWS} bootstrap samples [@efron1979] of whole scenes or "
        "patients, so that copies of a scene count as one piece of evidence. Two methods are compared on the images "
        f"that both have by a two-sided sign-flip permutation test over scenes or patients with {FLIPS} random flips "
        "[@phipson2010], corrected for the number of pairs after Holm [@holm1979]. For each pair the probability that "
        "the claim of a better method is false was computed as Student's t posterior of the mean difference "
        "[@christodoulou2025]. Shares have score intervals [@wilson1927]. Agreement of measures is described "
        f"by mean difference and limits of agreement [@bland1986].{warning if few else ''}"
    )]  # fmt: skip


def _computing(facts: RunFacts) -> list[Block]:
    sessions = facts.description["sessions"]
    last: dict[str, Any] = next((each for each in reversed(sessions) if "versions" in each), {})
    versions = ", ".join(f"{name} {version}" for name, version in dict(last.get("versions", {})).items())
    plan = facts.description["plan"]
    threads = sorted({method.threads for method in facts.methods if method.threads is not None})
    measured = (
        f" Times are medians from decoded pixels to mask, measured in processes of their own with {threads[0]} "
        f"thread{'s' if threads[0] > 1 else ''}." if threads else " Time was not measured apart."
    )  # fmt: skip
    return [Paragraph(
        f"Everything was computed with hybridseg {plan.get('hybridseg', 'of an unknown version')} [@hybridseg] and "
        f"written up with version {__version__}{f' ({plain(versions)})' if versions else ''}, on "
        f"{plain(' and '.join(facts.cpus) or 'an unknown processor')}.{measured} The seed was "
        f"{plan.get('seed', 'unknown')}. SHA-256 of the data {plan.get('data', 'unknown')}, "
        f"of the split {plan.get('split') or 'unknown'}. "
        "[?say where code, models and data can be had]"
    )]  # fmt: skip
