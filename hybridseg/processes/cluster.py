"""Calls spread over the workers of a running Dask cluster, with the interface of `hybridseg.processes.local`."""

from __future__ import annotations

import contextlib
import json
import queue
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, Self

from ..text import one_line
from ..version import __version__
from .local import Call, Outcome

_LOOK_SECONDS = 5.0


class ClusterWorkers:
    """The workers of a running Dask cluster (extra ``cluster``), which see the same files under the same names.

    A unit whose worker is lost is given to another one by the scheduler. It has died once it was with several that
    were lost (Dask's ``allowed-failures``), which may be another unit's fault if it wasn't alone.

    Parameters
    ----------
    call, context
        As for `LocalWorkers`; the context goes with each unit, since what only workers hold is lost with them.
    address : str
        The scheduler's (``tcp://host:8786``), or the path of a scheduler file (``*.json``).
    seconds : float
        How long to wait for the scheduler and a first worker.
    patience : float
        After so many seconds without any worker `take` raises ConnectionError.
    """

    def __init__(self, call: Call, context: Any, address: str, seconds: float = 30.0, patience: float = 300.0) -> None:
        try:
            import distributed
        except ImportError:
            raise ImportError("a cluster needs Dask: pip install 'hybridseg[cluster]'") from None
        where = _read_address(Path(address)) if address.endswith(".json") else address
        try:
            client: Any = distributed.Client
            self._client = client(where, timeout=seconds, set_as_default=False)
        except Exception as error:  # whatever Dask makes of an address, or of what answers there
            raise ConnectionError(f"no Dask scheduler answers at {address}: {one_line(error)}") from None
        try:
            self._client.wait_for_workers(1, timeout=seconds)
        except TimeoutError:
            self._client.close()
            raise ConnectionError(f"the Dask scheduler at {address} has no worker after {seconds:.0f} s") from None
        self._call, self._context, self._address, self._patience = call, context, address, patience
        self._busy: dict[str, tuple[Any, Any]] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._seen = time.monotonic()  # when there was a worker last

    def put(self, unit: Any) -> None:
        """Add a unit."""
        future = self._client.submit(_on_cluster, __version__, self._call, self._context, unit, pure=False)
        self._busy[future.key] = unit, future
        future.add_done_callback(self._ended.put)

    def take(self, seconds: float | None = None) -> Outcome | None:
        """Return the next outcome, or None if there is none after so many seconds.

        Raises
        ------
        ConnectionError
            If the scheduler is lost, or has had no worker for a long time.
        """
        from distributed import KilledWorker

        if not self._busy:
            raise LookupError("nothing was put that has no outcome yet")
        future = self._next_ended(seconds)
        if future is None:
            return None
        unit, _ = self._busy.pop(future.key)
        try:
            result, error = future.result()
        except KilledWorker as death:
            return Outcome(unit, died=f"the last of several at {death.last_worker.address}")
        except CancelledError:
            if self._client.status != "running":
                raise ConnectionError(f"the Dask scheduler at {self._address} was lost") from None
            return Outcome(unit, died="cancelled by the scheduler")
        except (ImportError, AttributeError) as problem:
            raise RuntimeError(f"the cluster's workers need hybridseg {__version__}: {problem}") from None
        finally:
            future.release()
        return Outcome(unit, result, error)

    def _next_ended(self, seconds: float | None) -> Any:
        """Return the next future that has ended; None after so many seconds."""
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            step = _LOOK_SECONDS if end is None else min(_LOOK_SECONDS, max(0.0, end - time.monotonic()))
            with contextlib.suppress(queue.Empty):
                future = self._ended.get(timeout=step)
                self._seen = time.monotonic()
                return future
            if time.monotonic() > self._seen + _LOOK_SECONDS:
                self._look_for_workers()
            if end is not None and time.monotonic() >= end:
                return None

    def _look_for_workers(self) -> None:
        if self._client.status == "running" and self._client.nthreads():
            self._seen = time.monotonic()
        elif time.monotonic() > self._seen + self._patience:
            raise ConnectionError(f"the Dask scheduler at {self._address} has no worker since {self._patience:.0f} s")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.cancel([future for _, future in self._busy.values()])
        self._client.close()


def _read_address(path: Path) -> str:
    """Return the address in a scheduler file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such scheduler file")
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a scheduler file: {one_line(error)}") from None
    address = found.get("address") if isinstance(found, dict) else None
    if not isinstance(address, str):
        raise ValueError(f"{path}: not a scheduler file: expected a JSON object with the text `address`")
    return address


def _on_cluster(version: str, call: Call, context: Any, unit: Any) -> tuple[Any, str]:
    if version != __version__:
        return None, f"a worker of the cluster has hybridseg {__version__}, expected {version}"
    try:
        return call(context, unit), ""
    except (ValueError, OSError) as error:
        return None, str(error) or type(error).__name__
