"""Measure a method's cost in a process of its own: start, time per image, memory, size on disk.

``python -m hybridseg.bench.run.cost REQUEST.json`` is that process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip
MAX_IMAGES = 20
_PASSES = 2
_MAX_SECONDS = 60.0
_START_SECONDS = 600.0


def measure_cost(
    factory: str,
    spec: str,
    images: Sequence[Any],
    *,
    model_path: str | os.PathLike[str] | None = None,
    threads: int = 1,
    counter: str = "",
) -> dict[str, Any]:
    """Measure one method in a fresh process.

    Parameters
    ----------
    factory : str
        ``module:callable``: spec -> Segmenter.
    spec : str
    images : sequence of ndarray of shape (H, W), uint8
        What to time on, decoded beforehand; some `MAX_IMAGES` are plenty.
    model_path : path, optional
        The fitted model, for methods that have to be.
    threads : int
        Set for numerical libraries, and as ``n_jobs`` or ``threads`` where the method has such a parameter.
    counter : str, optional
        ``module:callable``: Segmenter -> dict that is added to the answer, such as the ``parameters`` and
        ``multiply_adds`` of a network inside; called when everything is measured.

    Returns
    -------
    dict
        ``cold_ms``: from starting the process to its first mask. ``warm_ms_median``, ``warm_ms_p95``: per image,
        decoded pixels to mask, each image twice. ``cores_used``: processor time over wall time, so that taking more
        threads than were given is seen. ``peak_mib``: resident memory of the process, None where the system doesn't
        tell it (Windows).
        ``saved_bytes``: size of the saved method. ``threads``, ``images``. ``error``: why the rest is missing.
    """
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="hybridseg-cost-") as folder:
        np.savez(Path(folder, "images.npz"), *images)
        answer_path = Path(folder, "answer.json")
        request = {
            "factory": factory,
            "spec": spec,
            "model": None if model_path is None else os.path.abspath(model_path),
            "images": str(Path(folder, "images.npz")),
            "threads": threads,
            "counter": counter,
            "answer": str(answer_path),
            "importable_from": [os.path.abspath(path) for path in sys.path],
            "started": time.time(),
        }
        Path(folder, "request.json").write_text(json.dumps(request), "utf-8")
        environment = {**os.environ, **{name: str(threads) for name in THREAD_VARIABLES}}
        try:
            done = subprocess.run(
                # -P: a scipy.py in the working folder isn't what is meant.
                [sys.executable, "-P", "-m", __name__, str(Path(folder, "request.json"))],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_START_SECONDS + _MAX_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return _failed(threads, f"no answer within {_START_SECONDS + _MAX_SECONDS:.0f} s")
        if done.returncode != 0 or not answer_path.is_file():
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            return _failed(threads, last[0][:300] if last else f"its process ended with {done.returncode}")
        answer: dict[str, Any] = json.loads(answer_path.read_text("utf-8"))
        return answer


def _failed(threads: int, error: str) -> dict[str, Any]:
    return {"threads": threads, "error": error}


def measure_here(request: dict[str, Any]) -> dict[str, Any]:
    """Do what `measure_cost` promises, in this fresh process."""
    import numpy as np

    from ..method import create_method, resolve

    threads = request["threads"]
    with np.load(request["images"]) as archive:
        images = [archive[name] for name in archive.files]
    model = create_method(request["factory"], request["spec"], 0, as_given=True)
    if request["model"] is not None:
        model = type(model).load(request["model"])
    for name in ("n_jobs", "threads"):
        if name in model.get_params(deep=False):
            model.set_params(**{name: threads})
    model.predict(images[0])
    cold_ms = (time.time() - request["started"]) * 1e3
    samples: list[float] = []
    begin, begin_cpu = time.perf_counter(), time.process_time()
    for image in list(images) * _PASSES:
        start = time.perf_counter()
        model.predict(image)
        samples.append((time.perf_counter() - start) * 1e3)
        if time.perf_counter() - begin > _MAX_SECONDS:
            break
    cores = (time.process_time() - begin_cpu) / (time.perf_counter() - begin)
    peak_mib = peak_memory_mib()  # before saving, which is no part of predicting
    saved = Path(request["answer"]).with_name("saved")
    model.save(saved)
    counted = resolve(request["counter"])(model) if request["counter"] else {}
    return {
        **counted,
        "cold_ms": round(cold_ms, 1),
        "warm_ms_median": round(float(np.median(samples)), 3),
        "warm_ms_p95": round(float(np.percentile(samples, 95)), 3),
        "cores_used": round(cores, 2),
        "peak_mib": None if peak_mib is None else round(peak_mib, 1),
        "saved_bytes": saved.stat().st_size,
        "threads": threads,
        "images": len(images),
        "error": "",
    }


def peak_memory_mib() -> float | None:
    """Return the highest resident memory of this process so far, in MiB; None where the system doesn't tell it.

    On Linux from ``VmHWM``: ``ru_maxrss`` starts at what the parent had when it started this process.
    """
    try:
        for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:  # not Linux
        pass
    try:
        import resource
    except ImportError:  # Windows has neither
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    # What the process that asks can import, a factory or a plug-in, can be imported here, after everything installed.
    sys.path += [path for path in asked["importable_from"] if path not in sys.path]
    Path(asked["answer"]).write_text(json.dumps(measure_here(asked)), "utf-8")
