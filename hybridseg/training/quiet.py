"""Keras without TensorFlow's notes about itself."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

# TensorFlow writes these before it reads its own log level. What else it says passes, also why it ends a process on a
# processor that it can't use: the filter is a process of its own, which outlives that.
FILTER = """
import sys
for line in sys.stdin.buffer:
    if not line.startswith((b"I0000 ", b"WARNING: All log messages before absl::InitializeLog()")):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


def import_keras() -> Any:
    """Return the module `keras`. TensorFlow's informational lines at its first import don't reach stderr."""
    if "keras" not in sys.modules:
        sys.stderr.flush()
        stderr = os.dup(2)
        try:
            with subprocess.Popen([sys.executable, "-I", "-S", "-c", FILTER], stdin=subprocess.PIPE) as passing:
                assert passing.stdin is not None
                os.dup2(passing.stdin.fileno(), 2)
                passing.stdin.close()
                try:
                    import keras
                finally:
                    os.dup2(stderr, 2)  # the last writing end closes: the filter ends
        finally:
            os.close(stderr)
    import keras

    return keras
