"""The description of a layout: names of files, the table beside them, published folds. `matching` reads by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """The table in which the authors say what they know of each image.

    Attributes
    ----------
    file : str
        Its path in the set's folder; ``*`` stands for what differs from release to release. CSV or .xlsx.
    key : str
        Column with the image's file name, its ending or not.
    patient, label : str
        Columns with the patient and the class; empty if there are none. Capitals in a class don't count.
    facts : mapping of str to str
        Column by fact, for example ``{"birads": "BIRADS"}``. ``spacing_cm`` becomes the fact ``spacing_mm``.
    delimiter : str
        Of a CSV file.
    needed : bool
        False: the set can be read without it, and it is said what is lost.
    """

    file: str
    key: str
    patient: str = ""
    label: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    delimiter: str = ","
    needed: bool = True


@dataclass(frozen=True)
class FoldFile:
    """A CSV file with the folds that the authors publish: each image is tested in the fold of its row."""

    file: str
    key: str
    fold: str


@dataclass(frozen=True)
class Layout:
    """A data set as its authors ship it.

    Patterns are regular expressions for paths below the set's folder, written with ``/`` and without ending. The
    group ``key`` says which mask belongs to which image; groups ``patient`` and ``label`` of an image's pattern are
    its patient and class.

    Attributes
    ----------
    name : str
        As its authors call it.
    image, mask : str
        Patterns.
    other : str
        Pattern of pictures that are neither: outlines of other structures, for example. They are left out and counted.
    table : Table, optional
    folds : mapping of int to FoldFile
        By number of folds.
    facts : mapping of str to str
        What holds for every image, for example the device.
    other_sizes : bool
        True: the release holds masks of another size than their image. Those cases are left out and counted.
    on_black : bool
        True: some images are transparent in places, and are seen on black.
    reference : str
        Whom to cite: authors, title, journal, year, doi.
    """

    name: str
    image: str
    mask: str
    other: str = ""
    table: Table | None = None
    folds: Mapping[int, FoldFile] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    other_sizes: bool = False
    on_black: bool = False
    reference: str = ""
