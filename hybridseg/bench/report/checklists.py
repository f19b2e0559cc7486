"""The chapter on reporting checklists: what the run answers of CLAIM and TRIPOD+AI, and what only the author can."""

from __future__ import annotations

from typing import Any

from ...data.facts import fact_title
from ...metrics.summary import DRAWS
from ...text import interval_text
from .document import Entry, ReportTable, Section, Text
from .facts import RunFacts

AUTHOR = "only the author can fill it"
CLAIM = (
    ("1", "AI methodology named in the title", ""),
    ("2", "structured abstract", ""),
    ("3", "background and intended use", ""),
    ("4", "aims and hypotheses", ""),
    ("5", "prospective or retrospective", ""),
    ("6", "goal of the study", ""),
    ("7", "data sources", "data"),
    ("8", "inclusion and exclusion", ""),
    ("9", "preprocessing", ""),
    ("10", "choice of subsets", ""),
    ("11", "de-identification", ""),
    ("12", "missing data", "missing"),
    ("13", "image acquisition", "facts"),
    ("14", "definition of the reference standard", ""),
    ("15", "reason for the reference standard", ""),
    ("16", "source of annotations", ""),
    ("17", "annotation of the test set", ""),
    ("18", "variability of annotators", "readers"),
    ("19", "assignment to partitions", "split"),
    ("20", "level at which partitions are disjoint", "groups"),
    ("21", "intended sample size", ""),
    ("22", "model, inputs and outputs", "methods"),
    ("23", "software and versions", "software"),
    ("24", "initialisation and transfer", ""),
    ("25", "training", "parameters"),
    ("26", "choice of the final model", ""),
    ("27", "ensembling", ""),
    ("28", "metrics", "metrics"),
    ("29", "uncertainty and significance", "statistics"),
    ("30", "robustness", ""),
    ("31", "explainability", ""),
    ("32", "internal testing", "scored"),
    ("33", "external testing", "across"),
    ("34", "registration of the trial", ""),
    ("35", "numbers included and excluded", "scored"),
    ("36", "demographics and clinical characteristics", ""),
    ("37", "performance on partitions and subgroups", "parts"),
    ("38", "estimates with intervals", "estimates"),
    ("39", "analysis of failures", "failures"),
    ("40", "limitations", ""),
    ("41", "implications for practice", ""),
    ("42", "full protocol", ""),
    ("43", "availability of software, model and data", ""),
    ("44", "funding", ""),
)
TRIPOD = (
    ("1, 2", "title and abstract", ""),
    ("3a-3c", "background, intended use, inequalities", ""),
    ("4", "objectives", ""),
    ("5a", "sources of data", "data"),
    ("5b", "dates of the data", ""),
    ("6a-6c", "setting, eligibility, treatments", ""),
    ("7", "preparation of data", ""),
    ("8a", "definition of the outcome", ""),
    ("8b, 8c", "who assessed the outcome, and blinded", ""),
    ("9a-9c", "predictors", "predictors"),
    ("10", "sample size", ""),
    ("11", "missing data", "missing"),
    ("12a", "use and partition of the data", "split"),
    ("12b, 12c", "model and its building", "parameters"),
    ("12d", "differences between clusters", "across"),
    ("12e", "measures of performance", "metrics"),
    ("12f", "updating of models", ""),
    ("12g", "how predictions were made", "software"),
    ("13", "class imbalance", ""),
    ("14", "fairness", ""),
    ("15", "output and thresholds", "thresholds"),
    ("16", "how training and evaluation data differ", ""),
    ("17", "ethics", ""),
    ("18a-18d", "funding, conflicts, protocol, registration", ""),
    ("18e, 18f", "availability of data and code", ""),
    ("19", "patient and public involvement", ""),
    ("20a", "flow of participants", "scored"),
    ("20b, 20c", "characteristics of participants", ""),
    ("21", "numbers in each analysis", "scored"),
    ("22", "full specification of the model", ""),
    ("23a", "performance with intervals, and by subgroup", "estimates"),
    ("23b", "results by cluster", "across"),
    ("24", "results of updating", ""),
    ("25-27", "interpretation, limitations, use", ""),
)


