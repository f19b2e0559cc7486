"""Items of CLAIM and TRIPOD+AI: where this text answers them, and those that only the author can fill."""

from __future__ import annotations

from ..report.document import Cell, Table
from .blocks import Block, Heading, Paragraph

AUTHOR = "only the author can fill it"

_CLAIM = (
    ("1", "AI methodology named in the title", ""),
    ("2", "structured abstract", ""),
    ("3", "background and intended use", ""),
    ("4", "aims and hypotheses", ""),
    ("5", "prospective or retrospective", ""),
    ("6", "goal of the study", ""),
    ("7", "data sources", "Data"),
    ("8", "inclusion and exclusion", ""),
    ("9", "preprocessing", "Segmentation methods, in part"),
    ("10", "choice of subsets", "Partitions"),
    ("11", "de-identification", ""),
    ("12", "missing data", "Metrics: failed predictions count as the worst mask"),
    ("13", "image acquisition", "Data, in part"),
    ("14", "definition of the reference standard", ""),
    ("15", "reason for the reference standard", ""),
    ("16", "source of annotations", ""),
    ("17", "annotation of the test set", ""),
    ("18", "variability of annotators", ""),
    ("19", "assignment to partitions", "Partitions"),
    ("20", "level at which partitions are disjoint", "Partitions"),
    ("21", "intended sample size", ""),
    ("22", "model, inputs and outputs", "Segmentation methods, in part"),
    ("23", "software and versions", "Computing"),
    ("24", "initialisation and transfer", "Segmentation methods, in part"),
    ("25", "training", "Segmentation methods: parameters"),
    ("26", "choice of the final model", ""),
    ("27", "ensembling", ""),
    ("28", "metrics", "Metrics"),
    ("29", "uncertainty and significance", "Statistics"),
    ("30", "robustness", "Parts of the data; From seed to seed, where known"),
    ("31", "explainability", ""),
    ("32", "internal testing", "Results"),
    ("33", "external testing", "Across data sets, where there are several"),
    ("34", "registration of the trial", ""),
    ("35", "numbers included and excluded", "Results, in part"),
    ("36", "demographics and clinical characteristics", ""),
    ("37", "performance on partitions and subgroups", "Results; Parts of the data"),
    ("38", "estimates with intervals", "Results"),
    ("39", "analysis of failures", "Images without a lesion; Failures"),
    ("40", "limitations", ""),
    ("41", "implications for practice", ""),
    ("42", "full protocol", ""),
    ("43", "availability of software, model and data", ""),
    ("44", "funding", ""),
)
_TRIPOD = (
    ("1, 2", "title and abstract", ""),
    ("3a-3c", "background, intended use, inequalities", ""),
    ("4", "objectives", ""),
    ("5a", "sources of data", "Data"),
    ("5b", "dates of the data", ""),
    ("6a-6c", "setting, eligibility, treatments", ""),
    ("7", "preparation of data", "Segmentation methods, in part"),
    ("8a", "definition of the outcome", "Metrics: the outlined lesion"),
    ("8b, 8c", "who assessed the outcome, and blinded", ""),
    ("9a-9c", "predictors", "Segmentation methods: the grey image alone"),
    ("10", "sample size", ""),
    ("11", "missing data", "Metrics"),
    ("12a", "use and partition of the data", "Partitions"),
    ("12b, 12c", "model and its building", "Segmentation methods, in part"),
    ("12d", "differences between clusters", "Across data sets, where there are several"),
    ("12e", "measures of performance", "Metrics; Statistics"),
    ("12f", "updating of models", ""),
    ("12g", "how predictions were made", "Segmentation methods; Computing"),
    ("13", "class imbalance", ""),
    ("14", "fairness", ""),
    ("15", "output and thresholds", "Segmentation methods"),
    ("16", "training and evaluation data differ how", "Partitions, in part"),
    ("17", "ethics", ""),
    ("18a-18d", "funding, conflicts, protocol, registration", ""),
    ("18e, 18f", "availability of data and code", ""),
    ("19", "patient and public involvement", ""),
    ("20a", "flow of participants", "Results, in part"),
    ("20b, 20c", "characteristics of participants", ""),
    ("21", "numbers in each analysis", "Data; Results"),
    ("22", "full specification of the model", ""),
    ("23a", "performance with intervals, and by subgroup", "Results; Parts of the data"),
    ("23b", "differences between clusters", "Across data sets, where there are several"),
    ("24", "results of updating", ""),
    ("25-27", "interpretation, limitations, use", ""),
)


def checklists() -> list[Block]:
    """Return both checklists as tables, in words of our own; the official forms are what journals ask for."""
    said = (
        "Where the text above answers items of CLAIM [@tejani2024] and of TRIPOD+AI [@collins2024]. Topics are in our "
        "own words: fill the official forms before you submit. \"In part\" means that the run knows some of it."
    )
    return [
        Heading("Reporting checklists", 1), Paragraph(said),
        _table("CLAIM, 2024 update.", _CLAIM), _table("TRIPOD+AI, 2024.", _TRIPOD),
    ]  # fmt: skip


def _table(caption: str, items: tuple[tuple[str, str, str], ...]) -> Table:
    rows = tuple((Cell(number), Cell(topic), Cell(where or AUTHOR)) for number, topic, where in items)
    return Table(caption, ("item", "topic", "where"), rows, names=2)
