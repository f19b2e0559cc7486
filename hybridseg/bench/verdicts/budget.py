"""Limits on a model's cost and errors, and the candidates that are held against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .origin import mark
from .pairing import rankings


@dataclass(frozen=True)
class Limit:
    """A bound of `Budget` on a value of `Candidate`, with the words for it; ``factor`` makes these of the value."""

    name: str
    of: str
    unit: str
    digits: int
    factor: float = 1.0

    def text(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{self.factor * value:.{self.digits}f} {self.unit}"


LIMITS = (
    Limit("max_ms", "ms", "ms", 1),
    Limit("max_p95_ms", "p95_ms", "ms at the 95th percentile", 1),
    Limit("max_mb", "mb", "MB", 3),
    Limit("max_mib", "mib", "MiB of memory", 0),
    Limit("max_start_s", "start_s", "s to the first mask", 2),
    Limit("max_missed", "missed", "% of lesion images missed", 1, 100),
    Limit("max_false_alarms", "false_alarms", "% of lesion-free images with a mask", 1, 100),
)


@dataclass(frozen=True)
class Budget:
    """Limits on a model's cost, and the accuracy that it has to reach.

    Attributes
    ----------
    max_ms, max_p95_ms : float or None
        Median and 95th percentile of the time per image on one thread.
    max_mb : float or None
        Size of the saved method, in 10^6 bytes.
    max_mib : float or None
        Most memory of its process, in MiB.
    max_start_s : float or None
        Seconds from the start of a process to its first mask.
    max_missed, max_false_alarms : float or None
        Share of lesion images without a right pixel, and of lesion-free images with a predicted one.
    metric : str
        One of `hybridseg.bench.verdicts.pairing.rankings`: what is meant by accuracy.
    at_least : float or None
        Its mean over lesion images.
    hospital : str
        Judge by this test set alone, by its short name; by all images if empty.
    """

    max_ms: float | None = None
    max_mb: float | None = None
    metric: str = "iou"
    at_least: float | None = None
    max_p95_ms: float | None = None
    max_mib: float | None = None
    max_start_s: float | None = None
    max_missed: float | None = None
    max_false_alarms: float | None = None
    hospital: str = ""

    def __post_init__(self) -> None:
        if self.metric not in rankings():
            raise ValueError(f"`metric` must be one of {', '.join(rankings())}, got `{self.metric}`")
        for name in (*(limit.name for limit in LIMITS), "at_least"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"`{name}` must be above 0, got {value}")

    @property
    def limits(self) -> tuple[tuple[Limit, float], ...]:
        """The bounds that are set."""
        return tuple((each, value) for each in LIMITS if (value := getattr(self, each.name)) is not None)


@dataclass(frozen=True)
class Candidate:
    """A method with its accuracy, mean and 95 % interval over ``scenes``, its cost and its mistakes.

    ``as_given``: a trained model, whose file's ``sha256`` is given if the run tells it. ``model``: the file of a model
    fitted in this run, relative to the run folder, or empty. ``excess``: by what factor it misses the budget where it
    misses it most; at most 1 if it fits. ``not_known``: nobody knows whether it learned from these images.
    ``exported``: what was measured is the file exported from it. Costs and shares are None where the run doesn't tell
    them. ``hospitals``: mean accuracy by test set, where there are several.
    """

    method: str
    mean: float
    low: float
    high: float
    ms: float
    mb: float
    as_given: bool
    sha256: str
    model: str
    excess: float
    scenes: int
    not_known: bool = False
    exported: bool = False
    p95_ms: float | None = None
    mib: float | None = None
    start_s: float | None = None
    missed: float | None = None
    false_alarms: float | None = None
    hospitals: dict[str, float] = field(default_factory=dict, hash=False)

    @property
    def marked(self) -> str:
        """Its name as tables show it."""
        return mark(self.method, None if self.not_known else 0)

    @property
    def is_onnx(self) -> bool:
        """Whether the method is a file that runs without Python."""
        return self.method.partition("[")[0].endswith(".onnx")

    @property
    def is_file(self) -> bool:
        """Whether the file that runs without Python is the one that was measured."""
        return self.is_onnx or self.exported

    def value(self, limit: Limit) -> float | None:
        """Return the quantity that a limit bounds."""
        value: float | None = getattr(self, limit.of)
        return value

    def unknown(self, budget: Budget) -> list[str]:
        """Return the units of quantities that a budget bounds and the run doesn't tell."""
        return [limit.unit for limit, _ in budget.limits if self.value(limit) is None]


def excess(each: Candidate, budget: Budget, *, costs_only: bool = False) -> float:
    """Return by what factor the worst-kept part of a budget is missed; what isn't known isn't missed."""
    factors = [0.0]
    for limit, most in budget.limits:
        factors.append((each.value(limit) or 0.0) / most)
    if budget.at_least is not None and not costs_only:
        factors.append(budget.at_least / max(each.mean, 1e-9))
    return max(factors)


def most_accurate(candidates: Sequence[Candidate]) -> Candidate:
    """Return the best. Among equals in the table's digits, prefer a file whose cost was measured on itself."""
    return max(candidates, key=lambda each: (round(each.mean, 3), each.is_file, each.mean, -each.ms, -each.mb))


def pareto_front(candidates: Sequence[Candidate], budget: Budget) -> tuple[Candidate, ...]:
    """Return the Pareto front over accuracy and what the budget limits; over time and size if it limits nothing."""
    limited = [limit for limit, _ in budget.limits] or [limit for limit in LIMITS if limit.name in ("max_ms", "max_mb")]

    def goods(each: Candidate) -> tuple[float, ...]:
        return (each.mean, *(-(each.value(limit) or 0.0) for limit in limited))

    def beaten(each: Candidate) -> bool:
        return any(
            goods(other) != goods(each) and all(a >= b for a, b in zip(goods(other), goods(each), strict=True))
            for other in candidates
        )

    return tuple(sorted((each for each in candidates if not beaten(each)), key=lambda each: each.mean))


def neighbours(
    front: Sequence[Candidate], chosen: Candidate | None, budget: Budget
) -> tuple[Candidate | None, Candidate | None]:
    """Return those next to the chosen one on the front: less accurate and within the bounds, and more accurate."""
    if chosen is None:
        return None, None
    below = [each for each in front if each.mean < chosen.mean and excess(each, budget, costs_only=True) <= 1]
    above = [each for each in front if each.mean > chosen.mean]
    return (below[-1] if below else None), (above[0] if above else None)
