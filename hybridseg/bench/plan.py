"""What a benchmark run will do, decided before it starts: methods x folds, each under its inputs' hash."""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data import Dataset, Split
from ..segmenter import NotFittedError, Segmenter
from ..version import __version__


class PlanError(ValueError):
    """The run can't be planned as asked. The message is one line."""


@dataclass(frozen=True)
class Method:
    """One line of the table.

    Attributes
    ----------
    spec : str
        What the person wrote, for example ``random-forest[n_trees=50]``; the method's name in every row.
    key : str
        Hash over class, source code, parameters and, for a trained model, its file.
    class_name : str
        ``module:Class``.
    params : dict
        Every parameter, those left at their default too.
    as_given : bool
        True for a trained model, which is scored as it is instead of being fitted on each fold.
    sha256 : str
        Of a trained model's file, as `Segmenter.save` writes it; else empty.
    """

    spec: str
    key: str
    class_name: str
    params: dict[str, Any]
    as_given: bool
    sha256: str = ""


@dataclass(frozen=True)
class Cell:
    """One method on one fold: the unit of work, of resuming, and of the files on disk.

    ``key`` is a hash over everything that the cell's rows depend on.
    """

    method: Method
    fold: int
    key: str
    train: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def file_stem(self) -> str:
        """Name for this cell's files: readable first, unique by the hash."""
        readable = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in self.method.spec)
        return f"{readable[:40].strip('-')}-fold{self.fold}-{self.key[:12]}"


@dataclass(frozen=True)
class Plan:
    """A whole run.

    Attributes
    ----------
    dataset : Dataset
    split_name : str
        Where the folds come from, in words.
    factory : str
        ``module:callable`` that turns a spec into a segmenter, also in another process.
    seed : int
        ``random_state`` of methods that have one and whose spec doesn't set it.
    methods, cells : tuple
    data_hash, split_hash : str
    n_folds : int
        Folds of the split, run or not.
    """

    dataset: Dataset
    split_name: str
    factory: str
    seed: int
    methods: tuple[Method, ...]
    cells: tuple[Cell, ...]
    data_hash: str
    split_hash: str
    n_folds: int

    @property
    def total_cases(self) -> int:
        """Number of rows that a complete run has."""
        return sum(len(cell.test) for cell in self.cells)

    def identity(self) -> dict[str, Any]:
        """Return what makes this plan this plan, in the order in which a difference is best explained."""
        return {
            "hybridseg": __version__,
            "data": self.data_hash,
            "split": self.split_hash,
            "seed": self.seed,
            "folds": sorted({cell.fold for cell in self.cells}),
            "methods": {method.spec: method.key for method in self.methods},
        }


def make_plan(
    dataset: Dataset,
    split: Split,
    specs: Sequence[str],
    factory: str,
    *,
    split_name: str,
    seed: int = 0,
    folds: Sequence[int] | None = None,
    as_given: Sequence[str] = (),
) -> Plan:
    """Return the plan for scoring methods on the folds of a split.

    Every method is created once, here, so that a wrong name or parameter shows before anything runs.

    Parameters
    ----------
    dataset : Dataset
    split : Split
    specs : sequence of str
        Methods, as ``factory`` takes them.
    factory : str
        ``module:callable``: spec -> Segmenter.
    split_name : str
    seed : int
    folds : sequence of int, optional
        Which folds to run, from 0; all of them when not given.
    as_given : sequence of str
        Those of ``specs`` that are trained models: they are scored as they are.

    Raises
    ------
    PlanError
        If there is no method, one is named twice or has a parameter out of its range, or a fold doesn't exist or has
        no test case.
    """
    if not specs:
        raise PlanError("`methods` must name at least one method, got none")
    twice = [spec for i, spec in enumerate(specs) if spec in specs[:i]]
    if twice:
        raise PlanError(f"method `{twice[0]}` is named twice")
    chosen = sorted(set(range(len(split.folds)) if folds is None else folds))
    wrong = [fold for fold in chosen if not 0 <= fold < len(split.folds)]
    if wrong:
        raise PlanError(f"`fold` must be 0 to {len(split.folds) - 1} in this split, got {wrong[0]}")
    known = {case.case_id for case in dataset}
    for fold in chosen:
        if not split.folds[fold].test:
            raise PlanError(f"fold {fold} has no test case")
        missing = [c for c in (*split.folds[fold].train, *split.folds[fold].test) if c not in known]
        if missing:
            raise PlanError(f"fold {fold} names `{missing[0]}`, which the data lack ({len(missing)} such cases)")
    data_hash = dataset.content_hash()
    split_hash = _hash([[fold.train, fold.test] for fold in split.folds])
    methods = tuple(_describe(factory, spec, seed, spec in as_given) for spec in specs)
    first: dict[str, str] = {}
    for method in methods:
        if first.setdefault(method.key, method.spec) != method.spec:
            raise PlanError(f"`{first[method.key]}` and `{method.spec}` are one method with the same parameters")
    cells = tuple(
        Cell(
            method,
            fold,
            _hash([__version__, method.key, data_hash, split.folds[fold].train, split.folds[fold].test, seed]),
            split.folds[fold].train,
            split.folds[fold].test,
        )
        for fold in chosen
        for method in methods
    )
    return Plan(dataset, split_name, factory, seed, methods, cells, data_hash, split_hash, len(split.folds))


def create_method(factory: str, spec: str, seed: int, *, as_given: bool) -> Segmenter:
    """Return a fresh segmenter for ``spec``, its ``random_state`` set to ``seed`` unless the spec sets it."""
    model: Segmenter = resolve(factory)(spec)
    told = re.search(r"[\[,]\s*random_state\s*=", spec)
    if not as_given and not told and "random_state" in model.get_params(deep=False):
        model.set_params(random_state=seed)
    return model


def resolve(name: str) -> Any:
    """Return what ``module:attribute`` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _describe(factory: str, spec: str, seed: int, as_given: bool) -> Method:
    model = create_method(factory, spec, seed, as_given=as_given)
    try:
        model._check_state()
    except ValueError as error:
        raise PlanError(f"method `{spec}`: {error}") from None
    kind = type(model)
    params = {name: value if _is_json(value) else repr(value) for name, value in model.get_params().items()}
    class_name = f"{kind.__module__}:{kind.__qualname__}"
    content = saved_hash(model) if as_given else ""
    key = _hash([class_name, _source_hash(kind), params, as_given, content])
    return Method(spec, key, class_name, params, as_given, content)


def _source_hash(kind: type) -> str:
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
    """Return the SHA-256 of what a trained model saves; empty for one that isn't trained."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        try:
            model.save(path)
        except NotFittedError:
            return ""
        return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_json(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | list | tuple | type(None))


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()
