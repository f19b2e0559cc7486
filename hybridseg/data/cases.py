"""Case and Dataset: what every reader returns and every user of data takes."""

from __future__ import annotations

import enum
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..text import printable

Facts = dict[str, str | float]
"""What a source knows of a case beside its class, by name."""

LESION_FREE_CLASS = "normal"
CLASSES = ("benign", "malignant", LESION_FREE_CLASS)
GROUPS_ALONE = "each case is its own group"
SEARCHED_AT_MOST = 2000
"""Images among which near-duplicates are looked for unasked, reckoned from 619 in 77 s: a quarter of an hour, 3 GB."""


class Ungrouped(enum.Enum):
    """Why nobody looked with whom a case shares a scene; the value says it in words."""

    UNASKED = ""
    TOO_MANY = f"more than {SEARCHED_AT_MOST} images, which take hours to compare"
    NO_OPENCV = 'finding near-duplicates needs OpenCV, which is not installed; run: pip install "hybridseg[duplicates]"'


class DataError(ValueError):
    """A folder, manifest or split file doesn't hold what it should. The message is one line."""


class DataWarning(UserWarning):
    """Data are read, but something about them is lost. The message is one line."""


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sorting key under which ``benign (2)`` comes before ``benign (10)``."""
    parts = re.split(r"([0-9]+)", text)
    return tuple(_number_key(part) if i % 2 else (1, 0, part) for i, part in enumerate(parts))


def _number_key(digits: str) -> tuple[int, int, str]:
    """Return a key that sorts as the number does. Python refuses to make numbers of more than 4300 digits."""
    significant = digits.lstrip("0")
    return 0, len(significant), f"{significant}/{digits}"


@dataclass(frozen=True)
class Case(ABC):
    """One image with its ground truth. Pixels are read when asked for, and not kept.

    Attributes
    ----------
    case_id : str
        Unique within its dataset, for example ``benign (12)``.
    group : str
        Patient where the source tells, else scene: cases that show the same frame share it. Splits and intervals keep
        groups together.
    label : str
        Class, for example ``benign``, ``malignant``, ``normal``; empty if unknown.
    facts : dict of str to str or float
        What the source knows: ``patient``, ``device``, ``birads``, ``histology``, ``marks``, ``doppler``,
        ``spacing_mm`` and the like. Yes and no are written so.
    source : str
        Short name of the data set, where several are joined (see `join_datasets`); else empty.
    """

    case_id: str
    group: str
    label: str
    facts: Facts = field(default_factory=dict, kw_only=True, hash=False)
    source: str = field(default="", kw_only=True)

    @property
    def image(self) -> NDArray[np.uint8]:
        """Grey image of shape (H, W), uint8."""
        return self.read()[0]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Ground truth of shape (H, W), bool; all false for a lesion-free image."""
        return self.read()[1]

    @property
    def ignored(self) -> NDArray[np.bool_] | None:
        """Pixels that count neither as lesion nor as background, (H, W) bool; None where there are none to look for."""
        return None

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Distance between neighbouring pixels (row, column) in mm; None where it isn't known."""
        spacing_mm = self.facts.get("spacing_mm")
        return (spacing_mm, spacing_mm) if isinstance(spacing_mm, float) else None

    @property
    def may_name_patient(self) -> bool:
        """Whether the picture may have the patient's name in it, as far as its file tells."""
        return False

    @abstractmethod
    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return image and mask, of one shape."""

    @abstractmethod
    def content_hash(self) -> str:
        """Return a SHA-256 (hex) over what the pixels are made from: file bytes, or generator and seed."""


@dataclass(frozen=True)
class Dataset(Sequence[Case]):
    """Cases under a name, in a fixed order (sorted naturally by ``case_id``).

    Attributes
    ----------
    name : str
    cases : tuple of Case
    groups_from : str
        Who says which cases share a scene, in words; empty if nobody does.
    source : str
        What to give `load_dataset` to read it again; empty if it wasn't read by that.
    layout : str
        Name of the layout that its folder has; empty for any other.
    folds : mapping of int to mapping of str to int
        Folds that its authors publish: number of folds to case_id to the fold that tests it.
    layouts : mapping of str to str
        Of several data sets as one: short name to layout.
    parts : mapping of str to str
        Of several data sets as one: short name to what `load_dataset` takes; else empty.
    ungrouped : Ungrouped or None
        Why some cases are their own group, though nobody said that they share no scene. None: there are no such cases.
    """

    name: str
    cases: tuple[Case, ...]
    groups_from: str = ""
    source: str = ""
    layout: str = ""
    layouts: Mapping[str, str] = field(default_factory=dict, hash=False)
    folds: Mapping[int, Mapping[str, int]] = field(default_factory=dict, hash=False)
    parts: Mapping[str, str] = field(default_factory=dict, hash=False)
    ungrouped: Ungrouped | None = None

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for case in self.cases:
            if case.case_id in seen:
                raise ValueError(f"dataset {printable(self.name)}: two cases are called `{printable(case.case_id)}`")
            seen.add(case.case_id)
        if not self.groups_from and self.ungrouped is None:
            object.__setattr__(self, "ungrouped", Ungrouped.UNASKED)

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.cases[index]

    @property
    def groups(self) -> list[str]:
        """Group of each case, in order."""
        return [case.group for case in self.cases]

    @property
    def groups_in_words(self) -> str:
        """Who says which cases share a scene, and what holds for the others."""
        if self.ungrouped is None:
            return self.groups_from
        alone = ", ".join(filter(None, (GROUPS_ALONE, self.ungrouped.value)))
        return f"{self.groups_from}, else {alone}" if self.groups_from else alone

    @property
    def labels(self) -> list[str]:
        """Label of each case, in order."""
        return [case.label for case in self.cases]

    def select(self, case_ids: Sequence[str], name: str | None = None) -> Dataset:
        """Return the cases with these ids, in this dataset's order.

        Raises
        ------
        KeyError
            If an id isn't here; the message names the first few.
        """
        wanted = set(case_ids)
        missing = sorted(wanted - {case.case_id for case in self.cases})
        if missing:
            first = printable(", ".join(missing[:3]))
            raise KeyError(f"dataset {printable(self.name)} has no case {first} ({len(missing)} missing)")
        kept = tuple(case for case in self.cases if case.case_id in wanted)
        return replace(self, name=name or self.name, cases=kept)

    def regrouped(self, groups: Mapping[str, str], groups_from: str, ungrouped: Ungrouped | None = None) -> Dataset:
        """Return this dataset with other groups for the cases named in ``groups`` (case_id to group)."""
        cases = tuple(replace(case, group=groups.get(case.case_id, case.group)) for case in self.cases)
        return replace(self, cases=cases, groups_from=groups_from, ungrouped=ungrouped)

    def content_hash(self) -> str:
        """Return a SHA-256 (hex) over ids, groups, labels and contents."""
        digest = hashlib.sha256()
        for case in self.cases:
            text = "\0".join((case.case_id, case.group, case.label, case.content_hash(), ""))
            digest.update(text.encode(errors="surrogatepass"))  # a file's name needn't be UTF-8
        return digest.hexdigest()

    def contents_hash(self) -> str:
        """Return a SHA-256 (hex) over the cases' contents alone, whatever their names, groups, labels and order."""
        return hashlib.sha256("".join(sorted(case.content_hash() for case in self.cases)).encode()).hexdigest()


def join_datasets(named: Mapping[str, Dataset]) -> Dataset:
    """Return several data sets as one.

    Cases and groups are called ``name/case_id`` and ``name/group``, and each case knows its source. Published folds
    stay with the sets they belong to.

    Parameters
    ----------
    named : mapping of str to Dataset
        By short name.
    """
    cases = tuple(
        replace(case, case_id=f"{name}/{case.case_id}", group=f"{name}/{case.group}", source=name)
        for name, dataset in named.items()
        for case in dataset
    )
    groups_from = "; ".join(f"{name}: {each.groups_from}" for name, each in named.items() if each.groups_from)
    ungrouped = next((each.ungrouped for each in named.values() if each.ungrouped is not None), None)
    parts = {name: dataset.source for name, dataset in named.items()}
    layouts = {name: dataset.layout for name, dataset in named.items()}
    return Dataset(" + ".join(named), cases, groups_from, layouts=layouts, parts=parts, ungrouped=ungrouped)
