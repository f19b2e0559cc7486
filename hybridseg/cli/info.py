"""``hybridseg info``: what a thing is, as it says itself."""

from __future__ import annotations

import inspect
import json
import zipfile
from collections.abc import Iterable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import click

from .. import registry
from ..text import MAX_FIELDS, aligned, bounded, fields
from ..validation import ModelFormatError
from ..zoo.cards import shipped
from ._examples import examples


@click.command(epilog=examples("info random-forest", "info unet.onnx", "info scan.dcm", "info RUN"))
@click.argument("what", metavar="METHOD|MODEL|IMAGE|RUN")
def info(what: str) -> None:
    """Describe a method, a saved model, an ONNX file, an image or a run folder. No image is segmented."""
    path = Path(what)
    if not path.exists() and registry.is_model_path(name := what.partition("[")[0]):
        path = Path(name)  # parameters in brackets change nothing about a file
    if path.suffix == ".onnx" and not path.exists():
        path = shipped(str(path)) or path
    if path.is_dir():
        if not (path / "run.json").exists():
            raise FileNotFoundError(f"{path}: not a run folder (no run.json); `hybridseg data check` describes data")
        click.echo(_run(path))
    elif path.suffix == ".onnx" and path.exists():
        click.echo(_onnx(path))
    elif path.exists():
        click.echo(_image(path) if _is_image(path) else _saved(path))
    elif path.suffix and ".py:" not in what and "[" not in path.name:
        raise FileNotFoundError(f"{path}: no such file")
    else:
        click.echo(_method(what))


def _method(spec: str) -> str:
    name, _ = registry.parse_spec(spec)
    kind = registry.find_class(name)
    model = registry.create(spec)
    known = registry.available().get(name)
    defaults = kind.param_defaults()
    tags = kind.tags
    lines = [
        ("method", name),
        ("class", f"{kind.__module__}:{kind.__qualname__}"),
        ("package", known.distribution if known else "a file of yours"),
        ("must be fitted", "yes" if tags.requires_fit else "no"),
        ("deterministic", "yes" if tags.deterministic else "no"),
        ("exports to ONNX", "yes" if tags.exportable else f"no: {tags.export_reason}"),
    ]
    rows = [
        [key, repr(value), "" if repr(value) == repr(defaults.get(key)) else f"default {defaults.get(key)!r}"]
        for key, value in model.get_params(deep=False).items()
    ]
    parameters = aligned(["parameter", "value", ""], rows, indent="  ") if rows else "  no parameters"
    return f"{inspect.getdoc(kind) or ''}\n\n{fields(lines)}\n{parameters}"


def _saved(path: Path) -> str:
    from ..modelfile import read_model_file

    try:
        header, arrays = read_model_file(path)
    except ModelFormatError as error:
        if path.suffix != ".hybridseg" and isinstance(error.__context__, zipfile.BadZipFile):
            raise ModelFormatError(f"{path}: is neither a saved model, an ONNX file nor an image") from None
        raise
    params = _rows((name, repr(value)) for name, value in header["params"].items())
    learned = _rows(
        [
            *((name, _as_text(value)) for name, value in header["state"].items()),
            *((name, f"{array.dtype} {array.shape}") for name, array in arrays.items()),
        ]
    )
    lines = fields([("saved model", path), ("class", header["class"]), ("size", f"{path.stat().st_size} bytes")])
    return "\n".join([
        lines,
        aligned(["parameter", "value"], params, indent="  ") if params else "  no parameters",
        aligned(["learned", "value"], learned, indent="  ") if learned else "  nothing learned",
    ])  # fmt: skip


def _onnx(path: Path) -> str:
    from ..onnx import describe

    if find_spec("onnx") is None:
        return _runnable(path)
    found = describe(path)
    lines: list[tuple[str, Any]] = [("file", path), ("size", f"{found.size_bytes / 1e6:.2f} MB")]
    lines += [(f"input {name}", text) for name, text in found.inputs.items()]
    lines += [(f"output {name}", text) for name, text in found.outputs.items()]
    lines += [
        ("operator sets", ", ".join(f"{name} {version}" for name, version in found.opsets.items())),
        ("operators", ", ".join(f"{name} {count}" for name, count in found.operators.items())),
        ("parameters", f"{found.parameters:,}"),
        ("multiply-adds", f"{found.multiply_adds:,}"),
    ]
    lines += _entries(found.metadata)
    if path.with_suffix(".toml").is_file() and "mask" not in found.outputs:
        from ..onnx.foreign import describe_feeding

        lines += describe_feeding(path).items()
    return fields(lines)


