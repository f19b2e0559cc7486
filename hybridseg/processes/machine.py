"""The machine behind a run: versions and hardware, for the record. Nothing here names a user or a folder."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from ..version import __version__

PACKAGES = (
    "numpy", "scipy", "scikit-image", "scikit-learn", "pillow", "onnxruntime", "tensorflow", "keras", "onnx",
)  # fmt: skip


def describe_machine() -> dict[str, object]:
    """Return versions, operating system, CPU model and core counts."""
    versions = {"hybridseg": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu_model(),
        "cores": os.cpu_count() or 1,
        "usable_cores": usable_cores(),
    }


def cpu_model() -> str:
    """Return the processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine() or "unknown"


def thread_counts() -> tuple[int, ...]:
    """Return the numbers of threads to time with: 1, 2, and as many as there are cores to use."""
    return tuple(sorted({1, min(2, usable_cores()), usable_cores()}))


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
