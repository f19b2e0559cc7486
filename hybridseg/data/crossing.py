"""Several data sets in one benchmark: who teaches, who examines, and which model predicts which case."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..text import printable
from .cases import DataError, Dataset, join_datasets
from .folds import Fold, Split
from .readers import load_dataset
from .scenes import choose_split

WHOLE = "all"
"""Name of the fold whose model learns from all cases of its sources, and predicts those of other sources."""

OTHERS = "others"
"""Name of a training in which each source is predicted by a model that learned from the others."""

JOINED_BY = "+"
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*)=(.+)", re.DOTALL)


@dataclass(frozen=True)
class Training:
    """The data that models of one training learn from, and the cases that each of them predicts.

    Attributes
    ----------
    name : str
        The sources that teach, joined by ``+``; `OTHERS`; or empty where nothing is trained, or there is one source.
    folds : mapping of int to Fold
        One model each, by the number of its fold.
    """

    name: str
    folds: Mapping[int, Fold]

    @property
    def fold_of(self) -> dict[str, int]:
        """Which fold tests a case, by ``case_id``."""
        return {case_id: number for number, fold in self.folds.items() for case_id in fold.test}


@dataclass(frozen=True)
class Crossing:
    """The trainings of a benchmark over one or several sources.

    Attributes
    ----------
    trainings : tuple of Training
        Methods that learn have a line for each.
    untrained : Training
        For methods that don't learn here: each case once, in its own fold.
    fold_names : tuple of str
        By number.
    """

    trainings: tuple[Training, ...]
    untrained: Training
    fold_names: tuple[str, ...]


def one_source(split: Split) -> Crossing:
    """Return the folds of one source as a crossing."""
    training = Training("", dict(enumerate(split.folds)))
    return Crossing((training,), training, tuple(map(str, training.folds)))


def whole_split(dataset: Dataset, made: Split | Crossing) -> Split:
    """Return the folds of sources that all teach together; fold k of each is held out with fold k of the others."""
    if isinstance(made, Split):
        return made
    groups = {case.case_id: case.group for case in dataset}
    labels = {case.case_id: case.label for case in dataset}
    return Split(tuple(made.trainings[0].folds.values()), groups, labels)


def parse_sources(texts: Sequence[str]) -> dict[str, str]:
    """Return data sets by short name, from ``name=DIR``; one without a name has an empty one.

    Raises
    ------
    DataError
        If several are given and one lacks a name, or two have the same.
    """
    named: dict[str, str] = {}
    for text in texts:
        match = None if Path(text).exists() else _NAMED.fullmatch(text)
        name, source = (match[1], match[2]) if match else ("", text)
        if not name and len(texts) > 1:
            raise DataError(f"several data sets need a short name each: NAME=DIR, got `{printable(text)}`")
        if name in named or name in (WHOLE, OTHERS):
            raise DataError(f"the short name `{name}` {'is given twice' if name in named else 'is taken'}")
        named[name] = source
    return named


def load_sources(texts: Sequence[str], load: Callable[[str], Dataset] = load_dataset) -> Dataset:
    """Return the one data set that is named, or those with short names as one."""
    named = parse_sources(texts)
    return load(named[""]) if "" in named else join_datasets({name: load(text) for name, text in named.items()})


def choose_data(
    texts: Sequence[str],
    train: Sequence[str] = (),
    test: Sequence[str] = (),
    *,
    leave_one_out: bool = False,
    split: str | None = None,
    folds: int | None = None,
    seed: int = 0,
    test_part: bool = False,
    find_scenes: Callable[[Dataset], Dataset],
) -> tuple[Dataset, Split | Crossing, str]:
    """Return the data of a benchmark, its folds or trainings, and these in words.

    Parameters
    ----------
    texts : sequence of str
        As `parse_sources` takes them: one data set, or several with short names.
    train, test, leave_one_out
        See `cross_sources`; they need short names.
    split, folds, seed, test_part, find_scenes
        See `choose_split`; ``test_part`` is for one data set without a short name.

    Raises
    ------
    DataError
        If what is asked for excludes each other, or doesn't fit the data.
    """
    named = parse_sources(texts)
    if "" not in named:
        if test_part:
            raise DataError("the test part is of one data set without a short name")
        return cross_sources(
            named, train, test,
            leave_one_out=leave_one_out, split=split, folds=folds, seed=seed, find_scenes=find_scenes,
        )  # fmt: skip
    if train or test or leave_one_out:
        raise DataError("to say who teaches and who is predicted, data sets need short names: --data NAME=DIR")
    return choose_split(load_dataset(named[""]), split, folds, seed, test_part, find_scenes=find_scenes)


def cross_sources(
    sources: Mapping[str, str],
    train: Sequence[str] = (),
    test: Sequence[str] = (),
    *,
    leave_one_out: bool = False,
    split: str | None = None,
    folds: int | None = None,
    seed: int = 0,
    find_scenes: Callable[[Dataset], Dataset],
) -> tuple[Dataset, Crossing, str]:
    """Return named data sets as one, the trainings over them, and these in words.

    A source that teaches is predicted in its own folds: the model for fold k learned from no case of fold k of any
    source. A source that doesn't teach is predicted by the model that learned from all cases of those that do.

    Parameters
    ----------
    sources : mapping of str to str
        Short name to what `load_dataset` takes.
    train : sequence of str
        One training each: sources joined by ``+``. All sources together if not given.
    test : sequence of str
        Sources to predict; all if not given.
    leave_one_out : bool
        Predict each source by a model that learned from the others.
    split, folds, seed, find_scenes
        As `choose_split` takes them, for each source on its own.

    Raises
    ------
    DataError
        If a name isn't known, sources have different numbers of folds, or a source has nobody to learn from.
    """
    trainings = [_teachers(text, sources) for text in train or [JOINED_BY.join(sources)]]
    tested = list(test) or list(sources)
    for name in tested:
        _check_known(name, sources)
    if split not in (None, "grouped", "published"):
        raise DataError(f"with several data sets the split must be `grouped` or `published`, got `{printable(split)}`")
    teaching = {name for teachers in trainings for name in teachers}
    used = {name: load_dataset(text) for name, text in sources.items() if name in teaching or name in tested}
    if leave_one_out:
        if len(trainings) > 1:
            raise DataError("leave-one-out takes one training, whose sources are left out in turn")
        used = {name: find_scenes(dataset) for name, dataset in used.items()}
        dataset = join_datasets(used)
        made = _leave_one_out(dataset, trainings[0], tested)
        how = f"each predicted by a model trained on the others of {', '.join(trainings[0])}"
    else:
        splits, origins = {}, {}
        for name, loaded in used.items():
            if name in teaching:
                found = choose_split(loaded, split, folds, seed, find_scenes=find_scenes)
                used[name], splits[name], origins[name] = found
            else:
                used[name] = find_scenes(loaded)
        dataset = join_datasets(used)
        made = _in_folds(dataset, splits, trainings, tested)
        how = "; ".join(f"{name}: {text}" for name, text in origins.items())
    return dataset, made, how


def _teachers(text: str, sources: Mapping[str, str]) -> list[str]:
    names = text.split(JOINED_BY)
    for name in names:
        _check_known(name, sources)
    return [name for name in sources if name in names]


def _check_known(name: str, sources: Mapping[str, str]) -> None:
    if name not in sources:
        known = ", ".join(sources)
        raise DataError(f"no data set is called `{printable(name)}`; known: {known}")


def _in_folds(
    dataset: Dataset, splits: Mapping[str, Split], trainings: Sequence[Sequence[str]], tested: Sequence[str]
) -> Crossing:
    counts = {name: len(split.folds) for name, split in splits.items()}
    if len(set(counts.values())) > 1:
        raise DataError(f"sources must have one number of folds, got {_listed(counts)}: give --folds")
    whole = next(iter(counts.values()))
    fold_of = {
        f"{name}/{case_id}": number
        for name, split in splits.items()
        for number, fold in enumerate(split.folds)
        for case_id in fold.test
    }

    def fold(case_id: str, source: str, teachers: Iterable[str]) -> int:
        return fold_of.get(case_id, whole) if source in teachers else whole

    made = []
    for teachers in trainings:
        taught = [case.case_id for case in dataset if case.source in teachers]
        tests: dict[int, list[str]] = defaultdict(list)
        for case in dataset:
            if case.source in tested:
                tests[fold(case.case_id, case.source, teachers)].append(case.case_id)
        made.append(Training(JOINED_BY.join(teachers), {
            number: Fold(tuple(each for each in taught if fold_of.get(each) != number), tuple(tests[number]))
            for number in sorted(tests)
        }))  # fmt: skip
    alone: dict[int, list[str]] = defaultdict(list)
    for case in dataset:
        if case.source in tested:
            alone[fold(case.case_id, case.source, splits)].append(case.case_id)
    untrained = Training("", {number: Fold((), tuple(alone[number])) for number in sorted(alone)})
    return Crossing(tuple(made), untrained, (*map(str, range(whole)), WHOLE))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items())


def _leave_one_out(dataset: Dataset, teachers: Sequence[str], tested: Sequence[str]) -> Crossing:
    ids = {name: tuple(case.case_id for case in dataset if case.source == name) for name in (*teachers, *tested)}
    folds = {}
    for number, name in enumerate(tested):
        train = tuple(each for teacher in teachers if teacher != name for each in ids[teacher])
        if not train:
            raise DataError(f"leave-one-out: nobody is left to teach when `{name}` is left out")
        folds[number] = Fold(train, ids[name])
    alone = {number: Fold((), fold.test) for number, fold in folds.items()}
    return Crossing((Training(OTHERS, folds),), Training("", alone), tuple(tested))
