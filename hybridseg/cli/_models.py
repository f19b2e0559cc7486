"""From what a person writes after ``-m`` to a segmenter: methods, files, and the models that ship."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..segmenter import Segmenter

ZOO = Path(__file__).resolve().parent.parent / "zoo"


def shipped(name: str) -> Path | None:
    """Return the path of the model that ships as ``name`` (``unet`` or ``unet.onnx``), if there is one."""
    if "/" in name or "\\" in name:
        return None
    path = ZOO / f"{name.removesuffix('.onnx')}.onnx"
    return path if path.is_file() else None


def create(spec: str) -> Segmenter:
    """Return a segmenter as `hybridseg.create` does; ``unet.onnx`` is the model that ships if no file is."""
    from .. import registry

    if spec.endswith(".onnx") and not Path(spec).exists():
        path = shipped(spec)
        if path is not None:
            check_hash(path)
            return registry.create(str(path))
    return registry.create(spec)


def check_hash(path: Path) -> None:
    """Refuse a shipped model whose SHA-256 isn't the one on its card.

    Raises
    ------
    ModelFormatError
    """
    import hashlib

    from ..segmenter import ModelFormatError

    card = path.with_suffix(".json")
    expected = json.loads(card.read_text("utf-8")).get("sha256") if card.is_file() else None
    if expected is not None:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != expected:
            raise ModelFormatError(f"{path}: its SHA-256 is {found}, its card says {expected}")


def create_trained(spec: str) -> Segmenter:
    """Return a segmenter that can predict: a shipped model before an untrained method of the same name.

    Raises
    ------
    ValueError
        If the method has to be trained first.
    """
    path = shipped(spec)
    if path is not None and not Path(spec).exists():
        return create(path.name)
    model = create(spec)
    if model.tags.requires_fit and not model._state():
        raise ValueError(
            f"method `{spec}` must be trained first: `hybridseg fit {spec} --data DIR -o MODEL.hybridseg`, "
            "then give -m MODEL.hybridseg"
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


def cards() -> list[dict[str, Any]]:
    """Return the cards of the models that ship, by name; each has at least ``name`` and ``file``."""
    found = []
    for path in sorted(ZOO.glob("*.json")):
        card = json.loads(path.read_text("utf-8"))
        found.append({"name": path.stem, "file": f"{path.stem}.onnx", **card})
    return found
