"""A line of a benchmark's table: the method as the person wrote it, how it is made, and its names."""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import itertools
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..segmenter import NotFittedError, Segmenter
from ..text import spec_parts


class PlanError(ValueError):
    """The run can't be planned as asked. The message is one line."""


FOLD, TRAIN = "{fold}", "{train}"
"""In a method's spec, or the folder of its masks: names of fold and training, for trainings made elsewhere."""

_CITED = re.compile(r"\bdoi \S|\barXiv:")
_PER_FOLD = re.compile(r"(?:([^=\[\]{}]+)=)?(.*\{fold\}.*)")


@dataclass(frozen=True)
class Method:
    """One line of the table.

    Attributes
    ----------
    spec : str
        What the person wrote, for example ``random-forest[n_trees=50]``; with ``50|100`` it is searched.
    key : str
        Hash over class, source code, parameters, the sources that teach and, for a trained model, its file.
    class_name : str
        ``module:Class``.
    params : dict
        Every parameter, those left at their default too.
    as_given : bool
        True for a trained model, which is scored as it is instead of being fitted on each fold.
    sha256 : str
        Of a trained model's file, as `Segmenter.save` writes it; else empty.
    trained_on : str
        Name of its `Training`; empty where it isn't trained, or there is one source.
    is_reader : bool
        True for a second reader's outlines: the ceiling of the table, and no competitor.
    summary : str
        The first line of its class's docstring.
    references : tuple of str
        What the docstring cites, for reports.
    """

    spec: str
    key: str
    class_name: str
    params: dict[str, Any]
    as_given: bool
    sha256: str = ""
    trained_on: str = ""
    is_reader: bool = False
    summary: str = ""
    references: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The line's name in every row and table. No two lines have the same."""
        given = _PER_FOLD.fullmatch(self.spec)
        name = given[1] if given and given[1] else self.spec
        return f"{name} on {self.trained_on}" if self.trained_on else name

    @property
    def is_per_fold(self) -> bool:
        """Whether each fold has a model of its own that was trained elsewhere."""
        return _PER_FOLD.fullmatch(self.spec) is not None

    @property
    def candidates(self) -> tuple[str, ...]:
        """The specs among which each training part chooses; the spec alone where it gives every parameter one value."""
        return candidates(self.spec)

    @property
    def is_searched(self) -> bool:
        """Whether parameters are chosen inside each training part."""
        return len(self.candidates) > 1

    @property
    def is_onnx(self) -> bool:
        """Whether the method runs an ONNX file."""
        return self.spec.partition("[")[0].endswith(".onnx")

    @property
    def is_fitted_here(self) -> bool:
        """Whether the run fits the method, if it learns."""
        return not self.as_given and not self.is_per_fold

    def spec_in(self, fold_name: str) -> str:
        """Return what the factory takes to make the method for a fold."""
        given = _PER_FOLD.fullmatch(self.spec)
        if given is None:
            return self.candidates[0]
        return given[2].replace(FOLD, fold_name).replace(TRAIN, self.trained_on)


def candidates(spec: str) -> tuple[str, ...]:
    """Return the specs that ``name[a=1|2,b=3|4]`` stands for; a spec without ``|`` stands for itself.

    >>> candidates("forest[trees=50|100,depth=8]")
    ('forest[trees=50,depth=8]', 'forest[trees=100,depth=8]')
    """
    if "|" not in spec:
        return (spec,)
    name, parts = spec_parts(spec)
    values = [(key, text.split("|")) for key, _, text in (part.partition("=") for part in parts)]
    choices = itertools.product(*([f"{key}={value.strip()}" for value in texts] for key, texts in values))
    return tuple(f"{name}[{','.join(choice)}]" for choice in choices) if parts else (spec,)


def create_method(factory: str, spec: str, seed: int, *, as_given: bool) -> Segmenter:
    """Return a fresh segmenter for ``spec``, its ``random_state`` set to ``seed`` unless the spec sets it."""
    model: Segmenter = resolve(factory)(spec)
    has_seed = re.search(r"[\[,]\s*random_state\s*=", spec)
    if not as_given and not has_seed and "random_state" in model.get_params(deep=False):
        model.set_params(random_state=seed)
    return model


def resolve(name: str) -> Any:
    """Return what ``module:attribute`` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def learns(model: Segmenter) -> bool:
    """Whether ``fit`` does anything: a method with nothing to learn keeps the contract's empty ``_fit``."""
    return type(model)._fit is not Segmenter._fit


def describe_method(factory: str, spec: str, seed: int, as_given: bool) -> tuple[Segmenter, Method]:
    """Return the method, or the first of a search's candidates, and its line."""
    if len(candidates(spec)) == 1:
        return _describe(factory, spec, seed, as_given)
    if as_given:
        raise PlanError(f"method `{spec}` is trained: there is no training part to choose its parameters in")
    described = [_describe(factory, each, seed, as_given) for each in candidates(spec)]
    model, first = described[0]
    keys = [method.key for _, method in described]
    if len(set(keys)) < len(keys):
        raise PlanError(f"method `{spec}` names one candidate twice")
    params = {}
    for name, value in first.params.items():
        tried = list(dict.fromkeys(repr(method.params[name]) for _, method in described))
        params[name] = value if len(tried) == 1 else " | ".join(tried)
    return model, Method(spec, hash_of(["search", *keys]), first.class_name, params, as_given)


def _describe(factory: str, spec: str, seed: int, as_given: bool) -> tuple[Segmenter, Method]:
    model = create_method(factory, spec, seed, as_given=as_given)
    try:
        model._check_state()
    except ValueError as error:
        raise PlanError(f"method `{spec}`: {error}") from None
    kind = type(model)
    params = {name: value if _is_json(value) else repr(value) for name, value in model.get_params().items()}
    class_name = f"{kind.__module__}:{kind.__qualname__}"
    content = saved_hash(model) if as_given else ""
    key = hash_of([class_name, source_hash(kind), params, as_given, content])
    return model, Method(spec, key, class_name, params, as_given, content, **_documentation(kind))


def _documentation(kind: type) -> dict[str, Any]:
    """Return the first line of a class's docstring, and the paragraphs of it that end in a DOI or arXiv number."""
    text = inspect.cleandoc(kind.__doc__ or "")
    listed = re.split(r"\nReferences\n-+\n", text)[1:]
    entries = re.split(r"(?<=\.)\n(?=\S)", listed[0].strip()) if listed else []
    cited = (" ".join(entry.split()) for entry in entries)
    return {"summary": text.partition("\n")[0], "references": tuple(entry for entry in cited if _CITED.search(entry))}


def source_hash(kind: type) -> str:
    """Return a hash over the Python files of a class and of those that it is made from, below `Segmenter`."""
    classes = [each for each in kind.__mro__ if issubclass(each, Segmenter) and each is not Segmenter]
    return " ".join(dict.fromkeys(map(_beside, classes)))


def _beside(kind: type) -> str:
    """Return a hash over the Python files beside a class: its whole package, or the one file of a plug-in."""
    source = inspect.getsourcefile(kind)
    if source is None:
        return ""
    in_package = "." in kind.__module__
    return _files_hash(Path(source).parent if in_package else Path(source))


@functools.cache
def _files_hash(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def saved_hash(model: Segmenter) -> str:
    """Return the SHA-256 of a trained model's saved bytes; empty for a method that isn't trained."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        try:
            model.save(path)
        except NotFittedError:
            return ""
        return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_json(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | list | tuple | type(None))


def hash_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()
