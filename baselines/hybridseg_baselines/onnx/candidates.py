"""The functions of ``candidates`` as pieces of a graph: describe regions, score them, let them vote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from hybridseg.onnx.pieces import (
    Components,
    apply_operating_point,
    assemble,
    const,
    find_scan,
    label,
    numbered,
    put_back,
)

from ..candidates import CENTRE, FEATURES, LARGEST, RISE, SMALLEST, SPREAD, WEIGHTS
from ..grid import FINE
from .grid import from_grid

Propose = Callable[[Var], tuple[Var, Var]]


def model(segmenter: Any, propose: Propose) -> Any:
    """Return the `onnx.ModelProto` of a `CandidateSegmenter`.

    Parameters
    ----------
    segmenter : CandidateSegmenter
    propose : callable
        The twin of ``segmenter._propose``. It takes the uint8 scan [H, W], and returns the grey grid image, int64 [h,
        w], and layers [L, h, w]. Layers are bool masks, whose 4-connected components are the regions, or int64 numbers
        of regions, 0 for none.
    """
    grid = segmenter.grid

    def single(image: Var) -> tuple[Var, Var]:
        starts, ends = find_scan(image)
        scan = op.slice(image, starts, ends)
        grey, layers = propose(scan)
        cells = votes(grey, layers, segmenter)
        share = op.div(op.cast(cells, to=np.float32), const(4096, np.float32))
        probability = put_back(from_grid(share, grid, scan), image, starts, ends)
        return apply_operating_point(probability, segmenter.current_operating_point), probability

    return assemble(single)


def votes(grey: Var, layers: Var, segmenter: Any) -> Var:
    """Return each cell's probability in 1/4096, int64 [h, w]: `candidates.describe`, `_score` and `vote`."""
    grid = segmenter.grid
    height, width = grid
    # Layers stand above one another, an empty row below each, so that one search finds all regions.
    tall = op.reshape(op.pad(layers, const([0, 0, 0, 0, 1, 0])), const([-1, width]))
    found = label(tall, diagonal=False) if tall.unwrap_tensor().dtype == np.bool_ else numbered(tall)
    sizes = found.sizes
    cells = height * width
    keep = op.and_(
        op.greater_or_equal(sizes, const(int(np.ceil(SMALLEST * cells)))),
        op.less_or_equal(sizes, const(int(LARGEST * cells))),
    )
    kept = found.paint(keep)

    # One candidate too many, the empty run at the end, keeps what follows from being empty; it has no say.
    chosen = op.concat([op.squeeze(op.non_zero(keep), const([0])), op.sub(op.shape(keep), const(1))], axis=0)
    real = op.cast(op.gather(keep, chosen, axis=0), to=np.float64)
    features = _features(found, layers, kept, grey, grid, chosen=chosen)
    score = _score(features, segmenter)

    best = op.reduce_max(op.where(op.cast(real, to=np.bool_), score, const(-1e6, np.float64)))
    behind = op.min([op.sub(score, best), const(0, np.float64)])
    say = op.exp(op.div(behind, const(segmenter.current_sharpness, np.float64)))
    weight = op.cast(op.floor(op.mul(op.mul(say, const(65536, np.float64)), real)), to=np.int64)
    bounded = op.clip(score, const(0, np.float64), const(1, np.float64))
    value = op.cast(op.floor(op.mul(bounded, const(4096, np.float64))), to=np.int64)

    by_root = op.scatter_elements(op.mul(sizes, const(0)), chosen, op.mul(weight, value), axis=0)
    share = found.spread(by_root, const(0))
    total = op.reduce_sum(op.reshape(share, const([-1, height + 1, width])), const([0]), keepdims=False)
    everyone = op.max([op.reduce_sum(weight, const([0]), keepdims=False), const(1)])
    return op.div(op.slice(total, const([0]), const([height]), const([0])), everyone)


