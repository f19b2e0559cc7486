"""From what a person writes after ``-m`` to a segmenter: methods, files, and the models that ship."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import registry
from ..registry import create, load_shipped, parse_spec, shipped

if TYPE_CHECKING:
    from ..segmenter import Segmenter

_MAX_CARD_BYTES = 2**24


def create_trained(spec: str) -> Segmenter:
    """Return a segmenter that can predict: a shipped model before an untrained method of the same name.

    Raises
    ------
    ValueError
        If the method has to be trained first.
    """
    name, params = parse_spec(spec)
    path = shipped(name)
    if path is not None and not (name.endswith(".onnx") and Path(name).exists()):
        return load_shipped(path, params)
    model = create(spec)
    if model.tags.requires_fit and not model._state():
        raise ValueError(
            f"method `{spec}` must be trained first: `hybridseg fit {spec} --data DIR -o MODEL.hybridseg`, "
            "then give MODEL.hybridseg in its place"
        )
    return model


def count_network(model: Segmenter) -> dict[str, int]:
    """Return ``parameters`` and ``multiply_adds`` of the network inside a method, counted from its exported graph.

    A method has a network inside if it is an ONNX file, or learns a ``network_``. Nothing for others, whose graphs take
    seconds to write, or where the packages that write graphs aren't installed.
    """
    import tempfile
    from importlib.util import find_spec

    if not model.tags.exportable or not all(map(find_spec, ("onnx", "spox"))):
        return {}
    from ..onnx import OnnxSegmenter, describe

    if not isinstance(model, OnnxSegmenter) and not hasattr(model, "network_"):
        return {}
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "graph.onnx")
        onnx.save(model._to_onnx(), path)
        found = describe(path)
    if not found.multiply_adds:
        return {}
    return {"parameters": found.parameters, "multiply_adds": found.multiply_adds}


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
    learned = bool(model._state()) or path.is_file()
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
    for path in sorted(registry.ZOO.glob("*.json")):
        card = json.loads(path.read_text("utf-8"))
        found.append({"name": path.stem, "file": f"{path.stem}.onnx", **card})
    return found
