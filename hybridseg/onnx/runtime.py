"""The one place that imports onnxruntime and opens its sessions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ..limits import MAX_MEMORY_MB, MAX_SECONDS, TimeLimit, limit_of
from ..text import printable
from ..validation import ModelFormatError
from .screening import screen

EXPORT_LINE = 'pip install "hybridseg[export]"'
MAX_REASON = 1000  # characters of an error; a shape error may repeat a whole graph


def import_onnxruntime() -> Any:
    """Return onnxruntime, which is told to report nothing to anybody.

    Importing hybridseg has set ``ORT_DISABLE_TELEMETRY``. Builds for Windows apps don't read it, only the call here.

    Raises
    ------
    ImportError
        If onnxruntime isn't installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ImportError("running an ONNX file needs onnxruntime: pip install onnxruntime") from None
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def open_session(
    data: bytes, *, threads: int = 1, weights_folder: Path | None = None, simplified: Path | None = None
) -> Any:
    """Return an onnxruntime session of an ONNX model, for the CPU.

    Parameters
    ----------
    data : bytes
        The model. It is read as ONNX, also where it could pass for a file of onnxruntime's own format.
    threads : int
        Threads for one run.
    weights_folder : path, optional
        Where the files with the model's weights are, if it has any.
    simplified : path, optional
        Write the model here after steps that any onnxruntime can run: constants folded, steps without effect left out.

    Raises
    ------
    ModelFormatError
        If onnxruntime can't run it, or it takes too long to open (see `hybridseg.limits`); one line says why.
    """
    onnxruntime = import_onnxruntime()
    _limit_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # a second layout of the same memory: costs the first image milliseconds
    options.log_severity_level = 4  # what goes wrong is raised; a second copy on stderr helps nobody
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.use_env_allocators", "1")
    if weights_folder is not None:
        key = "session.model_external_initializers_file_folder_path"
        options.add_session_config_entry(key, os.path.abspath(weights_folder))
    if simplified is not None:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = os.fspath(simplified)
    with TimeLimit("opening an ONNX model", lambda: options.set_load_cancellation_flag(True)) as limit:
        try:
            # Without its fallback, which says on stdout that it tries the same again.
            return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
        except Exception as error:  # onnxruntime's errors share no base class of their own
            raise ModelFormatError(_over_limit(error, limit) or _why_not_loaded(error)) from None


@contextlib.contextmanager
def opening(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a ``with`` block that reads, checks and opens a model's file to one limit of time.

    Raises
    ------
    ModelFormatError
        If the block took longer than `hybridseg.limits` allows. A process of hybridseg's own ends after twice the time.
    """
    with TimeLimit(f"opening {printable(path)}", stop=lambda: None) as limit:
        yield
    if limit.is_over:
        raise ModelFormatError(f"{path}: {_too_long(limit)}")


@cache
def _limit_memory() -> None:
    """Give all sessions of this process one pool of memory, of limited size."""
    onnxruntime = import_onnxruntime()
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    pool = onnxruntime.OrtArenaCfg({"max_mem": int(limit_of(MAX_MEMORY_MB) * 2**20)})
    onnxruntime.create_and_register_allocator(memory, pool)


def run_session(session: Any, outputs: list[str] | None, inputs: dict[str, Any]) -> list[Any]:
    """Return a session's outputs.

    Raises
    ------
    RuntimeError
        If onnxruntime fails, or needs more time or memory than `hybridseg.limits` allows; one line says why.
    """
    options = import_onnxruntime().RunOptions()
    # Between two operators onnxruntime looks whether it is to stop, in loops too.
    with TimeLimit("one operator of an ONNX model", lambda: setattr(options, "terminate", True)) as limit:
        try:
            found: list[Any] = session.run(outputs, inputs, options)
            return found
        except Exception as error:  # onnxruntime's errors share no base class of their own
            raise RuntimeError(_over_limit(error, limit) or f"onnxruntime failed: {reason(error)}") from None


def _over_limit(error: Exception, limit: TimeLimit) -> str:
    """Return which limit an error comes from, and how to raise it, or nothing."""
    if limit.is_over:
        return _too_long(limit)
    if "bfc_arena" in str(error) and "is smaller than requested bytes" in str(error):
        return f"it needs more than {limit_of(MAX_MEMORY_MB):g} MB of memory, which is the limit ({MAX_MEMORY_MB})"
    return ""


def _too_long(limit: TimeLimit) -> str:
    return f"it took more than {limit.seconds:g} s, which is the limit ({MAX_SECONDS})"


def parse_screened(path: str | os.PathLike[str]) -> Any:
    """Return the `onnx.ModelProto` in a file, made of the bytes that were screened, weights from other files in it.

    Raises
    ------
    ModelFormatError
        As `screen` does.
    ImportError
        If onnx isn't installed.
    """
    try:
        import onnx
        from onnx.external_data_helper import load_external_data_for_model
    except ImportError as error:
        raise ImportError(f"this needs onnx ({error}): {EXPORT_LINE}") from None
    data, declared = screen(path)
    model = onnx.load_from_string(data)
    if declared.external:
        load_external_data_for_model(model, os.path.dirname(os.path.abspath(path)))
    return model


def reason(error: Exception) -> str:
    """Return all that onnxruntime says, which breaks its lines before the reason and repeats a file's names."""
    text = printable(" ".join(str(error).split())) or type(error).__name__
    return text.removeprefix("[ONNXRuntimeError] : ")[:MAX_REASON]


def _why_not_loaded(error: Exception) -> str:
    kind = type(error).__name__
    if kind in ("InvalidProtobuf", "InvalidArgument"):
        return f"not an ONNX file, or a truncated one ({reason(error)})"
    return f"onnxruntime can't run it: {reason(error)}"
