"""The summary of a method, and of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...former import former
from ...text import counted
from .origin import OTHER_CASES, READER, mark
from .pairing import Comparison


@dataclass(frozen=True)
class SetScores:
    """What a line of the leaderboard scores on one test set; means and shares as in `MethodSummary`.

    ``trained_on`` names the sources that the line's models for this set learned from, ``seen`` counts the set's images
    among what it was trained on.
    """

    tested_on: str
    trained_on: str
    lesion_images: int
    scenes: int
    iou: float | None
    iou_low: float | None
    iou_high: float | None
    f1: float | None
    f1_low: float | None
    f1_high: float | None
    missed: float | None
    lesion_free_images: int
    false_positive_rate: float | None
    false_positive_area: float | None
    seen: int = 0


@dataclass(frozen=True)
class MetricMean:
    """The mean of a metric over the lesion images that have it, and how many they are."""

    value: float | None
    images: int


@dataclass(frozen=True)
class MethodSummary:
    """One line of the leaderboard. Shares are in [0, 1]; None where there is nothing to count.

    Attributes
    ----------
    method : str
    as_given : bool
        A trained model that was not fitted in this run.
    seen : int or None
        On how many of its ``cases`` it was trained, so that it isn't ranked; None: not known.
    cases, expected, failed : int
        Rows there are, rows that a complete run has, rows without a prediction (scored as the worst mask).
    lesion_images, scenes, lesion_free_images : int
    iou, f1 : float or None
        Means over lesion images, with 95 % intervals ``*_low`` and ``*_high`` by bootstrap over scenes.
    scene_iou, scene_f1 : float or None
        Means over scenes of each scene's mean.
    pooled_iou, pooled_f1 : float or None
        From the sums of the counts over lesion images.
    precision, recall : float or None
        Means over lesion images; an empty prediction has precision 0.
    pooled_precision, pooled_recall : float or None
        From the sums of the counts over lesion images.
    mean_iou_two_class : float or None
        Keras' ``MeanIoU(2)`` over the pixels of all images, background a class of its own: only to compare with others.
    missed, missed_scenes : float or None
        Share of lesion images whose prediction has no pixel in the lesion; of scenes where that is so in all.
    false_positive_rate, false_positive_area : float or None
        Of lesion-free images: share with a predicted pixel; mean share of the image's pixels predicted.
    lesions, lesions_found, false_regions : int or None
        Lesions in the truth, those that a predicted region finds, and predicted regions that find none, over all
        images; see `hybridseg.metrics.count_lesions`. None where a row doesn't tell.
    lesion_f1, lesion_f1_low, lesion_f1_high : float or None
        ``2 found / (lesions + predicted regions)`` with its 95 % interval by bootstrap over scenes.
    fit_seconds : float or None
        Median over folds.
    ms_median, ms_p95, cold_ms, peak_mib, saved_bytes, threads, cores_used
        See `hybridseg.bench.measure_cost`. Without it, ``ms_*`` come from the run's own rows.
    cost_error : str
        Why the cost couldn't be measured.
    cpu : str
        Where the cost was measured; empty if it wasn't.
    exported : bool
        The cost is that of the ONNX file exported from the method.
    parameters, multiply_adds : int or None
        Of the network inside, counted from its graph; None where there is none, or nobody counted.
    sweep : tuple of dict
        ``threads``, ``warm_ms_median``, ``warm_ms_p95``, ``cores_used``, ``peak_mib``, ``error`` of every number of
        threads that was tried.
    all_iou, all_f1 : float or None
        Means over all images under the policy that `summarize` was given for lesion-free ones; None if it leaves them
        out.
    trained_on : str
        The name of its training, where there are several data sets; empty if it isn't trained.
    sets : tuple of SetScores
        One for each test set, where data sets have short names.
    metrics : dict of str to MetricMean
        Every metric of `hybridseg.metrics.case_metrics` by name.
    is_reader : bool
        A second reader, whom nobody is ranked by.
    synthetic : int
        How many of its ``cases`` are phantoms.
    other_cases : bool
        It was scored on other cases than most methods of its run, so that it isn't ranked.
    """

    method: str
    as_given: bool
    seen: int | None
    cases: int
    expected: int
    failed: int
    lesion_images: int
    scenes: int
    lesion_free_images: int
    iou: float | None
    iou_low: float | None
    iou_high: float | None
    f1: float | None
    f1_low: float | None
    f1_high: float | None
    scene_iou: float | None
    scene_f1: float | None
    pooled_iou: float | None
    pooled_f1: float | None
    precision: float | None
    recall: float | None
    pooled_precision: float | None
    pooled_recall: float | None
    mean_iou_two_class: float | None
    missed: float | None
    missed_scenes: float | None
    false_positive_rate: float | None
    false_positive_area: float | None
    fit_seconds: float | None
    ms_median: float | None
    ms_p95: float | None
    cold_ms: float | None
    peak_mib: float | None
    saved_bytes: int | None
    threads: int | None
    cores_used: float | None
    cost_error: str
    cpu: str = ""
    exported: bool = False
    parameters: int | None = None
    multiply_adds: int | None = None
    sweep: tuple[dict[str, Any], ...] = ()
    all_iou: float | None = None
    all_f1: float | None = None
    lesions: int | None = None
    lesions_found: int | None = None
    false_regions: int | None = None
    lesion_f1: float | None = None
    lesion_f1_low: float | None = None
    lesion_f1_high: float | None = None
    trained_on: str = ""
    sets: tuple[SetScores, ...] = ()
    metrics: dict[str, MetricMean] = field(default_factory=dict, hash=False)
    is_reader: bool = False
    synthetic: int = 0
    other_cases: bool = False

    hd95_px = former("hd95_px", 'metrics["hd95_px"].value', lambda method: method.metrics["hd95_px"].value)
    hd95_images = former("hd95_images", 'metrics["hd95_px"].images', lambda method: method.metrics["hd95_px"].images)
    hd95_mm = former("hd95_mm", 'metrics["hd95_mm"].value', lambda method: method.metrics["hd95_mm"].value)
    hd95_mm_images = former(
        "hd95_mm_images", 'metrics["hd95_mm"].images', lambda method: method.metrics["hd95_mm"].images
    )
    nsd = former("nsd", 'metrics["nsd"].value', lambda method: method.metrics["nsd"].value)

    @property
    def title(self) -> str:
        """The method's name without that of its training."""
        return self.method.removesuffix(f" on {self.trained_on}") if self.trained_on else self.method

    @property
    def worst_set(self) -> SetScores | None:
        """The test set with the lowest IoU; None where fewer than two sets have a lesion image."""
        scored = [each for each in self.sets if each.iou is not None]
        return min(scored, key=lambda each: each.iou or 0.0) if len(scored) > 1 else None

    @property
    def is_ranked(self) -> bool:
        """Whether it has a place in the order by mean IoU: it may be compared, and was scored on the same cases."""
        return self.is_compared and not self.other_cases

    @property
    def is_compared(self) -> bool:
        """Whether it may be compared with others, on the cases that both have.

        No case is known to have taught it, some prediction succeeded, and it is no second reader.
        """
        return not self.seen and not self.is_reader and not self.never_ran

    @property
    def never_ran(self) -> bool:
        """Whether every prediction failed: it is no opponent to be better than."""
        return self.failed == self.cases > 0

    @property
    def marked(self) -> str:
        """Its name as tables show it."""
        name = f"{self.method} {READER}" if self.is_reader else mark(self.method, self.seen)
        return f"{name} {OTHER_CASES}" if self.other_cases else name

    @property
    def scored_on(self) -> str:
        """How many cases it was scored on, in words."""
        return counted(self.cases, "case") + (", not the same" if self.other_cases else "")


@dataclass(frozen=True)
class Ceiling:
    """A method and a second reader on the lesion images that were read: mean IoU of each.

    ``difference`` is the reader's mean minus the method's, with its 95 % interval by bootstrap over scenes. It isn't
    tested: a reader is no competitor.
    """

    reader: str
    method: str
    images: int
    reader_iou: float
    method_iou: float
    difference: float
    low: float
    high: float
    scenes: int


@dataclass(frozen=True)
class RunSummary:
    """Everything that the tables of a run say. ``notes`` go under the leaderboard, one a line.

    ``methods`` are by falling IoU, second readers after them; ``comparisons`` are between methods alone.
    """

    title: str
    methods: tuple[MethodSummary, ...]
    notes: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    test: str
    ceilings: tuple[Ceiling, ...] = ()