def _runnable(path: Path) -> str:
    """Describe a file that runs here by its own entries, where the package that counts operators isn't installed."""
    from ..onnx import OnnxSegmenter

    model = OnnxSegmenter.load(path)
    session = model.open()
    return fields([
        ("file", path),
        ("size", f"{path.stat().st_size / 1e6:.2f} MB"),
        *((f"input {each.name}", _tensor(each)) for each in session.get_inputs()),
        *((f"output {each.name}", _tensor(each)) for each in session.get_outputs()),
        ("operators", 'told where onnx is installed: pip install "hybridseg[export]"'),
        *_entries(model.metadata),
    ])  # fmt: skip


def _tensor(end: Any) -> str:
    """Return type and shape of an input or an output of a session."""
    return f"{end.type.removeprefix('tensor(').removesuffix(')')} [{', '.join(map(str, end.shape))}]"


def _entries(metadata: dict[str, str]) -> list[tuple[str, Any]]:
    """Return a file's own entries in one line each; of fingerprints and scope, what they are for."""
    from ..data.fingerprints import decode_fingerprints

    entries = {name: " ".join(text.split()) for name, text in metadata.items()}
    if "scope" in entries:
        entries["scope"] = "known: what doesn't look like the images that it learned from is told"
    if "fingerprints" in entries:
        try:
            entries["fingerprints"] = f"of {len(decode_fingerprints(entries['fingerprints']))} images"
        except ValueError as error:
            entries["fingerprints"] = f"can't be read: {error}"
    return sorted(entries.items())


def _image(path: Path) -> str:
    from ..images import ImageError, decode, find_facts, find_scan, read_bytes
    from ..text import printable

    data = read_bytes(path)
    facts = find_facts(data, printable(path))
    pixels = decode(data, printable(path), 0 if facts.frames > 1 else None)
    try:
        grey = pixels.to_grey()
    except ValueError as error:
        raise ImageError(f"{printable(path)}: {error}") from None
    rows, columns = find_scan(grey)
    scan = f"{rows.stop - rows.start} rows x {columns.stop - columns.start} columns"
    pages = [("pages or frames", f"{facts.frames}; what follows is of the first")] if facts.frames > 1 else []
    return fields([
        ("image", path),
        ("format", f"{pixels.file_format}, mode {pixels.mode}{', coloured' if pixels.coloured else ''}"),
        *pages,
        ("size", f"{grey.shape[0]} rows x {grey.shape[1]} columns"),
        ("scan found", f"{scan}, from row {rows.start} and column {columns.start}"),
        ("grey values", f"{grey.min()} to {grey.max()}, mean {grey.mean():.1f}"),
    ])  # fmt: skip


def _run(path: Path) -> str:
    from ..bench import read_run

    description, records = read_run(path)
    total = sum(cell["cases"] for cell in description["cells"])
    # the last that ran methods; scoring masks is a session too, which leaves no times
    sessions = description["sessions"]
    session = next((each for each in reversed(sessions) if "cpu" in each), sessions[-1] if sessions else {})
    failed = sum(bool(record.error) for record in records)
    return fields([
        ("run", path),
        ("data", f"{description['dataset']}, {description['cases']} cases"),
        ("split", description["split"]),
        ("methods", ", ".join(method["spec"] for method in description["methods"])),
        ("rows", f"{len(records)} of {total}" + (f", {failed} failed predictions" if failed else "")),
        ("made on", session.get("cpu", "unknown")),
        ("command", " ".join(session.get("command", []))),
        ("data hash", description["plan"]["data"]),
        ("split hash", description["plan"]["split"]),
    ])  # fmt: skip


def _is_image(path: Path) -> bool:
    """Whether a file is an image: by its content, as `segment` sees it. Of what is no file the name decides."""
    from ..images import SUFFIXES, why_no_image

    if not path.is_file():
        return path.suffix.lower() in SUFFIXES
    return path.suffix != ".hybridseg" and not why_no_image(path)


def _rows(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return names and values from a file as rows of a table; their texts and their number are the file's."""
    return [[bounded(name, 100), bounded(text, 100)] for name, text in islice(pairs, MAX_FIELDS)]


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=repr)
    return " ".join(text.split())
