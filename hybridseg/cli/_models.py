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
            return registry.create(str(path))
    return registry.create(spec)


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

    Nothing for a method without one, or where the packages that write graphs aren't installed.
    """
    import tempfile
    from importlib.util import find_spec

    if not model.tags.exportable or not all(map(find_spec, ("onnx", "spox"))):
        return {}
    import onnx

    from ..onnx import describe

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
