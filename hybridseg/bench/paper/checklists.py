"""Items of CLAIM and TRIPOD+AI: what the run says of them, and those that only the author can fill."""

from __future__ import annotations

from ..report.checklists import checklist_tables
from ..report.facts import RunFacts
from .blocks import Block, Heading, Paragraph


def checklists(facts: RunFacts) -> list[Block]:
    """Return both checklists as tables, in words of our own; the official forms are what journals ask for."""
    said = (
        "What this run answers of CLAIM [@tejani2024] and of TRIPOD+AI [@collins2024]. Topics are in our own words: "
        "fill the official forms before you submit. An answer may be a part of what the item asks."
    )
    return [Heading("Reporting checklists", 1), Paragraph(said), *checklist_tables(facts)]
