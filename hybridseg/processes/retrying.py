"""Try the units of a dead process again at the end, each alone. If the process dies again, the unit is to blame."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .local import Outcome, Workers


def run_units(
    workers: Workers,
    units: Sequence[Any],
    again: Callable[[Outcome, bool], Iterable[Any]],
    seconds: float | None = None,
) -> Iterator[tuple[Outcome | None, int]]:
    """Have workers do every unit; yield each outcome with the number of units that are left.

    Parameters
    ----------
    workers : Workers
        Entered here, and left after the last outcome.
    units : sequence
    again : callable
        ``again(outcome, alone)`` is called for each death. It returns the units to try again at the end, one at a
        time. ``alone`` is true where no other unit was in work.
    seconds : float, optional
        Yield None in place of an outcome after so many seconds without one.
    """
    in_hand, alone, suspects = len(units), False, deque[Any]()
    with workers:
        for unit in units:
            workers.put(unit)
        while in_hand or suspects:
            if not in_hand:
                workers.put(suspects.popleft())
                in_hand, alone = 1, True
            outcome = workers.take(seconds)
            if outcome is not None:
                in_hand -= 1
                if outcome.died:
                    suspects += again(outcome, alone)
            yield outcome, in_hand + len(suspects)
