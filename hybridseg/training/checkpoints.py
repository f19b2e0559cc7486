"""Checkpoints of a training: every variable and where it stands, in one file that is whole or not there."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.fingerprints import check_fingerprints
from ..files import read_regular, write_atomically

CHECKPOINT = "checkpoint.npz"
MAX_CHECKPOINT_BYTES = 2**31


class TrainingError(RuntimeError):
    """Training can't go on; the message says why and what to do."""


@dataclass
class Run:
    """The state of a training: flat weights by role, and one history row per finished epoch.

    ``reference`` are the validation scores, one per lesion case, of the epoch with the highest mean.
    """

    epoch: int
    averaged: list[NDArray[Any]]
    best: list[NDArray[Any]]
    best_epoch: int
    reference: list[float]
    history: list[dict[str, float]]


def write_checkpoint(
    path: Path, identity: str, run: Run, model: Any, optimizer: Any, prints: NDArray[np.uint8] | None = None
) -> None:
    """Write every variable, the run's state and the fingerprints of what it learns from, atomically."""
    header = {
        "identity": identity,
        "epoch": run.epoch,
        "best_epoch": run.best_epoch,
        "reference": run.reference,
        "history": run.history,
    }
    arrays: dict[str, Any] = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    groups: dict[str, Sequence[Any]] = {
        "weight": model.get_weights(),
        "averaged": run.averaged,
        "best": run.best,
        "optimizer": [np.asarray(v) for v in optimizer.variables],
        "fingerprints": [] if prints is None else [prints],
    }
    for name, values in groups.items():
        arrays.update({f"{name}_{k:04d}": value for k, value in enumerate(values)})
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def read_checkpoint(path: Path, identity: str, model: Any, optimizer: Any) -> Run:
    """Set model and optimizer from a checkpoint and return the run's state.

    Raises
    ------
    TrainingError
        If the checkpoint is of another recipe, another architecture or other data, or is no checkpoint.
    """
    header, groups = _read(path, ("weight", "averaged", "best", "optimizer"))
    if header["identity"] != identity:
        raise TrainingError(
            f"{path}: belongs to a training with other parameters, architecture or data; "
            "give another checkpoint folder or remove it"
        )
    model.set_weights(groups["weight"])
    for variable, value in zip(optimizer.variables, groups["optimizer"], strict=True):
        variable.assign(value)
    return Run(
        header["epoch"],
        groups["averaged"],
        groups["best"],
        header["best_epoch"],
        header["reference"],
        header["history"],
    )


def read_start(path: Path) -> tuple[list[NDArray[Any]], NDArray[np.uint8] | None]:
    """Return the averaged weights of the epoch that another training's checkpoint keeps, and its fingerprints.

    These are None if an earlier version wrote the checkpoint.

    Raises
    ------
    TrainingError
        If it is no checkpoint.
    """
    stored = _read(path, ("best", "fingerprints"))[1]
    if not stored["fingerprints"]:
        return stored["best"], None
    try:
        check_fingerprints(stored["fingerprints"][0])
    except ValueError as error:
        raise TrainingError(f"{path}: {error}") from None
    return stored["best"], stored["fingerprints"][0]


def set_start(model: Any, start: Sequence[NDArray[Any]]) -> None:
    """Set the weights of a model of the same architecture; its size may be another.

    Raises
    ------
    TrainingError
        If the architecture is another.
    """
    expected, got = ([array.shape for array in arrays] for arrays in (model.get_weights(), start))
    if expected != got:
        raise TrainingError(
            f"`start_from` must be a checkpoint of this very network, expected {len(expected)} arrays of its "
            f"shapes, got {len(got)} of others"
        )
    model.set_weights(start)


def _read(path: Path, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, list[NDArray[Any]]]]:
    """Return a checkpoint's header and the arrays of these roles."""
    try:
        stream = io.BytesIO(read_regular(path, MAX_CHECKPOINT_BYTES))
        with np.load(stream, allow_pickle=False) as stored:
            header = json.loads(stored["header"].tobytes())
            return header, {
                name: [stored[key] for key in sorted(stored.files) if key.startswith(f"{name}_")] for name in names
            }
    except Exception as error:
        raise TrainingError(f"{path}: not a training checkpoint ({type(error).__name__}: {error})") from None
