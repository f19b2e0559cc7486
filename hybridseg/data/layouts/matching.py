"""Finding out which layout a folder has, and sorting its files by that layout's patterns."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...images import read_bytes, read_size
from ...text import printable
from ..cases import CLASSES, LESION_FREE_CLASS, DataError, Dataset, Facts, natural_key
from ..facts import facts_of
from ..files import FileCase
from ..listing import Listing
from ..names import is_picture, stem_of
from . import known_layouts
from .layout import Layout
from .tables import read_folds, read_table


@dataclass
class Sorted:
    """The files of a folder as one layout sorts them.

    ``images`` and ``masks`` are by place (the part of a path before the pattern) and key.
    """

    layout: Layout
    images: dict[tuple[str, str], list[tuple[Path, re.Match[str]]]] = field(default_factory=dict)
    masks: dict[tuple[str, str], list[Path]] = field(default_factory=dict)
    tables: list[Path] = field(default_factory=list)
    strangers: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    @property
    def is_found(self) -> bool:
        """Whether this is the folder's layout: the table that it needs is there, with images or masks.

        Otherwise there must be both and no other picture. Where a table is missing, names must show several patients,
        or several images: one says little.
        """
        table = self.layout.table
        if self.tables and table and table.needed:
            return bool(self.images or self.masks)
        names = {match.groupdict().get("patient", key) for key, ((_, match), *_) in self.images.items()}
        several = len(names) > 1 or bool(self.tables) or table is None
        return bool(self.images and self.masks) and not self.strangers and several


def find_layout(root: Path, files: Sequence[Path]) -> Sorted | None:
    """Return the files sorted by the layout that they have, or None where no layout knows them.

    Raises
    ------
    DataError
        If the folder holds several data sets.
    """
    found = [each for layout in known_layouts() if (each := _sort(layout, root, files)).is_found]
    if len(found) > 1:
        names = " and ".join(each.layout.name for each in found)
        raise DataError(f"{printable(root)}: holds several data sets ({names}): give the folder of one of them")
    return found[0] if found else None


def _sort(layout: Layout, root: Path, files: Sequence[Path]) -> Sorted:
    kinds = [_pattern(text) for text in (layout.image, layout.mask, layout.other or r"(?!)")]
    table = layout.table.file if layout.table else None
    done = Sorted(layout)
    for path in files:
        if table is not None and fnmatch.fnmatch(path.name, table):
            done.tables.append(path)
        elif not is_picture(path):
            done.others.append(path)
        else:
            image, mask, other = (kind.fullmatch(_plain(path, root)) for kind in kinds)
            if mask:
                done.masks.setdefault(_key(mask), []).append(path)
            elif image:
                done.images.setdefault(_key(image), []).append((path, image))
            else:
                (done.others if other else done.strangers).append(path)
    return done


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?P<place>(?:.*/)?){text}")


def _plain(path: Path, root: Path) -> str:
    return path.relative_to(root).with_name(stem_of(path)).as_posix()


def _key(match: re.Match[str]) -> tuple[str, str]:
    return match["place"], match["key"].casefold()


def list_sorted(root: Path, files: Sorted) -> Listing:
    """Return the listing of a folder of a known layout."""
    layout = files.layout
    rows, missing, lost = _rows(files)
    repeated = Counter(stem_of(found[0][0]) for found in files.images.values())
    cases, without, other_size, listed = [], [], [], set()
    for (place, key), found in files.images.items():
        path, match = found[0]
        name = stem_of(path).casefold()
        if rows is not None and name not in rows:
            missing.append(f"{rows.name} doesn't list {printable(path.name)}")
        listed.add(name)
        masks = tuple(files.masks.get((place, key), ()))
        case_id = stem_of(path) if repeated[stem_of(path)] == 1 else place + stem_of(path)
        case = _case(layout, FileCase(case_id, "", "", path, masks, on_black=layout.on_black), match.groupdict(), rows)
        if not masks and case.label != LESION_FREE_CLASS:
            without.append(path)
        elif layout.other_sizes and any(read_size(mask) != read_size(path) for mask in masks):
            other_size.append(path)
        else:
            cases.append(case)
    others = [*files.others, *(without if lost else ())]
    if lost and without:
        lost += f"; {len(without)} images without a mask are left out, which may be lesion-free"
        without = []
    absent = sorted(set(rows or ()) - listed, key=natural_key)
    if rows and absent:
        missing.append(
            f"{layout.name} is incomplete: {len(absent)} of the {len(rows)} images that {rows.name} lists are missing, "
            f"for example {printable(absent[0], 99)}"
        )
    dataset, joined = _dataset(root, files, cases)
    return Listing(
        dataset,
        images_without_mask=tuple(without),
        masks_without_image=tuple(p for key, paths in files.masks.items() if key not in files.images for p in paths),
        strangers=tuple(files.strangers),
        twins=tuple((found[0][0], path) for found in files.images.values() for path, _ in found[1:]),
        missing=tuple(missing),
        other_files=tuple(others),
        lost=lost,
        other_size=tuple(other_size),
        joined=tuple(joined),
    )


def _dataset(root: Path, files: Sorted, cases: list[FileCase]) -> tuple[Dataset, list[tuple[str, str]]]:
    """Return the cases as a data set, and which of them are one patient's since they share an image."""
    layout = files.layout
    cases.sort(key=lambda case: natural_key(case.case_id))
    patients = any("patient" in case.facts for case in cases)
    joined = _sharing_an_image(cases) if patients else []
    dataset = Dataset(
        root.resolve().name,
        tuple(_joined(cases, joined)),
        f"{layout.name}'s patients" if patients else "",
        layout=layout.name,
        folds=_folds(files, cases),
    )
    return dataset, joined


