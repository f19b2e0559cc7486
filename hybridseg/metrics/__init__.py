"""Counts -> ratios -> boundary distances -> summaries with intervals and tests. Pure functions on arrays.

The headline is the mean over lesion images of per-image IoU and F1. Lesion-free images are never in it: they have a
line of their own (how many get a mask, and how large). A prediction that is missing or failed scores as a miss.
"""

from .boundary import HD95_DEFINITION, BoundaryScores, boundary, boundary_iou, boundary_pixels, hd95, nsd
from .counts import Counts, count_pixels, f1, iou, mean_iou_two_class, precision, recall
from .lesions import LESION_OVERLAP, LesionCounts, count_lesions
from .significance import (
    PairedDifference,
    false_claim_probability,
    holm,
    paired_difference,
    rank_stability,
    wilcoxon,
)
from .summary import (
    Estimate,
    bootstrap_ratio,
    group_means,
    image_mean,
    pooled_f1,
    pooled_iou,
    scene_mean,
    wilson_interval,
)
from .table import NSD_TOLERANCE_PX, CaseMetric, Masks, MetricLoadError, case_metrics, score_metrics

__all__ = [
    "HD95_DEFINITION",
    "LESION_OVERLAP",
    "NSD_TOLERANCE_PX",
    "BoundaryScores",
    "CaseMetric",
    "Counts",
    "Estimate",
    "LesionCounts",
    "Masks",
    "MetricLoadError",
    "PairedDifference",
    "bootstrap_ratio",
    "boundary",
    "boundary_iou",
    "boundary_pixels",
    "case_metrics",
    "count_lesions",
    "count_pixels",
    "f1",
    "false_claim_probability",
    "group_means",
    "hd95",
    "holm",
    "image_mean",
    "iou",
    "mean_iou_two_class",
    "nsd",
    "paired_difference",
    "pooled_f1",
    "pooled_iou",
    "precision",
    "rank_stability",
    "recall",
    "scene_mean",
    "score_metrics",
    "wilcoxon",
    "wilson_interval",
]
