"""Cards: what a model was trained on, as JSON beside its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_atomically

if TYPE_CHECKING:
    from ..data import Dataset
    from ..segmenter import Segmenter


def write_card(path: Path, model: Segmenter, dataset: Dataset, lesion_images: int, seconds: float) -> None:
    """Write ``path``: method, parameters, operating point, data with its hash, versions, as JSON."""
    from ..processes.machine import describe_machine

    labels = [case.label for case in dataset]
    card = {
        "method": type(model).__name__,
        "params": model.get_params(deep=False),
        "operating_point": vars(model.current_operating_point),
        "data": {
            "name": dataset.name,
            "content_sha256": dataset.content_hash(),
            "contents_alone_sha256": dataset.contents_hash(),
            "images": len(dataset),
            "lesion_images": lesion_images,
            "groups": len(set(dataset.groups)),
            "groups_from": dataset.groups_from,
            "labels": {label: labels.count(label) for label in sorted(set(labels))},
        },
        "split": {"name": "none: fitted on every case of the data"},
        "fit_seconds": round(seconds, 1),
        "machine": describe_machine(),
        "intended_use": "Research. Not a medical device: not for diagnosis.",
    }
    write_atomically(path, (json.dumps(card, indent=2, default=str) + "\n").encode())