class _Rows(dict[str, dict[str, str]]):
    """The rows of a set's table by image name; ``name`` is the table's."""

    name = ""


def _rows(files: Sorted) -> tuple[_Rows | None, list[str], str]:
    """Return the rows of the set's table, None where there are none, what is missing, and what is lost by that."""
    table = files.layout.table
    if table is None:
        return None, [], ""
    if len(files.tables) > 1:
        both = " and ".join(printable(path) for path in files.tables[:2])
        raise DataError(f"{both}: two tables of {files.layout.name}; give the folder of one set")
    if files.tables:
        try:
            rows = _Rows(read_table(files.tables[0], table))
        except ImportError as error:
            why = str(error)
        else:
            rows.name = files.tables[0].name
            return rows, [], ""
    else:
        why = f"its table ({table.file}) is missing"
    if table.needed:
        return None, [f"looks like {files.layout.name}, but {table.file} is missing"], ""
    return None, [], f"{files.layout.name}: {why}; class, {', '.join(table.facts.values())} are unknown"


def _case(layout: Layout, case: FileCase, named: Mapping[str, str | None], rows: _Rows | None) -> FileCase:
    """Return a case with what its path, its row in the table and the layout tell."""
    table, row = layout.table, rows and rows.get(stem_of(case.image_path).casefold())
    facts: Facts = dict(layout.facts)
    patient, label = named.get("patient") or "", named.get("label") or ""
    if table and row:
        facts |= facts_of(row, table.facts, f"{table.file}, {case.case_id}")
        patient = row[table.patient] if table.patient else patient
        label = row[table.label] if table.label else label
    if patient:
        facts["patient"] = patient
    label = label.casefold() if label.casefold() in CLASSES else label
    return replace(case, group=patient or case.case_id, label=label, facts=facts)


def _sharing_an_image(cases: Sequence[FileCase]) -> list[tuple[str, str]]:
    """Return the pairs of groups that hold one image file, to the byte."""
    by_size: dict[int, list[FileCase]] = {}
    for case in cases:
        by_size.setdefault(case.image_path.stat().st_size, []).append(case)
    pairs = set()
    for same in by_size.values():
        if len({case.group for case in same}) > 1:
            first: dict[str, str] = {}
            for case in same:
                digest = hashlib.sha256(read_bytes(case.image_path)).hexdigest()
                if first.setdefault(digest, case.group) != case.group:
                    pairs.add((first[digest], case.group))
    return sorted(pairs, key=lambda pair: natural_key(" ".join(pair)))


def _joined(cases: Sequence[FileCase], pairs: Sequence[tuple[str, str]]) -> list[FileCase]:
    """Return the cases, groups that share an image under the name of one of them."""
    name = {case.group: case.group for case in cases}
    for a, b in pairs:
        old, new = name[b], name[a]
        name = {group: new if now == old else now for group, now in name.items()}
    return [replace(case, group=name[case.group]) for case in cases]


def _folds(files: Sorted, cases: Sequence[FileCase]) -> dict[int, dict[str, int]]:
    """Return the published folds that are there: number of folds to case_id to fold, from 1 as they are written."""
    if not files.tables:
        return {}
    found = {}
    for n_folds, file in files.layout.folds.items():
        path = files.tables[0].with_name(file.file)
        if path.is_file():
            by_name = read_folds(path, file)
            lacking = [case.case_id for case in cases if stem_of(case.image_path).casefold() not in by_name]
            if lacking:
                first = printable(lacking[0])
                raise DataError(f"{printable(path)}: has no fold for {first} ({len(lacking)} such images)")
            found[n_folds] = {case.case_id: by_name[stem_of(case.image_path).casefold()] for case in cases}
    return found
