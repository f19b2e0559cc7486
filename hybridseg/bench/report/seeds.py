"""The chapter on chance in training: how far the same method goes apart from seed to seed, beside its cases' spread."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from ...metrics import group_means
from .document import Entry, ReportTable, Section, Text, count, number
from .facts import RunFacts

_SEEDS = ("random_state", "seed")
_HEADER = (
    "method", "seeds", "mean IoU", "SD over seeds", "lowest", "highest", "SD over scenes", "standard error over scenes",
)  # fmt: skip


@dataclass(frozen=True)
class _Line:
    """A method of the run with its seed."""

    method: str
    seed: str


def seeds(facts: RunFacts) -> Section:
    """Return the spread of each method's mean IoU over the seeds that it has in this run.

    Lines of one class with the same parameters but the seed are one method (X. Bouthillier et al. 2021, Accounting for
    variance in machine learning benchmarks, Proceedings of Machine Learning and Systems 3:747-769).
    """
    title, slug = "From seed to seed", "seeds"
    several = [lines for lines in _by_seed(facts).values() if len({line.seed for line in lines}) > 1]
    if not several:
        text = (
            "No method stands here with several seeds, so nothing is known of chance in training. Intervals and tests "
            "are over scenes alone. Lines such as `random-forest[random_state=1]` beside `[random_state=2]` tell."
        )
        return Section(title, slug, (Text(text),))
    text = (
        "SD over seeds: of the run's mean IoU, when only the seed changes. SD over scenes: of a scene's mean, averaged "
        "over seeds. Its standard error is what the intervals of this report come from. Where the SD over seeds is as "
        "large, a difference between two methods with one seed each may be the seed's."
    )
    rows = tuple(_row(facts, lines) for lines in several)
    table = ReportTable("Chance in training, and from case to case.", _HEADER, rows)
    return Section(title, slug, (Text(text),), (), (table,))


def _by_seed(facts: RunFacts) -> dict[str, list[_Line]]:
    """Return the lines that differ in nothing but their seed."""
    found: dict[str, list[_Line]] = defaultdict(list)
    for method in facts.description["methods"]:
        spec, params = method["spec"], dict(method.get("params", {}))
        seed = next((params.pop(name) for name in _SEEDS if name in params), None)
        if seed is None or method["as_given"] or not facts.scores.get(spec):
            continue
        key = json.dumps([method.get("class"), method.get("trained_on"), params], sort_keys=True, default=str)
        found[key].append(_Line(spec, str(seed)))
    return found


def _row(facts: RunFacts, lines: list[_Line]) -> tuple[Entry, ...]:
    means, spreads, scenes = [], [], 0
    for line in lines:
        scores = facts.scores[line.method]
        of_scenes = group_means(list(scores.values()), [facts.groups[case_id] for case_id in scores])
        means.append(float(np.mean(list(scores.values()))))
        spreads.append(float(np.std(of_scenes, ddof=1)) if len(of_scenes) > 1 else 0.0)
        scenes = max(scenes, len(of_scenes))
    spread = float(np.mean(spreads))
    return (
        Entry(_without_seed(facts.marked[lines[0].method])), count(len(lines)), number(float(np.mean(means))),
        number(float(np.std(means, ddof=1))), number(min(means)), number(max(means)), number(spread),
        number(spread / float(np.sqrt(scenes))),
    )  # fmt: skip


def _without_seed(spec: str) -> str:
    """Return a spec without the parameter that is its seed.

    >>> _without_seed("random-forest[n_trees=50,random_state=1]"), _without_seed("unet[seed=3]")
    ('random-forest[n_trees=50]', 'unet')
    """
    return re.sub(rf"({'|'.join(_SEEDS)})=[^,\]]*,?", "", spec).replace(",]", "]").replace("[]", "")
