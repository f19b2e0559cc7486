"""The table of per-case metrics: rows, summaries, tables, reports and comparisons take theirs from here.

A new one is a function and a line of `BUILT_IN`. A package brings its own by an entry point of group
``hybridseg.metrics`` that names a `CaseMetric`; `hybridseg.check_metric` tells whether it keeps the rules.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .boundary import HD95_DEFINITION, BoundaryScores, boundary, boundary_iou, hd95

GROUP = "hybridseg.metrics"
NSD_TOLERANCE_PX = 3.0
"""Boundary pixels within this distance of the other boundary count as right (normalised surface distance).

Another value is another metric, with a name of its own: tables of earlier runs say this one."""


class MetricLoadError(ValueError):
    """A metric is installed but can't be used; the message says whose it is and why."""


@dataclass(frozen=True)
class Masks:
    """The input of a metric: two masks (H, W), bool, neither of them empty, and the pixel spacing.

    ``spacing_mm`` is the distance between neighbouring pixels (row, column), None where it isn't known.
    """

    true: NDArray[np.bool_]
    pred: NDArray[np.bool_]
    spacing_mm: tuple[float, float] | None = None

    @functools.cached_property
    def distances(self) -> BoundaryScores:
        """HD95 and NSD in pixels, from one pass over the outlines."""
        return boundary(self.true, self.pred, tolerance=NSD_TOLERANCE_PX)


@dataclass(frozen=True)
class CaseMetric:
    """A number for each lesion image.

    Attributes
    ----------
    name : str
        The column of rows, a Python name: ``hd95_px``.
    title : str
        How tables write it, without the unit.
    compute : callable
        ``compute(masks)`` returns a number of at least 0, or None where `Masks` don't tell it.
    unit : str
        ``px``, ``mm`` or nothing.
    more_is_better : bool
    missing : float or None
        What a lesion image scores whose prediction is empty or failed. None: it has no value, and means are over the
        others, whose number stands beside the mean.
    places : int
        Decimal places that are kept.
    shown_places : int
        Decimal places in tables.
    note : str
        What has to stand under a table that shows it.
    definition : str
        What a paper says of it, with ``[@key]`` for what it cites.
    """

    name: str
    title: str
    compute: Callable[[Masks], float | None]
    unit: str = ""
    more_is_better: bool = True
    missing: float | None = 0.0
    places: int = 6
    shown_places: int = 3
    note: str = ""
    definition: str = ""

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title} {self.unit}".rstrip()

    @property
    def images_column(self) -> str:
        """The column with the number of images behind a mean, where some have no value: ``hd95_images``."""
        return f"{self.name.removesuffix('_px')}_images"

    @property
    def ranks(self) -> bool:
        """Whether methods can be compared by it: every lesion image has a value, and more is better."""
        return self.more_is_better and self.missing is not None


def _hd95_mm(masks: Masks) -> float | None:
    return None if masks.spacing_mm is None else hd95(masks.true, masks.pred, masks.spacing_mm)


BUILT_IN = (
    CaseMetric(
        "hd95_px", "HD95", lambda masks: masks.distances.hd95, "px", more_is_better=False, missing=None, places=4,
        shown_places=1,
        note=f"HD95: {HD95_DEFINITION}. Its mean is over the n images where neither mask is empty.",
        definition=f"HD95 is the {HD95_DEFINITION}; it is averaged over images where neither mask is empty.",
    ),
    CaseMetric(
        "hd95_mm", "HD95", _hd95_mm, "mm", more_is_better=False, missing=None, places=4, shown_places=2,
        definition="In mm it is averaged over images that tell the distance between their pixels.",
    ),
    CaseMetric(
        "nsd", "NSD", lambda masks: masks.distances.nsd,
        note=f"NSD is at {NSD_TOLERANCE_PX:g} px, and 0 for an empty prediction.",
        definition=f"NSD is the normalised surface distance [@nikolov2021] at {NSD_TOLERANCE_PX:g} pixels, 0 for an "
        "empty mask.",
    ),
    CaseMetric(
        "boundary_iou", "boundary IoU", lambda masks: boundary_iou(masks.true, masks.pred),
        note="boundary IoU: of the pixels within a fiftieth of the image's diagonal from a mask's edge, inside it.",
        definition="Boundary IoU [@cheng2021] is taken within a fiftieth of the image's diagonal from the edges.",
    ),
)  # fmt: skip


@functools.cache
def case_metrics() -> dict[str, CaseMetric]:
    """Return all metrics by name: those here, then those of installed packages.

    Raises
    ------
    MetricLoadError
        If a package's metric can't be loaded, or has a name that is taken.
    """
    import importlib.metadata

    found = {metric.name: metric for metric in BUILT_IN}
    for entry in importlib.metadata.entry_points(group=GROUP):
        whose = f"metric `{entry.name}` of {entry.dist.name if entry.dist else 'unknown'} ({entry.value})"
        try:
            metric: Any = entry.load()
        except (Exception, SystemExit) as error:  # a plug-in's import may raise anything; it is reported
            raise MetricLoadError(f"{whose} failed to load: {type(error).__name__}: {error}") from error
        if not isinstance(metric, CaseMetric):
            raise MetricLoadError(f"{whose} must be a hybridseg.metrics.CaseMetric, got {type(metric).__name__}")
        if metric.name in found or not metric.name.isidentifier():
            raise MetricLoadError(f"{whose} is named `{metric.name}`, which is taken or no Python name")
        found[metric.name] = metric
    return found


def score_metrics(
    mask_true: NDArray[np.bool_],
    mask_pred: NDArray[np.bool_] | None,
    spacing_mm: tuple[float, float] | None = None,
) -> dict[str, float | None]:
    """Return every metric of one case; None where it isn't defined, as on a lesion-free image.

    Parameters
    ----------
    mask_true, mask_pred : ndarray of shape (H, W), bool
        Without a prediction (None) the case scores as with an empty one.
    spacing_mm : tuple of (row, column), optional
    """
    metrics = case_metrics().values()
    if not mask_true.any():
        return dict.fromkeys((metric.name for metric in metrics), None)
    if mask_pred is None or not mask_pred.any():
        return {metric.name: metric.missing for metric in metrics}
    masks = Masks(mask_true, mask_pred, spacing_mm)
    values = {metric.name: metric.compute(masks) for metric in metrics}
    return {name: None if v is None else round(float(v), case_metrics()[name].places) for name, v in values.items()}
