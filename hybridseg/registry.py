"""Methods by name. A method is imported only when it is asked for.

A method's name is an entry point of group ``hybridseg.segmenters``, or ``path/to/file.py:Class``. It may also be the
path of a saved model, or the file name of a model that ships, such as ``unet.onnx``. Parameters follow in brackets:
``random-forest[n_trees=50]``.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .guests import contained
from .text import spec_parts
from .zoo.cards import ZOO, read_shipped, shipped

if TYPE_CHECKING:
    from .segmenter import Segmenter

GROUP = "hybridseg.segmenters"


class UnknownMethodError(ValueError):
    """No method has this name; the message lists the known ones."""


class MethodLoadError(ValueError):
    """A method is known but can't be loaded; the message says whose it is and why."""


@dataclass(frozen=True)
class MethodInfo:
    """Where a method comes from: its entry-point value and the distribution that offers it.

    ``problem`` says in one line why the method can't be used; it is empty where nothing speaks against it.
    """

    name: str
    value: str
    distribution: str
    problem: str = ""


def available() -> dict[str, MethodInfo]:
    """Return the installed methods by name, without importing any of them.

    If two distributions offer one name, chance would decide which one wins, so neither does. Its ``problem`` names
    both, and asking for that method is an error. The other methods are not affected.
    """
    import importlib.metadata  # here, since running a file needs no method's name and starts faster without

    found: dict[str, MethodInfo] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        info = MethodInfo(entry.name, entry.value, entry.dist.name if entry.dist else "unknown")
        other = found.setdefault(entry.name, info)
        if other != info and not other.problem:
            first, second = sorted(f"{each.distribution} ({each.value})" for each in (other, info))
            problem = f"method `{entry.name}` is offered by both {first} and {second}; uninstall one"
            found[entry.name] = replace(other, problem=problem)
    return dict(sorted(found.items()))


def create(spec: str, **params: Any) -> Segmenter:
    """Return a segmenter for a name, ``file.py:Class`` or saved model, with parameters set.

    Parameters
    ----------
    spec : str
        For example ``otsu``, ``random-forest[n_trees=50]``, ``mine.py:MySegmenter``, ``model.hybridseg`` or
        ``unet.onnx[threads=2]``, the model that ships if no file has that name.
    **params
        Parameters, over those in the brackets.

    Raises
    ------
    UnknownMethodError
        If nothing has that name.
    MethodLoadError
        If it exists but can't be imported.
    ValueError
        If a parameter isn't one of the method's; the message lists the known ones.
    """
    name, bracketed = parse_spec(spec)
    wanted = {**bracketed, **params}
    if is_model_path(name):
        return _load_onnx(Path(name), wanted) if name.endswith(".onnx") else load(name).set_params(**wanted)
    segmenter_class = find_class(name)
    direct = {key: value for key, value in wanted.items() if key in segmenter_class.param_names()}
    try:
        with contained():
            model = segmenter_class(**direct)
    except Exception as error:  # an author's __init__ may raise anything; it is reported
        raise MethodLoadError(f"method `{name}` can't be created: {error}") from error
    return model.set_params(**wanted)


def parse_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """Split ``name[a=1,b=text]`` into name and parameters; values are Python literals, else text.

    >>> parse_spec("random-forest[n_trees=50,criterion=gini]")
    ('random-forest', {'n_trees': 50, 'criterion': 'gini'})
    """
    name, parts = spec_parts(spec)
    params: dict[str, Any] = {}
    for part in parts:
        key, equals, text = part.partition("=")
        if not equals or not key.strip().isidentifier():
            raise ValueError(f"a parameter is written `name=value`, got `{part}` in `{spec}`")
        if key.strip() in params:
            raise ValueError(f"parameter `{key.strip()}` is given twice in `{spec}`")
        try:
            params[key.strip()] = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, TypeError):
            params[key.strip()] = text.strip()
    return name, params


def is_model_path(name: str) -> bool:
    """Whether a spec means a file on disk rather than a method's name."""
    return name.endswith((".onnx", ".hybridseg")) or (os.sep in name and not is_file_spec(name))


def is_file_spec(spec: str) -> bool:
    """Whether a spec names a class in a Python file, ``mine.py:MySegmenter``: creating it runs that file."""
    name = spec.partition("[")[0]
    return name.endswith(".py") or ".py:" in name


