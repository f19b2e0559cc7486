"""What C code prints, thrown away: it can't be asked not to."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

_STDERR = threading.Lock()


@contextlib.contextmanager
def no_stderr() -> Iterator[None]:
    """Throw away what is written to the process's stderr meanwhile, by any thread."""
    with _STDERR:
        try:
            kept = os.dup(2)
        except OSError:  # this process has no stderr
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
