"""Limits on what a model takes of this machine: seconds for one image, and memory. A model from a stranger is a
program.

The environment says how much, so that every process that a command starts keeps to it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Self

from .guests import end_process

MAX_SECONDS = "HYBRIDSEG_MAX_SECONDS"
MAX_MEMORY_MB = "HYBRIDSEG_MAX_MEMORY_MB"
DEFAULTS = {MAX_SECONDS: 120, MAX_MEMORY_MB: 4096}

_owned = threading.Event()


def limit_of(name: str) -> float:
    """Return the limit that the environment sets under a name, or the default.

    Raises
    ------
    ValueError
        If what is there isn't a positive number.
    """
    text = os.environ.get(name) or str(DEFAULTS[name])
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < threading.TIMEOUT_MAX:
        raise ValueError(f"`{name}` must be a positive number, got {text!r}")
    return value


def own_process() -> None:
    """Let a limit end this process where nothing milder helps: it runs hybridseg and nothing else."""
    _owned.set()


class TimeLimit:
    """A ``with`` block that is asked to stop when it has taken `MAX_SECONDS`.

    If it goes on for as long again, a process of hybridseg's own (see `own_process`) writes one line to stderr and
    ends with exit code 1. Elsewhere the block just goes on.

    Parameters
    ----------
    what : str
        What takes its time, for that line.
    stop : callable
        Called, in another thread, to ask the block to stop.

    Attributes
    ----------
    seconds : float
        The limit.
    is_over : bool
        Whether ``stop`` was called.
    """

    def __init__(self, what: str, stop: Callable[[], None]) -> None:
        self.what = what
        self.seconds = limit_of(MAX_SECONDS)
        self.is_over = False
        self._stop = stop
        self._through = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._through.set()

    def _watch(self) -> None:
        if self._through.wait(self.seconds):
            return
        self.is_over = True
        self._stop()
        if _owned.is_set() and not self._through.wait(self.seconds):
            line = f"hybridseg: {self.what} took more than {self.seconds:g} s and can't be stopped; the process ends\n"
            os.write(2, line.encode())
            end_process(1)
