"""The page for a browser: one HTML file with models inside, which reads pictures and connects to nothing.

``web/`` holds its sources, in TypeScript. What is built from them lies here: ``page.html``, the page without models,
and ``runtime.wasm.gz``, onnxruntime's WebAssembly. `write_page` joins both with models, so it needs no Node.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import registry
from ..files import write_atomically
from ..text import printable
from ..version import __version__
from ..zoo.cards import shipped

TITLE = "hybridseg: lesions in breast ultrasound"
MODELS = ("unet-tiny", "unet")
"""What the page holds unless other models are named; the first one is used until a person chooses another."""

_HERE = Path(__file__).resolve().parent
_TITLE_MARK, _DATA_MARK = "<!--hybridseg:title-->", "<!--hybridseg:data-->"


def write_page(
    output: str | os.PathLike[str], models: Sequence[str | os.PathLike[str]] = MODELS, title: str = TITLE
) -> int:
    """Write the page, and return its size in bytes.

    Parameters
    ----------
    output : str or path
    models : sequence of str or path
        Names of models that ship, or ``.onnx`` files of hybridseg's signature. Their names must differ.
    title : str
        The page's heading.

    Raises
    ------
    FileNotFoundError, hybridseg.ModelFormatError
        If a model is missing or can't be run.
    ValueError
        If no model is named, or two have one name.
    """
    if not models:
        raise ValueError("`models` must name at least one model, got none")
    described: list[dict[str, Any]] = []
    blocks = [_block("runtime", (_HERE / "runtime.wasm.gz").read_bytes())]
    for spec in models:
        card, data = _read_model(os.fspath(spec))
        if any(card["name"] == other["name"] for other in described):
            raise ValueError(f"`models` must have names of their own, got two of the name {card['name']}")
        described.append(card)
        blocks.append(_block(f"model-{card['name']}", gzip.compress(data, 9, mtime=0)))
    made = json.dumps({"version": __version__, "models": described}).replace("<", "\\u003c")
    blocks.append(f'<script type="application/json" id="made">{made}</script>')
    page = (_HERE / "page.html").read_text("utf-8").replace(_TITLE_MARK, html.escape(title))
    whole = page.replace(_DATA_MARK, "\n".join(blocks)).encode()
    write_atomically(output, whole)
    return len(whole)


def _block(name: str, data: bytes) -> str:
    """Return a data block of the page: base 85, with a comma for its "<", which means something in HTML."""
    text = base64.b85encode(data).decode().replace("<", ",")
    return f'<script type="text/plain" id="{html.escape(name)}">{text}</script>'


def _read_model(spec: str) -> tuple[dict[str, Any], bytes]:
    """Return what the page says of a model, and the bytes of its file, which was opened and checked."""
    own = None if Path(spec).exists() else shipped(spec)
    if own is None and not spec.endswith(".onnx"):
        raise ValueError(f"a model must be one that ships or an .onnx file, got {printable(spec)}")
    model: Any = registry.load_shipped(own, {}) if own else registry.load(spec)
    if model.parity_reference() is not None:
        raise ValueError(f"{printable(spec)}: has another signature than the page runs; `hybridseg export` changes it")
    path = Path(model.path)
    data, metadata = path.read_bytes(), model.metadata
    card = path.with_suffix(".json")
    scores = metadata.get("scores", "none")
    return {
        "name": path.stem,
        "description": json.loads(card.read_text("utf-8"))["description"] if own else metadata.get("method", ""),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "license": metadata.get("license", "unknown"),
        "training_data": metadata.get("training_data", "unknown"),
        "operating_point": vars(model.current_operating_point),
        "scores": {} if scores == "none" else json.loads(scores),
        "hospitals": json.loads(metadata.get("hospitals", "{}")),
        "scores_protocol": metadata.get("scores_protocol", "unknown"),
    }, data