def checklists(facts: RunFacts) -> Section:
    """Return both checklists with the run's answers, topics in words of our own.

    A. Tejani et al., CLAIM: 2024 update, doi 10.1148/ryai.240300. G. Collins et al., TRIPOD+AI statement, 2024,
    doi 10.1136/bmj-2023-078378.
    """
    text = (
        "What this run answers of CLAIM (A. Tejani et al. 2024, doi 10.1148/ryai.240300) and TRIPOD+AI (G. Collins et "
        "al. 2024, doi 10.1136/bmj-2023-078378). Topics are in our own words: fill the official forms before you "
        "submit. An answer may be a part of what the item asks."
    )
    return Section("Reporting checklists", "checklists", (Text(text),), (), checklist_tables(facts))


def checklist_tables(facts: RunFacts) -> tuple[ReportTable, ReportTable]:
    """Return CLAIM's and TRIPOD+AI's items as tables."""
    known = answers(facts)
    header = ("item", "topic", "what the run says")
    first, second = (
        tuple((Entry(number), Entry(topic), Entry(known.get(key, "") or AUTHOR)) for number, topic, key in items)
        for items in (CLAIM, TRIPOD)
    )
    return ReportTable("CLAIM, 2024 update.", header, first, names=2), ReportTable(
        "TRIPOD+AI, 2024.", header, second, names=2
    )


def answers(facts: RunFacts) -> dict[str, str]:
    """Return the run's answers by topic. A topic that it knows nothing of is empty."""
    description, methods = facts.description, facts.methods
    last: dict[str, Any] = next((each for each in reversed(description["sessions"]) if "versions" in each), {})
    versions = [f"{name} {version}" for name, version in dict(last.get("versions", {})).items()][:6]
    lesion, cases, scenes = len(facts.lesion_shares()), len(facts.groups), len(set(facts.groups.values()))
    known = sorted({name for each in facts.known.values() for name in each})
    failed = sum(method.failed for method in methods)
    sets = list(dict.fromkeys(each.tested_on for method in methods for each in method.sets))
    first = methods[0]
    best = "" if first.iou is None or first.iou_low is None or first.iou_high is None else (
        f"{facts.marked[first.method]}: mean IoU {interval_text(first.iou, first.iou_low, first.iou_high)}; the "
        "others in the table"
    )  # fmt: skip
    return {
        "data": f"{facts.title}, {description['cases']} cases",
        "missing": f"{failed} failed predictions, scored as the worst mask; none is left out",
        "facts": f"known of each image: {', '.join(map(fact_title, known))}" if known else "",
        "readers": f"{len(facts.readers)} second reader, in The ceiling" if facts.readers else "",
        "split": description["split"],
        "groups": f"by scene or patient, as told by: {description.get('groups_from') or 'nobody'}",
        "methods": f"a grey image in, a mask out; methods: {len(methods)}, listed with their parameters",
        "parameters": "parameters of each method, listed with it",
        "predictors": "the grey image alone",
        "software": ", ".join([f"hybridseg {description['plan'].get('hybridseg', 'unknown')}", *versions[1:]]),
        "metrics": "IoU, F1, HD95, NSD, missed, false alarms, lesion F1, each defined",
        "statistics": f"{DRAWS} bootstrap samples of scenes; paired permutation tests, Holm-corrected",
        "thresholds": "a probability; threshold and post-processing of each method, listed with it",
        "scored": f"{cases} images scored, {lesion} with a lesion, of {scenes} scenes or patients",
        "across": f"tested on {', '.join(sets)}" if len(sets) > 1 else "",
        "parts": "by size, class and what the source knows, in Parts of the data",
        "estimates": best,
        "failures": f"false alarms, misses and {failed} failures, each in a chapter",
    }
