"""Cases to look at: the best, middle and worst of each method, and those on which methods disagree most."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...data import Case, DataError, Dataset, load_sources, load_truth
from ...images import ImageError
from ...text import printable
from ..records.cells import Record, RunError
from ..records.folder import read_row_mask
from ..run.score import same_truth
from .document import Panel, PanelRow, Picture, Section, Text
from .facts import RunFacts, iou

SIDE = 480
"""Pictures are made smaller until their longer side has this many pixels."""
QUALITY = 78
BUDGET_BYTES = 5_500_000
"""Pictures and outlines of a report have at most this many bytes together; what is left out is counted."""
DISAGREEMENTS = 8
_PER_KIND, _MANY_METHODS = 3, 8
_SIMPLER_PX = 0.6
_LEFT_OUT = "Pictures were left out to keep this file small."


class Gallery:
    """Pictures and outlines of a run's cases, each picture made once; ``naming``: one may have a patient's name."""

    def __init__(self, facts: RunFacts, data: Sequence[str]) -> None:
        self.facts = facts
        self.pictures: list[Picture] = []
        self.left_out = 0
        self.absent = 0
        self.naming = False
        self.bytes = 0
        self._numbers: dict[str, int | None] = {}
        self.cases, self.why_none = _cases(facts, data)

    def panel(self, row: Record, title: str) -> Panel | None:
        """Return the picture of a row's case with its outlines; None where image or mask isn't there."""
        if self.bytes > BUDGET_BYTES:
            self.left_out += 1
            return None
        mask = self.mask(row)
        number = None if mask is None else self._picture(row)
        if mask is None or number is None:
            self.absent += 1
            return None
        outline = outline_path(mask, self.pictures[number].width / row.width)
        self.bytes += len(outline)
        if row.has_lesion:
            score = f"IoU {iou(row):.2f}"
        else:
            score = f"false alarm on {100 * row.fp / mask.size:.1f} %" if row.fp else "no false alarm"
        label = f", {row.label}" if row.label else ""
        return Panel(number, outline, title, f"{row.case_id}{label}: {score}")

    def warnings(self) -> list[Text]:
        """Return warnings to read before the pictures are given away, or why there are none."""
        texts = []
        if self.naming:
            texts.append(
                "Some of these pictures are of DICOM images that may have the patient's name in the picture "
                "(BurnedInAnnotation isn't NO): mind whom you give this page to, or leave pictures out."
            )
        if self.absent:
            texts.append(
                f"{self.absent} pictures are missing: the run kept no mask for them, or their images changed since."
            )
        if self.left_out:
            texts.append(_LEFT_OUT)
        return [Text(text, "warning") for text in texts]

    def mask(self, row: Record) -> NDArray[np.bool_] | None:
        """Return a row's predicted mask, if the run kept it."""
        stem = self.facts.stems.get((row.method, row.fold))
        return None if stem is None else read_row_mask(self.facts.folder, stem, row)

    def truth(self, row: Record) -> NDArray[np.bool_] | None:
        """Return a row's true mask, if the data have the one that the row was scored on."""
        case = self.cases.get(row.case_id)
        try:
            mask_true = None if case is None else case.mask
        except (ImageError, DataError):
            return None
        if mask_true is None or not same_truth(row, mask_true.shape, int(mask_true.sum())):
            return None
        return mask_true

    def _picture(self, row: Record) -> int | None:
        if row.case_id not in self._numbers:
            case = self.cases.get(row.case_id)
            picture = None if case is None else _picture(case, row)
            self._numbers[row.case_id] = len(self.pictures) if picture else None
            if case and picture:
                self.naming |= case.may_name_patient
                self.pictures.append(picture)
                self.bytes += len(picture.uri) + len(picture.truth)
        return self._numbers[row.case_id]


def _cases(facts: RunFacts, data: Sequence[str]) -> tuple[dict[str, Case], str]:
    """Return the run's cases by id, or none of them and the reason.

    Data that somebody names must be the run's; where the run says where they were, they may have gone.
    """
    known = [f"{name}={source}" for name, source in facts.description.get("sources", {}).items()]
    sources = data or known or [str(facts.description.get("source") or "")]
    if not all(sources):
        return {}, "the run doesn't say where its images are; name them with --data"
    try:
        dataset: Dataset = load_sources(sources, load_truth)
    except (DataError, ImageError) as error:
        if data:
            raise
        return {}, f"the images are not where the run found them ({error}); name them with --data"
    cases = {case.case_id: case for case in dataset if case.case_id in facts.groups}
    if not cases:
        reason = f"{printable(dataset.name)} has none of the run's cases: it is other data"
        if data:
            raise RunError(reason)
        return {}, reason
    return cases, ""


def _picture(case: Case, row: Record) -> Picture | None:
    """Return a case's picture; None if its image or truth isn't what the row was scored on, or can't be read."""
    try:
        image, mask_true = case.read()
    except (ImageError, DataError):
        return None
    if not same_truth(row, mask_true.shape, int(mask_true.sum())):
        return None
    scale = min(1.0, SIDE / max(image.shape))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    stream = io.BytesIO()
    Image.fromarray(image).resize(size, Image.Resampling.BOX).save(stream, format="JPEG", quality=QUALITY)
    uri = "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
    return Picture(uri, *size, outline_path(mask_true, size[0] / image.shape[1]))


