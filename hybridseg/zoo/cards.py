"""Cards: a model's training data, scores and limits, as JSON beside its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import write_atomically
from ..text import printable
from .hashes import SHA256

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
            "groups_from": dataset.groups_in_words,
            "labels": {label: labels.count(label) for label in sorted(set(labels))},
        },
        "split": {"name": "none: fitted on every case of the data"},
        "fit_seconds": round(seconds, 1),
        "machine": describe_machine(),
        "intended_use": "Research. Not a medical device: not for diagnosis.",
    }
    write_atomically(path, (json.dumps(card, indent=2, default=str) + "\n").encode())


_MAX_CARD_BYTES = 2**24
ZOO = Path(__file__).resolve().parent
"""Where the models that ship are, each with its card."""
PUBLISHED = ZOO / "published"
"""Results of these models, of cases that none of them saw: `hybridseg.bench` reads them."""


def shipped(name: str) -> Path | None:
    """Return the path of the model that ships as ``name`` (``unet`` or ``unet.onnx``), if there is one."""
    if "/" in name or "\\" in name:
        return None
    path = ZOO / f"{name.removesuffix('.onnx')}.onnx"
    return path if path.is_file() else None


def copy_shipped(name: str, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write a model that ships and its card, as JSON and as a page, into a folder; return the files written.

    The folder is made if it isn't there.

    Raises
    ------
    ValueError
        If no model of that name ships, or one of the files is there and ``overwrite`` isn't set.
    """
    path = shipped(name)
    if path is None:
        known = ", ".join(sorted(each.stem for each in ZOO.glob("*.onnx")))
        raise ValueError(f"no model ships as {printable(name)}; those that do: {known}")
    data = read_shipped(path)
    files = {path.name: path.read_bytes() if data is None else data}
    files |= {each.name: each.read_bytes() for each in (path.with_suffix(".json"), path.with_suffix(".md"))}
    there = [folder / each for each in files if (folder / each).exists()]
    if there and not overwrite:
        raise ValueError(f"{printable(there[0])} exists; give --overwrite to replace it")
    folder.mkdir(parents=True, exist_ok=True)
    for each, content in files.items():
        write_atomically(folder / each, content)
    return [folder / each for each in files]


def read_shipped(path: Path) -> bytes | None:
    """Return a model that ships, if it has the SHA-256 that stands in the code.

    Returns
    -------
    bytes or None
        None if the code knows no model of that name: then the file is a stranger's.

    Raises
    ------
    ModelFormatError
        If it has another SHA-256.
    """
    import hashlib

    from ..validation import ModelFormatError

    expected = SHA256.get(path.stem)
    if expected is None:
        return None
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        problem = f"isn't the model that ships: its SHA-256 is {found}, expected {expected}; install hybridseg again"
        raise ModelFormatError(f"{path}: {problem}")
    return data


def origin(spec: str, model: Segmenter) -> dict[str, str]:
    """Return what an exported file should say of a model's origin: from the card beside it, or that nobody says.

    A file of our signature has entries of its own; those aren't among what is returned.

    Raises
    ------
    ModelFormatError
        If there is a card that can't be read.
    """
    path = Path(spec.partition("[")[0])
    card: dict[str, Any] = {}
    for place in (path.with_name(f"{path.name}.json"), path.with_suffix(".json")):
        if path.is_file() and place.is_file():
            card = _read_card(place)
            break
    learned = model.has_learned or path.is_file()
    data, split = card.get("data") or {}, card.get("split") or {}
    unknown = "unknown" if learned else "none"
    entries = {
        "training_data": f"{data['name']}, {data.get('images', '?')} images" if "name" in data else unknown,
        "training_data_sha256": data.get("content_sha256", unknown),
        **({"training_contents_sha256": data["contents_alone_sha256"]} if "contents_alone_sha256" in data else {}),
        "split": split.get("name", unknown),
        "split_sha256": split.get("sha256", unknown),
        "license": card.get("license", "unknown"),
        "scores": json.dumps(card["scores"]) if "scores" in card else "none",
    }
    from ..onnx import OnnxSegmenter

    own = model.metadata if isinstance(model, OnnxSegmenter) else {}
    return {name: str(value) for name, value in entries.items() if name not in own}


def _read_card(path: Path) -> dict[str, Any]:
    from ..files import read_regular
    from ..validation import ModelFormatError

    try:
        card = json.loads(read_regular(path, _MAX_CARD_BYTES))
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"{path}: not a model's card: {error}") from None
    if not isinstance(card, dict) or not all(isinstance(card.get(key) or {}, dict) for key in ("data", "split")):
        raise ModelFormatError(f"{path}: not a model's card")
    return card


def cards() -> list[dict[str, Any]]:
    """Return the cards of the models that ship, by name; each has at least ``name`` and ``file``."""
    found = []
    for path in sorted(ZOO.glob("*.json")):
        card = json.loads(path.read_text("utf-8"))
        found.append({"name": path.stem, "file": f"{path.stem}.onnx", **card})
    return found
