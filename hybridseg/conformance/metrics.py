"""Rules that every `CaseMetric` keeps, whoever wrote it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..metrics import CaseMetric, Masks

_SHAPE = (32, 40)
_SPACING_MM = (0.1, 0.2)


def check_metric(metric: CaseMetric) -> None:
    """Raise AssertionError unless a metric of rows keeps the rules.

    Its name is a Python name. Its value is a finite number of at least 0, or None where it isn't defined. It repeats,
    it leaves the masks as they are, and a mask like the truth isn't worse than one beside it. With a pixel spacing it
    has a value.

    Examples
    --------
    >>> from hybridseg import check_metric
    >>> from hybridseg.metrics import CaseMetric
    >>> check_metric(CaseMetric("area_ratio", "area ratio", lambda masks: masks.pred.sum() / masks.true.sum()))
    """
    assert metric.name.isidentifier(), f"`name` must be a Python name, got `{metric.name}`"
    truth, beside = _square(4), _square(16)
    values = {}
    for name, mask in (("a mask like the truth", truth), ("a mask beside it", beside)):
        for spacing in (None, _SPACING_MM):
            values[name] = _value(metric, name, Masks(truth.copy(), mask.copy(), spacing))
        assert values[name] is not None, f"`{metric.name}` of {name} with a pixel spacing must be a number, got None"
    equal, other = (value or 0.0 for value in values.values())
    good = equal >= other if metric.more_is_better else equal <= other
    both = f"like the truth ({equal}) than for one beside it ({other})"
    assert good, f"`{metric.name}` must not be worse for a mask {both}"


def _square(start: int) -> NDArray[np.bool_]:
    mask = np.zeros(_SHAPE, bool)
    mask[start : start + 10, start : start + 10] = True
    return mask


def _value(metric: CaseMetric, name: str, masks: Masks) -> float | None:
    before = masks.true.copy(), masks.pred.copy()
    value = metric.compute(masks)
    again = metric.compute(Masks(before[0].copy(), before[1].copy(), masks.spacing_mm))
    unchanged = np.array_equal(before[0], masks.true) and np.array_equal(before[1], masks.pred)
    assert unchanged, f"`{metric.name}` must leave the masks as they are"
    assert value == again, f"`{metric.name}` of {name} must repeat, got {value}, then {again}"
    if value is None:
        return None
    what = f"`{metric.name}` of {name} must be a finite number of at least 0, got {value!r}"
    assert isinstance(value, float | int | np.floating | np.integer) and np.isfinite(value) and value >= 0, what
    return float(value)
