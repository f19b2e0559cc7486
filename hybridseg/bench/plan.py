"""What a benchmark run will do, decided before it starts: methods x trainings x folds, each under its inputs' hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..data import Crossing, Dataset, Split, Training, one_source
from ..version import __version__
from .method import Method, PlanError, describe_method, hash_of, learns


@dataclass(frozen=True)
class Cell:
    """One method on one fold: the unit of work, of resuming, and of the files on disk.

    ``key`` is a hash over everything that the cell's rows depend on. ``spec`` is what the factory takes.
    ``trained_on`` names the sources of the cases in ``train``, joined by ``+``; empty where there is one source.
    """

    method: Method
    fold: int
    key: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    spec: str = ""
    trained_on: str = ""

    @property
    def file_stem(self) -> str:
        """Name for this cell's files: readable first, unique by the hash."""
        readable = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in self.method.name)
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
    crossing : Crossing
        The trainings over one or several sources.
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
    crossing: Crossing

    @property
    def total_cases(self) -> int:
        """Number of rows that a complete run has."""
        return sum(len(cell.test) for cell in self.cells)

    def identity(self) -> dict[str, Any]:
        """Return the hashes that tell this plan from others, in the order in which a difference is best explained."""
        return {
            "hybridseg": __version__,
            "data": self.data_hash,
            "split": self.split_hash,
            "seed": self.seed,
            "folds": sorted({cell.fold for cell in self.cells}),
            "methods": {method.name: method.key for method in self.methods},
        }


def make_plan(
    dataset: Dataset,
    split: Split | Crossing,
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
    split : Split or Crossing
        Folds of one source, or trainings over several: a method that learns has a line for each training.
    specs : sequence of str
        Methods, as ``factory`` takes them. ``name=runs/fold{fold}.onnx`` is a model per fold, trained elsewhere.
        ``name[a=1|2]`` chooses inside each training part.
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
        If there is no method, or one is named twice or has a parameter out of its range. Also if a fold doesn't exist
        or has no test case.
    """
    if not specs:
        raise PlanError("`methods` must name at least one method, got none")
    twice = [spec for i, spec in enumerate(specs) if spec in specs[:i]]
    if twice:
        raise PlanError(f"method `{twice[0]}` is named twice")
    crossing = split if isinstance(split, Crossing) else one_source(split)
    chosen = sorted(set(range(len(crossing.fold_names)) if folds is None else folds))
    _check_folds(dataset, crossing, chosen, all_needed=isinstance(split, Split))
    data_hash = dataset.content_hash()
    every = [fold for training in crossing.trainings for fold in training.folds.values()]
    split_hash = hash_of([[fold.train, fold.test] for fold in every])
    lines = [line for spec in specs for line in _lines(factory, spec, seed, spec in as_given, crossing)]
    first: dict[str, str] = {}
    for method, _ in lines:
        if first.setdefault(method.key, method.name) != method.name:
            raise PlanError(f"`{first[method.key]}` and `{method.name}` are one method with the same parameters")
    names = [method.name for method, _ in lines]
    if len(set(names)) < len(names):
        raise PlanError(f"two methods are called `{next(name for name in names if names.count(name) > 1)}`")
    source_of = {case.case_id: case.source for case in dataset}
    cells = tuple(
        Cell(
            method,
            number,
            hash_of([__version__, method.key, data_hash, fold.train, fold.test, seed]),
            fold.train,
            fold.test,
            method.spec_in(crossing.fold_names[number]),
            "+".join(dict.fromkeys(source_of[case_id] for case_id in fold.train)),
        )
        for number in chosen
        for method, training in lines
        if (fold := training.folds.get(number)) is not None
    )
    methods = tuple(method for method, _ in lines)
    n_folds = len(crossing.fold_names)
    return Plan(dataset, split_name, factory, seed, methods, cells, data_hash, split_hash, n_folds, crossing)


def _check_folds(dataset: Dataset, crossing: Crossing, chosen: Sequence[int], *, all_needed: bool) -> None:
    """Raise `PlanError` unless the chosen folds exist, have test cases, and name cases of the data."""
    last = len(crossing.fold_names) - 1
    wrong = [fold for fold in chosen if not 0 <= fold <= last]
    if wrong:
        raise PlanError(f"`fold` must be 0 to {last} in this split, got {wrong[0]}")
    known = {case.case_id for case in dataset}
    for training in crossing.trainings:
        tested = [number for number in chosen if number in training.folds and training.folds[number].test]
        untested = [number for number in chosen if number not in tested]
        if untested and (all_needed or not tested):
            raise PlanError(f"fold {untested[0]} has no test case")
        for number in tested:
            fold = training.folds[number]
            missing = [c for c in (*fold.train, *fold.test) if c not in known]
            if missing:
                raise PlanError(f"fold {number} names `{missing[0]}`, which the data lack ({len(missing)} such cases)")


def _lines(factory: str, spec: str, seed: int, as_given: bool, crossing: Crossing) -> list[tuple[Method, Training]]:
    """Return the lines of one method: one for each training if it learns or was trained for each, else one."""
    if Method(spec, "", "", {}, as_given=False).is_per_fold:
        return [(_per_fold(factory, spec, seed, training, crossing), training) for training in crossing.trainings]
    model, method = describe_method(factory, spec, seed, as_given)
    if as_given or not (learns(model) or method.is_searched):
        return [(method, crossing.untrained)]
    return [
        (replace(method, key=hash_of([method.key, training.name]), trained_on=training.name), training)
        if training.name
        else (method, training)
        for training in crossing.trainings
    ]


def _per_fold(factory: str, spec: str, seed: int, training: Training, crossing: Crossing) -> Method:
    """Return the line of models that were trained elsewhere, one for each fold of a training."""
    line = Method(spec, "", "", {}, as_given=False, trained_on=training.name)
    hashes: dict[str, str] = {}
    for number in training.folds:
        one = line.spec_in(crossing.fold_names[number])
        _, method = describe_method(factory, one, seed, True)
        if method.sha256 in hashes:
            raise PlanError(f"method `{line.name}`: {hashes[method.sha256]} and {one} are the same model")
        hashes[method.sha256] = one
    key = hash_of([spec, training.name, *hashes])
    return replace(line, key=key, class_name=method.class_name, params=method.params)