def find_class(name: str) -> type[Segmenter]:
    """Return the class behind a method's name or ``file.py:Class``, importing it now."""
    if ".py:" in name:
        return _class_from_file(name)
    if name.endswith(".py"):
        raise UnknownMethodError(f"`{name}` must name its class too: `{name}:CLASS`")
    import importlib.metadata

    methods = available()
    if name not in methods:
        import difflib

        models = sorted(path.name for path in ZOO.glob("*.onnx"))
        close = difflib.get_close_matches(name, [*methods, *models], n=1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        if shipped(name):
            hint = f"; the trained model that ships is written `{name}.onnx` here"
        if Path(name).is_file():
            hint = f"; the file of that name is written `./{name}`"
        known = f"known: {', '.join(methods) or 'none'}; models that ship: {', '.join(models) or 'none'}"
        raise UnknownMethodError(f"unknown method `{name}`; {known}{hint}")
    info = methods[name]
    if info.problem:
        raise MethodLoadError(info.problem)
    try:
        with contained():
            loaded = importlib.metadata.EntryPoint(info.name, info.value, GROUP).load()
    except Exception as error:  # a plug-in's import may raise anything; it is reported
        raise MethodLoadError(
            f"method `{name}` of {info.distribution} ({info.value}) failed to load: {type(error).__name__}: {error}"
        ) from error
    return _require_segmenter(loaded, name)


def load(path: str | os.PathLike[str]) -> Segmenter:
    """Return the segmenter in a saved model file, of whichever method wrote it, or in an ``.onnx`` file.

    Where there is no file ``unet.onnx``, that is the model that ships under this name.

    The file names a class. Only a class that an installed method offers, or that is already imported as a `Segmenter`,
    is used. So a model file can't make this process import something else.

    Raises
    ------
    FileNotFoundError, hybridseg.ModelFormatError, MethodLoadError
    """
    path = Path(path)
    if path.suffix == ".onnx":
        return _load_onnx(path, {})
    from .modelfile import read_model_file
    from .segmenter import Segmenter
    from .validation import ModelFormatError

    header, _ = read_model_file(path)
    wanted: str = header["class"]
    methods = available()
    for name, info in methods.items():
        if info.value == wanted:
            return find_class(name).load(path)
    # The last one: of two files of one name whose classes are loaded, the later one's.
    for candidate in reversed(_subclasses(Segmenter)):  # type: ignore[type-abstract]
        if _class_id(candidate) == wanted:
            return candidate.load(path)
    for name, info in methods.items():  # an entry point may name a module that re-exports the class
        if _package(info.value) == _package(wanted):
            candidate = find_class(name)
            if _class_id(candidate) == wanted:
                return candidate.load(path)
    raise ModelFormatError(
        f"{path}: saved by {wanted}, which no installed package offers as a method; if it comes from a file, "
        f"load it with hybridseg.registry.find_class('FILE.py:CLASS').load"
    )


def _load_onnx(path: Path, params: dict[str, Any]) -> Segmenter:
    """Return the segmenter in an ``.onnx`` file, or that ships if there is none; errors as in `load`."""
    own = None if path.exists() else shipped(str(path))
    return load_shipped(own, params) if own else _open_onnx(path, params)


def load_shipped(path: Path, params: dict[str, Any]) -> Segmenter:
    """Return the model that ships at a path that `shipped` gave, with these parameters; errors as in `load`."""
    return _open_onnx(path, params, read_shipped(path))


def _open_onnx(path: Path, params: dict[str, Any], known: bytes | None = None) -> Segmenter:
    from .onnx import OnnxSegmenter

    model = OnnxSegmenter(path=os.fspath(path)).set_params(**params)
    model.open(known)
    return model


def _class_id(segmenter_class: type[Segmenter]) -> str:
    return f"{segmenter_class.__module__}:{segmenter_class.__qualname__}"


def _package(class_id: str) -> str:
    return class_id.partition(":")[0].partition(".")[0]


def _subclasses(parent: type[Segmenter]) -> list[type[Segmenter]]:
    direct: list[type[Segmenter]] = parent.__subclasses__()
    return direct + [deeper for child in direct for deeper in _subclasses(child)]


def _class_from_file(name: str) -> type[Segmenter]:
    import importlib.util

    file_name, _, class_name = name.rpartition(":")
    path = Path(file_name)
    if not path.is_file():
        raise UnknownMethodError(f"no file {path} (from `{name}`)")
    # The module's name depends on the file alone, so that a model saved by this class finds it again.
    module_name = f"hybridseg_user_{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}"
    module = sys.modules.get(module_name)
    if module is None or getattr(module, "__file__", None) != str(path.resolve()):
        module_spec = importlib.util.spec_from_file_location(module_name, path.resolve())
        if module_spec is None or module_spec.loader is None:
            raise MethodLoadError(f"{path} can't be imported as Python")
        module = importlib.util.module_from_spec(module_spec)
        sys.modules[module_name] = module
        try:
            with contained():
                module_spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[module_name]
            raise MethodLoadError(f"{path} failed to load: {type(error).__name__}: {error}") from error
    if not hasattr(module, class_name):
        raise UnknownMethodError(f"{path} has no `{class_name}`")
    return _require_segmenter(getattr(module, class_name), name)


def _require_segmenter(loaded: Any, name: str) -> type[Segmenter]:
    from .segmenter import Segmenter, Tags

    if not (isinstance(loaded, type) and issubclass(loaded, Segmenter)):
        raise MethodLoadError(f"method `{name}` must be a subclass of hybridseg.Segmenter, got {loaded!r}")
    if not isinstance(loaded.tags, Tags):
        raise MethodLoadError(f"method `{name}` must have hybridseg.Tags as its `tags`, got {loaded.tags!r}")
    return loaded


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
    if model.tags.requires_fit and not model.has_learned:
        raise ValueError(
            f"method `{spec}` must be trained first: `hybridseg fit {spec} --data DIR -o MODEL.hybridseg`, "
            "then give MODEL.hybridseg in its place"
        )
    return model