def _features(found: Components, layers: Var, kept: Var, grey: Var, grid: tuple[int, int], *, chosen: Var) -> Var:
    """Return the features of the chosen components: float64 [K, F], the columns of `candidates.FEATURES`."""
    height, width = grid
    cells = height * width
    layered = const([-1, height + 1, width])

    def of_chosen(per_run: Var) -> Var:
        return op.cast(op.gather(found.sums(per_run), chosen, axis=0), to=np.float64)

    def of_pixels(pixels: Var) -> Var:
        return of_chosen(found.run_sums(pixels))

    lengths = op.sub(found.end, found.begin)
    line = op.div(found.begin, const(width))
    row = op.mod(line, const(height + 1))
    first = op.sub(found.begin, op.mul(line, const(width)))
    n = of_chosen(lengths)
    r = of_chosen(op.mul(lengths, row))
    rr, cc, rc = _moments(lengths, row, first, n, r, of_chosen)
    spread = op.sqrt(op.max([op.sub(op.mul(rr, cc), op.mul(rc, rc)), const(1, np.float64)]))
    ellipse = op.div(op.mul(const(4 * np.pi, np.float64), spread), op.mul(n, n))

    edges, rise = _boundary(layers, grey, grid)
    edges, rise = of_pixels(edges), of_pixels(rise)

    def touches(condition: Var) -> Var:
        return op.cast(condition, to=np.int64)

    left = touches(op.and_(op.equal(first, const(0)), op.greater(lengths, const(0))))
    right = touches(op.equal(op.add(first, lengths), const(width)))
    root = op.sqrt(op.max([n, const(1, np.float64)]))

    some = op.max([n, const(1, np.float64)])
    dip = _enhancement(op.reshape(kept, layered), grey, of_pixels, some, grid)
    first_row, last_row = _extremes(found, row, height, chosen)
    total = op.cast(op.reduce_sum(grey, keepdims=False), to=np.float64)
    columns = {
        "log_area": op.log(op.div(some, const(cells, np.float64))),
        "row": op.div(r, op.mul(some, const(height, np.float64))),
        "ellipse_fill": op.div(n, ellipse),
        "width_over_height": op.div(op.sub(cc, rr), op.add(cc, rr)),
        "sides": op.div(of_chosen(op.add(left, right)), root),
        "top_edge": op.div(of_chosen(op.mul(lengths, touches(op.equal(row, const(0))))), root),
        "bottom_edge": op.div(of_chosen(op.mul(lengths, touches(op.equal(row, const(height - 1))))), root),
        "boundary_rise": op.div(op.div(rise, op.max([edges, const(1, np.float64)])), const(FINE, np.float64)),
        "below_brightness": op.div(dip, const(FINE, np.float64)),
        "first_row": op.div(first_row, const(height, np.float64)),
        "last_row": op.div(last_row, const(height, np.float64)),
        "image_mean": op.expand(op.div(total, const(cells * FINE, np.float64)), op.shape(chosen)),
    }
    return op.concat([op.unsqueeze(columns[name], const([1])) for name in FEATURES], axis=1)


def _extremes(found: Components, row: Var, height: int, chosen: Var) -> tuple[Var, Var]:
    """Return each chosen component's first row, and the one after its last: float64 [K]."""
    none = op.mul(row, const(0))
    first = op.scatter_elements(op.add(none, const(height)), found.root, row, axis=0, reduction="min")
    last = op.scatter_elements(none, found.root, op.add(row, const(1)), axis=0, reduction="max")
    first, last = (op.cast(op.gather(rows, chosen, axis=0), to=np.float64) for rows in (first, last))
    return first, last


def _moments(
    lengths: Var, row: Var, first: Var, n: Var, r: Var, of_chosen: Callable[[Var], Var]
) -> tuple[Var, Var, Var]:
    """Return n^2 times the second central moments over rows, over columns, and mixed; ``r`` is the sum of the rows."""
    # Sums of c and c^2 over the columns of a run, first .. first + length - 1
    pairs = op.mul(lengths, op.sub(lengths, const(1)))
    c_run = op.add(op.mul(lengths, first), op.div(pairs, const(2)))
    squares = op.div(op.mul(pairs, op.sub(op.mul(const(2), lengths), const(1))), const(6))
    cc_run = op.add(op.add(op.mul(lengths, op.mul(first, first)), op.mul(first, pairs)), squares)
    c = of_chosen(c_run)
    own = op.div(op.mul(n, n), const(12, np.float64))
    rr = op.add(op.sub(op.mul(n, of_chosen(op.mul(lengths, op.mul(row, row)))), op.mul(r, r)), own)
    cc = op.add(op.sub(op.mul(n, of_chosen(cc_run)), op.mul(c, c)), own)
    rc = op.sub(op.mul(n, of_chosen(op.mul(row, c_run))), op.mul(r, c))
    return rr, cc, rc


