"""A recommendation as text."""

from __future__ import annotations

from collections.abc import Sequence

from ...text import aligned, interval_text, p_text, wrapped
from ..verdicts.budget import Budget, Candidate
from ..verdicts.pairing import in_words, rankings
from ..verdicts.recommend import Recommendation


def render_recommendation(found: Recommendation, budget: Budget, lines: Sequence[str] = ()) -> str:
    """Return a recommendation as text; ``lines`` are the commands that get the file."""
    unit = rankings()[found.metric][0]
    said = []
    if found.chosen is None:
        said.append(f"Nothing fits ({_asked(budget, unit)}).")
        if found.nearest is not None:
            said.append(f"Nearest: {found.nearest.method}, {'; '.join(_misses(found.nearest, budget, unit))}.")
    else:
        said.append(f"Take {found.chosen.marked} ({_asked(budget, unit)}).")
        if found.best.method == found.chosen.method:
            free = ": the budget costs nothing" if budget.limits or budget.at_least is not None else ""
            said.append(f"It is the most accurate of all{free}.")
        elif found.price is None:
            said.append(
                f"What the budget costs can't be told: {found.best.method}, the most accurate of all, "
                "and it have no lesion image in common."
            )
        else:
            price = found.price
            cost = interval_text(price.mean, price.low, price.high, unit=f" {unit}")
            said.append(
                f"The budget costs {cost}, {p_text(price.p_value)}, against {found.best.method}, "
                "the most accurate of all."
            )
        for other, minus in ((found.cheaper, found.to_cheaper), (found.better, found.to_better)):
            if other is not None and minus is not None:
                first, second = (found.chosen, other) if other is found.cheaper else (other, found.chosen)
                said.append(f"Next to it: {in_words(first.method, second.method, minus, unit=unit)}.")
    blocks = ["\n".join(map(wrapped, said)), *_tables(found, unit), "\n".join(map(wrapped, found.notes))]
    if lines:
        blocks.append("\n".join(["Get it:", *(f"  {line}" for line in lines)]))
    return "\n\n".join(blocks)


def _tables(found: Recommendation, unit: str) -> list[str]:
    """Return the front with accuracy, time and size; then mistakes, further costs, and the mean at each hospital."""
    roles = {each.method: role for each, role in (
        (found.better, "next better"), (found.cheaper, "next cheaper"), (found.best, "most accurate"),
        (found.nearest, "nearest"), (found.chosen, "taken"),
    ) if each is not None}  # fmt: skip
    named = {each.method: each for each in (*found.front, found.chosen, found.nearest, found.best) if each is not None}
    ranked = sorted(named.values(), key=lambda each: -each.mean)
    first = [
        [each.marked, interval_text(each.mean, each.low, each.high), str(each.scenes), f"{each.ms:.1f}",
         f"{each.mb:.3f}", roles.get(each.method, "")]
        for each in ranked
    ]  # fmt: skip
    hospitals = list(dict.fromkeys(name for each in ranked for name in each.hospitals))
    second = [
        [each.marked, _number(each.missed, 1, 100), _number(each.false_alarms, 1, 100), _number(each.p95_ms, 1),
         _number(each.mib, 0), _number(each.start_s, 2), *(_number(each.hospitals.get(name), 3) for name in hospitals)]
        for each in ranked
    ]  # fmt: skip
    header = ["", "missed %", "false alarm %", "ms p95", "MiB", "start s", *(f"{name} {unit}" for name in hospitals)]
    return [
        aligned(["Pareto front", f"{unit} [95 % CI]", "scenes", "ms", "MB", ""], first),
        aligned(header, second, numbers=True),
    ]


def _number(value: float | None, digits: int, factor: float = 1.0) -> str:
    return "-" if value is None else f"{factor * value:.{digits}f}"


def _asked(budget: Budget, unit: str) -> str:
    parts = [f"at most {limit.factor * most:g} {limit.unit}" for limit, most in budget.limits]
    if budget.at_least is not None:
        parts.append(f"{unit} at least {budget.at_least:g}")
    asked = ", ".join(parts) or "no budget given"
    return f"{asked}, at {budget.hospital}" if budget.hospital else asked


def _misses(each: Candidate, budget: Budget, unit: str) -> list[str]:
    parts = [f"{name} not known" for name in each.unknown(budget)]
    for limit, most in budget.limits:
        value = each.value(limit)
        if value is not None and value > most:
            over = f"{limit.factor * (value - most):.{limit.digits}f}"
            parts.append(f"{limit.text(value)}, {over} too many")
    if budget.at_least is not None and each.mean < budget.at_least:
        parts.append(f"{unit} {each.mean:.3f}, {budget.at_least - each.mean:.3f} too low")
    return parts
