"""Calls spread over processes that may die: on this machine, or (`hybridseg.processes.cluster`) on a Dask cluster.

Process pools of the standard library and of joblib give everything up when one process dies, and don't tell which call
it was busy with. Here a death is an outcome of the one call that it interrupted, and the others go on.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol, Self

from ..guests import end_process
from ..limits import own_process

Call = Callable[[Any, Any], Any]
"""``call(context, unit) -> result``, at the top level of a module, so that another process finds it by name."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Outcome:
    """What came of one unit: a ``result``, a one-line ``error`` caused by bad input, or how its process ``died``."""

    unit: Any
    result: Any = None
    error: str = ""
    died: str = ""


class Workers(Protocol):
    """Give it units with `put`, collect each one's outcome with `take`; leaving the ``with`` block ends what runs."""

    def put(self, unit: Any) -> None:
        """Add a unit: it is taken up as soon as a process is free."""

    def take(self, seconds: float | None = None) -> Outcome | None:
        """Return the next outcome, in no special order; None if there is none after so many seconds."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


# ---- this machine -------------------------------------------------------------------------------
@dataclass
class _Worker:
    process: SpawnProcess
    link: connection.Connection
    unit: Any
    busy: bool = True


class LocalWorkers:
    """Processes of this machine, started when there is work for them, each with its share of the cores.

    Parameters
    ----------
    call : callable
        ``call(context, unit) -> result``; a ValueError or OSError is an outcome, any other exception ends the process.
    context : object
        Sent to each process once.
    count : int
        Processes at most.
    cores : int
        Cores to share between them, for numerical libraries that have threads of their own.
    """

    def __init__(self, call: Call, context: Any, count: int, cores: int) -> None:
        self._call, self._context, self._count = call, context, count
        self._threads = max(1, cores // count)
        self._waiting: deque[Any] = deque()
        self._workers: list[_Worker] = []

    def put(self, unit: Any) -> None:
        """Add a unit."""
        self._waiting.append(unit)

    @property
    def running(self) -> list[Any]:
        """Units that are being worked on."""
        return [worker.unit for worker in self._workers if worker.busy]

    def take(self, seconds: float | None = None) -> Outcome | None:
        """Return the next outcome, or None if there is none after so many seconds."""
        self._feed()
        links = [worker.link for worker in self._workers if worker.busy]
        if not links:
            raise LookupError("nothing was put that has no outcome yet")
        ready = connection.wait(links, seconds)
        if not ready:
            return None
        worker = next(worker for worker in self._workers if worker.link is ready[0])
        try:
            result, error = worker.link.recv()
        except (EOFError, ConnectionError):
            self._workers.remove(worker)
            worker.process.join()
            return Outcome(worker.unit, died=how_it_ended(worker.process.exitcode or 0))
        worker.busy = False
        unit = worker.unit
        self._feed()
        return Outcome(unit, result, error)

    def _feed(self) -> None:
        for worker in self._workers:
            if self._waiting and not worker.busy:
                worker.unit, worker.busy = self._waiting.popleft(), True
                _send(worker)
        while self._waiting and len(self._workers) < self._count:
            self._workers.append(self._start(self._waiting.popleft()))

    def _start(self, unit: Any) -> _Worker:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, self._call, self._context))
        with _environment(self._threads), _without_interrupts():
            process.start()
        there.close()
        worker = _Worker(process, here, unit)
        _send(worker)
        return worker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:  # all of them, before an interrupt can end the waiting
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
            worker.link.close()
        self._workers.clear()


def _send(worker: _Worker) -> None:
    """Send a worker its unit; that its process has died is told when its outcome is taken."""
    with contextlib.suppress(ConnectionError):
        worker.link.send(worker.unit)


def _serve(link: connection.Connection, call: Call, context: Any) -> None:
    """Work on units until the parent ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    threading.Thread(target=_die_with_parent, daemon=True).start()
    own_process()
    while True:
        unit = link.recv()
        try:
            answer = call(context, unit), ""
        except (ValueError, OSError) as error:
            answer = None, str(error) or type(error).__name__
        link.send(answer)


def _die_with_parent() -> None:
    """End this process when the parent is killed, so that nobody writes into a folder that looks free."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        end_process(1)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from a process that starts now, which the parent ends; the parent's own comes a moment later."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # its start unblocks Ctrl-C, and must not come in between
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def how_it_ended(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return signal.Signals(-exit_code).name
    except ValueError:  # most real-time signals have no name
        return f"signal {-exit_code}"


@contextlib.contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Set the variables that a process reads when it starts: its share of the cores, and no import from the working
    folder."""
    wanted = {name: os.environ.get(name, str(threads)) for name in _THREAD_VARIABLES}
    wanted["PYTHONSAFEPATH"] = "1"  # it gets this process's `sys.path` a moment later
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