def _enhancement(stack: Var, grey: Var, of_pixels: Callable[[Var], Var], size: Var, grid: tuple[int, int]) -> Var:
    """Return how much brighter the strip right below each component is than the component, of ``size`` cells."""
    height, width = grid
    depth = height // 12
    below = op.pad(const(np.zeros((depth + 1, width))), const([0, 0, 0, 0]))
    under_grey = op.concat([op.slice(grey, const([depth]), const([height]), const([0])), below], axis=0)
    lower = op.slice(stack, const([depth]), const([height]), const([1]))
    upper = op.slice(stack, const([0]), const([height - depth]), const([1]))
    shadow = op.pad(op.and_(upper, op.not_(lower)), const([0, 0, 0, 0, depth + 1, 0]))
    shadow_n = of_pixels(op.cast(shadow, to=np.int64))
    shadow_sum = of_pixels(op.where(shadow, under_grey, const(0)))
    everywhere = op.expand(op.pad(grey, const([0, 0, 1, 0])), op.shape(stack))
    mean = op.div(of_pixels(everywhere), size)
    dip = op.sub(op.div(shadow_sum, op.max([shadow_n, const(1, np.float64)])), mean)
    return op.where(op.greater(shadow_n, const(0, np.float64)), dip, const(0, np.float64))


def _boundary(layers: Var, grey: Var, grid: tuple[int, int]) -> tuple[Var, Var]:
    """Return per cell how many neighbours lie outside its region, and how much brighter they are in all."""
    edges, rise = const(0), const(0)
    for axis, cells in enumerate(grid):
        near, far = const([0]), const([cells - 1])
        before = op.slice(layers, near, far, const([axis + 1]))
        after = op.slice(layers, const([1]), const([cells]), const([axis + 1]))
        low = op.slice(grey, near, far, const([axis]))
        high = op.slice(grey, const([1]), const([cells]), const([axis]))
        differs = op.not_(op.equal(before, after))
        edge = op.cast(differs, to=np.int64)
        step = op.where(differs, op.sub(high, low), const(0))
        # A pair counts for the cell before the border and, its step reversed, for the cell after it.
        ahead, behind = np.eye(6, dtype=np.int64)[[3 + axis + 1, axis + 1]]
        edges = op.add(edges, op.add(op.pad(edge, const(ahead)), op.pad(edge, const(behind))))
        rise = op.add(rise, op.sub(op.pad(step, const(ahead)), op.pad(step, const(behind))))
    below = const([0, 0, 0, 0, 1, 0])
    return op.pad(edges, below), op.pad(rise, below)


def _score(features: Var, segmenter: Any) -> Var:
    centre = getattr(segmenter, "centre_", CENTRE)
    spread = getattr(segmenter, "spread_", SPREAD)
    weights = getattr(segmenter, "weights_", WEIGHTS)
    z = op.div(op.sub(features, const(centre, np.float64)), const(spread, np.float64))
    z = op.clip(z, const(-3, np.float64), const(3, np.float64))
    first, second = np.triu_indices(len(FEATURES))
    products = op.mul(op.gather(z, const(first), axis=1), op.gather(z, const(second), axis=1))
    linear = const(weights[1 : 1 + len(FEATURES), np.newaxis], np.float64)
    quadratic = const(weights[1 + len(FEATURES) :, np.newaxis], np.float64)
    score = op.add(op.matmul(z, linear), op.matmul(products, quadratic))
    score = op.add(op.squeeze(score, const([1])), const(weights[0], np.float64))
    rising = op.greater(op.gather(features, const(RISE), axis=1), const(0, np.float64))
    return op.where(rising, score, const(0, np.float64))
