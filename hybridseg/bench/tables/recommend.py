"""A recommendation as text."""

from __future__ import annotations

from collections.abc import Sequence

from ...text import aligned, p_text, wrapped
from ..verdicts.pairing import in_words, rankings
from ..verdicts.recommend import Budget, Candidate, Recommendation


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
            asked = [value for value in (budget.max_ms, budget.max_mb, budget.at_least) if value is not None]
            free = ": the budget costs nothing" if asked else ""
            said.append(f"It is the most accurate of all{free}.")
        elif found.price is None:
            said.append(f"What the budget costs can't be told: {found.best.method}, the most accurate of all, "
                        "and it have no lesion image in common.")
        else:
            price = found.price
            interval = f"[{price.low:+.3f}, {price.high:+.3f}], {p_text(price.p_value)}"
            said.append(
                f"The budget costs {price.mean:.3f} {unit} {interval}, against {found.best.method}, "
                "the most accurate of all."
            )
        for other, minus in ((found.cheaper, found.to_cheaper), (found.better, found.to_better)):
            if other is not None and minus is not None:
                first, second = (found.chosen, other) if other is found.cheaper else (other, found.chosen)
                said.append(f"Next to it: {in_words(first.method, second.method, minus, unit=unit)}.")
    roles = {each.method: role for each, role in (
        (found.better, "next better"), (found.cheaper, "next cheaper"), (found.best, "most accurate"),
        (found.nearest, "nearest"), (found.chosen, "taken"),
    ) if each is not None}  # fmt: skip
    shown = {each.method: each for each in (*found.front, found.chosen, found.nearest, found.best) if each is not None}
    rows = [
        [each.marked, f"{each.mean:.3f} [{each.low:.3f}, {each.high:.3f}]", str(each.scenes), f"{each.ms:.1f}",
         f"{each.mb:.3f}", roles.get(each.method, "")]
        for each in sorted(shown.values(), key=lambda each: -each.mean)
    ]  # fmt: skip
    table = aligned(["Pareto front", f"{unit} [95 % CI]", "scenes", "ms", "MB", ""], rows)
    blocks = ["\n".join(map(wrapped, said)), table, "\n".join(map(wrapped, found.notes))]
    if lines:
        blocks.append("\n".join(["Get it:", *(f"  {line}" for line in lines)]))
    return "\n\n".join(blocks)


def _asked(budget: Budget, unit: str) -> str:
    parts = []
    if budget.max_ms is not None:
        parts.append(f"at most {budget.max_ms:g} ms")
    if budget.max_mb is not None:
        parts.append(f"at most {budget.max_mb:g} MB")
    if budget.at_least is not None:
        parts.append(f"{unit} at least {budget.at_least:g}")
    return ", ".join(parts) or "no budget given"


def _misses(each: Candidate, budget: Budget, unit: str) -> list[str]:
    parts = []
    if budget.max_ms is not None and each.ms > budget.max_ms:
        parts.append(f"{each.ms:.1f} ms, {each.ms - budget.max_ms:.1f} too many")
    if budget.max_mb is not None and each.mb > budget.max_mb:
        parts.append(f"{each.mb:.3f} MB, {each.mb - budget.max_mb:.3f} too many")
    if budget.at_least is not None and each.mean < budget.at_least:
        parts.append(f"{unit} {each.mean:.3f}, {budget.at_least - each.mean:.3f} too low")
    return parts
