"""Drawings as SVG markup. Colours and type are the page's: classes only, so that they follow light, dark and print.

Every drawing is `WIDTH` units wide, about as many as a phone has pixels: its letters are readable there.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...metrics import Estimate
from ...metrics.calibration import Bin
from ...text import printable

Scale = Callable[[float], float]
WIDTH = 380
_LEFT, _RIGHT = 12, 368
_AXIS, _TOP, _BOTTOM = 46, 28, 258
_BINS = 20


@dataclass(frozen=True)
class Point:
    """A method in a plot of accuracy against cost."""

    name: str
    cost: float
    accuracy: Estimate
    on_front: bool


Ceilings = Sequence[tuple[str, float]]
"""Second readers by name with their mean: a line across the plot each."""


def intervals(rows: Sequence[tuple[str, Sequence[Estimate]]], legend: Sequence[str], ceilings: Ceilings = ()) -> str:
    """Return means with their intervals: a name and one line per estimate for each row."""
    every = [estimate for _, estimates in rows for estimate in estimates]
    tops = [value for _, value in ceilings]
    ticks = nice_ticks(min([each.low for each in every] + tops), max([each.high for each in every] + tops))
    scale = _linear(ticks[0], ticks[-1], _LEFT, _RIGHT)
    step = 18 + 12 * len(legend)
    bottom = 26 + step * len(rows)
    parts = _vertical_axis_lines(ticks, scale, 24, bottom)
    for index, label in enumerate(legend):
        x = _LEFT + 110 * index
        parts.append(_mark(x + 5, 10, index) + _label(x + 14, 14, label))
    for number, (name, estimates) in enumerate(rows):
        top = 26 + step * number
        parts.append(_label(_LEFT, top + 13, name, "name"))
        for index, each in enumerate(estimates):
            y = top + 22 + 12 * index
            x1, x2 = scale(each.low), scale(each.high)
            parts.append(f'<line class="whisker s{index}" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y}" y2="{y}"/>')
            parts.append(_mark(scale(each.value), y, index))
    parts += [_ceiling(scale(value), scale(value), 24, bottom, name, value) for name, value in ceilings]
    return _svg(bottom + 22, parts, "Mean and interval of each method")


def histograms(rows: Sequence[tuple[str, NDArray[np.float64]]]) -> str:
    """Return a histogram over [0, 1] for each method, all on one scale, with the median marked."""
    shares = [np.histogram(values, bins=_BINS, range=(0.0, 1.0))[0] / len(values) for _, values in rows]
    highest = max(float(each.max()) for each in shares)
    scale = _linear(0.0, 1.0, _LEFT, _RIGHT)
    step, height = 76, 52
    bottom = step * len(rows) + 2
    parts = _vertical_axis_lines([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], scale, 0, bottom)
    for number, ((name, values), share) in enumerate(zip(rows, shares, strict=True)):
        base = step * (number + 1)
        median = float(np.median(values))
        parts.append(_label(_LEFT, base - height - 8, f"{name}: median {median:.2f}", "name"))
        for index, each in enumerate(share):
            if each:
                tall = max(1.0, height * float(each) / highest)
                x = scale(index / _BINS)
                wide = scale(1 / _BINS) - scale(0) - 1.5
                parts.append(
                    f'<rect class="bar" x="{x:.1f}" y="{base - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}">'
                    f"<title>{100 * each:.1f} % of images</title></rect>"
                )
        x = scale(median)
        parts.append(f'<line class="median" x1="{x:.1f}" x2="{x:.1f}" y1="{base - height}" y2="{base}"/>')
        parts.append(f'<line class="base" x1="{_LEFT}" x2="{_RIGHT}" y1="{base}" y2="{base}"/>')
    return _svg(bottom + 22, parts, "Distribution of IoU over lesion images for each method")


def reliability_curve(kinds: Sequence[tuple[str, Sequence[Bin]]]) -> str:
    """Return the share of right answers upwards over confidence, each bin with its interval, for each kind of it."""
    ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    parts, across, up = _axes(ticks, ticks, "confidence", "share right")
    ends = " ".join(f"{across(end):.1f},{up(end):.1f}" for end in (0.0, 1.0))
    parts.append(f'<polyline class="front" points="{ends}"/>')
    for index, (name, bins) in enumerate(kinds):
        if not bins:
            continue
        legend = 150 + 110 * index
        parts.append(_mark(legend, 10, index) + _label(legend + 9, 14, name))
        for each in bins:
            x, low, high = across(each.confidence), up(each.right.low), up(each.right.high)
            parts.append(f'<line class="whisker s{index}" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
            parts.append(_mark(x, up(each.right.value), index))
    return _svg(_BOTTOM + 40, parts, "Share of right masks by confidence")


def coverage_curves(rows: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> str:
    """Return F1 upwards over the percentage of images that are left to a person: a line for each named method."""
    points = np.array([point for _, curve in rows for point in curve])
    (lefts, scores) = points.T
    across_ticks = nice_ticks(float(lefts.min()), float(lefts.max()))
    up_ticks = nice_ticks(float(scores.min()), float(scores.max()))
    parts, across, up = _axes(across_ticks, up_ticks, "% of the images left to a person", "F1 of the others")
    ends = []
    for _, curve in rows:
        places = [(across(left), up(score)) for left, score in curve]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline class="curve" points="{path}"/>')
        parts += [f'<circle class="dot s0" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in places]
        ends.append(places[-1])
    parts += _place_labels(ends, [name for name, _ in rows], (_AXIS, _TOP, _RIGHT, _BOTTOM))
    return _svg(_BOTTOM + 40, parts, "F1 of the surest images")


def scatter(points: Sequence[Point], unit: str, ceilings: Ceilings = ()) -> str:
    """Return accuracy (IoU, upwards) against cost (logarithmic), those on the Pareto front joined by a line."""
    top, bottom, left = 28, 258, 40
    across_ticks = log_ticks(min(each.cost for each in points), max(each.cost for each in points))
    tops = [value for _, value in ceilings]
    lowest = min([each.accuracy.low for each in points] + tops)
    highest = max([each.accuracy.high for each in points] + tops)
    up_ticks = nice_ticks(lowest, highest)
    across = _linear(math.log10(across_ticks[0]), math.log10(across_ticks[-1]), left + 8, _RIGHT - 6)
    up = _linear(up_ticks[0], up_ticks[-1], bottom, top)
    parts = _horizontal_axis_lines(up_ticks, up, left)
    for tick in across_ticks:
        x = across(math.log10(tick))
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
        parts.append(_label(x, bottom + 15, f"{tick:g}", "tick middle"))
    parts.append(_label((left + _RIGHT) / 2, bottom + 33, unit, "tick middle"))
    parts.append(_label(2, 10, "IoU", "tick"))
    parts += [_ceiling(left, _RIGHT, up(value), up(value), name, value) for name, value in ceilings]
    places = [(across(math.log10(each.cost)), up(each.accuracy.value)) for each in points]
    front = sorted(place for place, point in zip(places, points, strict=True) if point.on_front)
    if len(front) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in front)
        parts.append(f'<polyline class="front" points="{path}"/>')
    for (x, y), point in zip(places, points, strict=True):
        low, high = up(point.accuracy.low), up(point.accuracy.high)
        parts.append(f'<line class="whisker s0" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
        kind = "dot on" if point.on_front else "dot off"
        title = f"{point.name}: {point.cost:.3g} {unit}, IoU {point.accuracy.value:.3f}"
        parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5">')
        parts.append(f"<title>{_escape(title)}</title></circle>")
    names = [f"{number} {point.name}" if len(points) <= 8 else str(number) for number, point in enumerate(points, 1)]
    parts += _place_labels(places, names, (left, top, _RIGHT, bottom))
    return _svg(bottom + 40, parts, f"Accuracy against {unit}")


def bland_altman(
    means: NDArray[np.float64], differences: NDArray[np.float64], limits: Sequence[float], unit: str
) -> str:
    """Return differences against means (N,), with lines at the lower limit, the mean difference and the upper limit."""
    across_ticks = nice_ticks(float(means.min()), float(means.max()))
    up_ticks = nice_ticks(float(min(differences.min(), limits[0])), float(max(differences.max(), limits[-1])))
    below, above = f"mean of true and predicted, {unit}", f"predicted minus true, {unit}"
    parts, across, up = _axes(across_ticks, up_ticks, below, above)
    parts += [
        f'<circle class="dot s0" cx="{across(mean):.1f}" cy="{up(difference):.1f}" r="2"/>'
        for mean, difference in zip(means.tolist(), differences.tolist(), strict=True)
    ]
    for name, value in zip(("lower limit", "mean difference", "upper limit"), limits, strict=True):
        parts.append(_ceiling(_AXIS, _RIGHT, up(value), up(value), name, value, unit))
    return _svg(_BOTTOM + 40, parts, "Difference of measures against their mean")


def _axes(
    across_ticks: Sequence[float], up_ticks: Sequence[float], below: str, above: str
) -> tuple[list[str], Scale, Scale]:
    """Return a plot's grid with its axes' names, and where values lie across and upwards."""
    across = _linear(across_ticks[0], across_ticks[-1], _AXIS, _RIGHT)
    up = _linear(up_ticks[0], up_ticks[-1], _BOTTOM, _TOP)
    parts = _horizontal_axis_lines(up_ticks, up, _AXIS)
    parts += [_label(across(tick), _BOTTOM + 17, f"{tick:g}", "tick middle") for tick in across_ticks]
    parts.append(_label((_AXIS + _RIGHT) / 2, _BOTTOM + 35, below, "tick middle"))
    parts.append(_label(2, 14, above))
    return parts, across, up


def _place_labels(
    places: Sequence[tuple[float, float]], names: Sequence[str], room: tuple[float, float, float, float]
) -> list[str]:
    """Return labels beside their points, each where it covers no other if there is such a place."""
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    parts = []
    for (x, y), name in zip(places, names, strict=True):
        wide = 7.4 * len(name)
        boxes = [
            (start, y + shift - 7, start + wide, y + shift + 6)
            for shift in (0, -13, 13, -26, 26, -39, 39)
            for start in (x + 8, x - 8 - wide)
        ]
        inside = [
            box for box in boxes if box[0] >= room[0] and box[2] <= room[2] and box[1] >= room[1] and box[3] <= room[3]
        ] or [(min(max(room[0], x - wide / 2), room[2] - wide), y - 20, x + wide, y - 7)]
        box = min(inside, key=lambda each: sum(_overlap(each, other) for other in taken))
        taken.append(box)
        parts.append(_label(box[0], box[1] + 11, name, "on-plot"))
    return parts


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def nice_ticks(low: float, high: float) -> list[float]:
    """Return round numbers of which the first is at most ``low`` and the last at least ``high``.

    >>> nice_ticks(0.31, 0.78)
    [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    """
    span = max(high - low, 0.02)
    power = 10.0 ** math.floor(math.log10(span / 3))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * index, 10) for index in range(first, max(last, first + 1) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten around an interval; powers only where it is wide.

    >>> log_ticks(3.0, 90.0)
    [2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
    """
    factors = (1, 2, 5) if high / low < 200 else (1,)
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    every = [float(f"{factor}e{exponent}") for exponent in exponents for factor in factors]
    first = max(index for index, each in enumerate(every) if each <= low * (1 + 1e-9))
    last = min(index for index, each in enumerate(every) if each >= high * (1 - 1e-9))
    return every[first : max(last, first + 1) + 1]


def _linear(low: float, high: float, start: float, end: float) -> Scale:
    return lambda value: start + (end - start) * (value - low) / (high - low)


def _vertical_axis_lines(ticks: Sequence[float], scale: Scale, top: float, bottom: float) -> list[str]:
    parts = []
    for index, tick in enumerate(ticks):
        x = scale(tick)
        place = "start" if index == 0 else "end" if index == len(ticks) - 1 else "middle"
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
        parts.append(_label(x, bottom + 15, f"{tick:g}", f"tick {place}"))
    return parts


def _horizontal_axis_lines(ticks: Sequence[float], scale: Scale, left: float) -> list[str]:
    parts = []
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{left}" x2="{_RIGHT}" y1="{scale(tick):.1f}" y2="{scale(tick):.1f}"/>')
        parts.append(_label(left - 5, scale(tick) + 4, f"{tick:g}", "tick end"))
    return parts


def _ceiling(x1: float, x2: float, y1: float, y2: float, name: str, value: float, unit: str = "IoU") -> str:
    line = f'<line class="median" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}">'
    return f"{line}<title>{_escape(f'{name}: {value:.3f} {unit}')}</title></line>"


def _mark(x: float, y: float, series: int) -> str:
    if series == 0:
        return f'<circle class="dot s0" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    return f'<rect class="dot s{series}" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'


def _label(x: float, y: float, text: str, kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{_escape(text)}</text>'


def _escape(text: str) -> str:
    return html.escape(printable(text))


def _svg(height: float, parts: Sequence[str], label: str) -> str:
    start = f'<svg class="plot" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{_escape(label)}">'
    return f"{start}{''.join(parts)}</svg>"