def outline_path(mask: NDArray[np.bool_], scale: float) -> str:
    """Return the outlines of a mask, (H, W) bool, as SVG path data in pixels of a picture ``scale`` times as large."""
    from skimage import measure

    find: Any = measure.find_contours
    simplify: Any = measure.approximate_polygon
    found = []
    for contour in find(np.pad(mask, 1).astype(np.float32), 0.5):
        corners = simplify((contour - 0.5) * scale, _SIMPLER_PX)
        found.append("M" + "L".join(f"{x:.1f} {y:.1f}" for y, x in corners[:-1]) + "Z")
    return "".join(found)


def examples(facts: RunFacts, gallery: Gallery) -> Section:
    """Return the best, middle and worst lesion images of each method, and its largest false alarm."""
    title, slug = "Best, middle, worst", "examples"
    if gallery.why_none:
        return Section(title, slug, (Text(f"No pictures: {gallery.why_none}."),))
    per_kind = _PER_KIND if len(facts.methods) <= _MANY_METHODS else 1
    shown_rows = []
    for method, rows in facts.rows.items():
        chosen = [(kind, row) for kind, rows in choose(rows, per_kind).items() for row in rows]
        panels = [panel for kind, row in chosen if (panel := gallery.panel(row, kind)) is not None]
        if panels:
            shown_rows.append(PanelRow(method, tuple(panels)))
    if not shown_rows:
        return Section(title, slug, (Text(_nothing(gallery)),))
    texts = [Text(
        "Lesion images by IoU, copies of a scene once. Where several score the same, the largest lesion stands here."
    )]  # fmt: skip
    texts += gallery.warnings()
    return Section(title, slug, tuple(texts), panels=tuple(shown_rows))


def _nothing(gallery: Gallery) -> str:
    if gallery.left_out:
        return "No pictures: they would have made this file too large."
    return "No pictures: the run kept no masks that fit its rows, or these images aren't those that it scored."


def choose(rows: Sequence[Record], count: int) -> dict[str, list[Record]]:
    """Return ``count`` rows each of the worst, the middle and the best, and the largest false alarm."""
    seen: set[str] = set()
    ordered = []
    for row in sorted(rows, key=lambda row: (iou(row), -row.tp - row.fn, row.case_id)):
        if row.has_lesion and not row.error and row.group not in seen:
            seen.add(row.group)
            ordered.append(row)
    count = min(count, max(1, len(ordered) // 3))
    middle = max(0, (len(ordered) - count) // 2)
    alarms = sorted((row for row in rows if not row.has_lesion and row.fp and not row.error), key=lambda row: -row.fp)
    return {
        "best": ordered[::-1][:count],
        "middle": ordered[middle : middle + count] if len(ordered) > 1 else [],
        "worst": ordered[:count] if len(ordered) > 2 else [],
        "largest false alarm": alarms[:1],
    }


def disagreements(facts: RunFacts, gallery: Gallery) -> Section:
    """Return the cases on which methods' masks have least in common, one picture per method."""
    title, slug = "Where methods disagree", "disagreement"
    if len(facts.methods) < 2:
        return Section(title, slug, (Text("There is one method."),))
    if gallery.why_none:
        return Section(title, slug, (Text(f"No pictures: {gallery.why_none}."),))
    found = []
    scenes: set[str] = set()
    for score, rows in sorted(_scored(facts, gallery), key=lambda each: (-each[0], each[1][0].case_id)):
        if rows[0].group in scenes or score <= 0:
            continue
        panels = tuple(panel for row in rows if (panel := gallery.panel(row, row.method)) is not None)
        if len(panels) == len(rows):
            scenes.add(rows[0].group)
            found.append(PanelRow(f"{rows[0].case_id}: mean overlap of two methods {1 - score:.2f} (IoU)", panels))
        if len(found) == DISAGREEMENTS or gallery.left_out:
            break
    if not found:
        return Section(title, slug, (Text(_nothing(gallery)),))
    texts = [Text("Cases by the mean IoU between two methods' masks, lowest first. The truth plays no part in it.")]
    texts += gallery.warnings()
    return Section(title, slug, tuple(texts), panels=tuple(found))


def _scored(facts: RunFacts, gallery: Gallery) -> Iterator[tuple[float, list[Record]]]:
    """Yield, for each case of which every method's mask is there, one minus the mean IoU of two masks."""
    by_case: dict[str, dict[str, Record]] = {}
    for method, rows in facts.rows.items():
        for row in rows:
            if row.case_id in gallery.cases:
                by_case.setdefault(row.case_id, {}).setdefault(method, row)
    for of_method in by_case.values():
        rows = [of_method[method] for method in facts.rows if method in of_method]
        masks = [gallery.mask(row) for row in rows]
        shape = (rows[0].height, rows[0].width)
        packed = [np.packbits(mask) for mask in masks if mask is not None and mask.shape == shape]
        if len(packed) == len(facts.rows):
            yield 1 - float(np.mean(list(_pairwise_iou(packed)))), rows


def _pairwise_iou(packed: Sequence[NDArray[np.uint8]]) -> Iterator[float]:
    areas = [int(np.bitwise_count(mask).sum()) for mask in packed]
    for i, first in enumerate(packed):
        for j in range(i):
            both = int(np.bitwise_count(first & packed[j]).sum())
            either = areas[i] + areas[j] - both
            yield both / either if either else 1.0
