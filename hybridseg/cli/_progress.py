"""A progress line with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_line(what: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """Yield ``progress(done, total, text)`` that draws on stderr, or None where nobody would see it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[text]}", style="dim", markup=False),  # it may hold the name of a file
    )
    # What else is printed on the terminal meanwhile goes above the line; what goes into a pipe is left alone.
    console, shared = Console(stderr=True), sys.stdout.isatty()
    with Progress(*columns, console=console, transient=True, redirect_stdout=shared) as bar:
        task = bar.add_task(what, total=None, text="")

        def draw(done: int, total: int, text: str) -> None:
            bar.update(task, completed=done, total=total, text=text)

        yield draw


@contextmanager
def log_lines() -> Iterator[None]:
    """Write what the library logs to stderr meanwhile, one line each, such as an epoch of a training."""
    log, handler = logging.getLogger("hybridseg"), logging.StreamHandler()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
