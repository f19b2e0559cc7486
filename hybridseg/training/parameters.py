"""Check the parameters of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

WHOLE = {"size": 32, "epochs": 1, "batch_size": 1, "patience": 1, "random_state": 0, "threads": 1}
"""Parameters that are integers, and the smallest that each may be."""
REAL: dict[str, tuple[str, Callable[[float], bool]]] = {
    "learning_rate": ("be a number above 0", lambda value: 0 < value < float("inf")),
    "weight_decay": ("be a number of at least 0", lambda value: 0 <= value < float("inf")),
    "teacher_share": ("lie in [0, 1]", lambda value: 0 <= value <= 1),
    **{
        name: ("lie in [0, 1)", lambda value: 0 <= value < 1)
        for name in ("validation_share", "lesion_free_share", "ema_decay")
    },
    **{name: ("lie in [0, 1]", lambda value: 0 <= value <= 1) for name in ("window_share", "mixed_share")},
}
"""Parameters that are numbers, what each must, and whether a value does."""


def check_parameters(values: Mapping[str, Any]) -> None:
    """Raise ValueError for a parameter of another type or out of its range; those of a method's own are passed over."""
    for name, value in values.items():
        least = WHOLE.get(name)
        if least is not None and (isinstance(value, bool) or not isinstance(value, Integral) or value < least):
            raise ValueError(f"`{name}` must be an integer of at least {least}, got {value!r}")
        text, fits = REAL.get(name, ("", bool))
        if text and (isinstance(value, bool) or not isinstance(value, Real) or not fits(float(value))):
            raise ValueError(f"`{name}` must {text}, got {value!r}")
    per_group = values.get("images_per_group")
    if per_group is not None and (isinstance(per_group, bool) or not isinstance(per_group, int) or per_group < 1):
        raise ValueError(f"`images_per_group` must be None or an integer of at least 1, got {per_group!r}")
    teacher = values.get("teacher")
    for name in ("flip_averaging", "lesion_free_dice"):
        if not isinstance(values.get(name, True), bool):
            raise ValueError(f"`{name}` must be True or False, got {values[name]!r}")
    for name in ("start_from", "checkpoint_dir"):
        if not isinstance(values.get(name), str | None):
            raise ValueError(f"`{name}` must be None or a path, got {values[name]!r}")
    teachers = [teacher] if isinstance(teacher, str) else teacher
    if teachers is not None and not (teachers and all(isinstance(path, str) for path in teachers)):
        raise ValueError(f"`teacher` must be None, a path or several paths, got {teacher!r}")
