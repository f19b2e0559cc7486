"""Connected components, hole filling and what follows from them, on bool masks [H, W].

A mask is cut into runs (stretches of true pixels in a row). Overlapping runs of neighbouring rows are joined
by a Loop of scatter-min and pointer jumping, as in Shiloach and Vishkin (1982),
doi:10.1016/0196-6774(82)90008-6: 6 to 8 rounds whatever the shape. A component is known by its first run in
row order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from .batch import const, sides


@dataclass(frozen=True)
class Components:
    """The components of a mask, in run-length form; R runs in row order and one empty run at the end.

    Attributes
    ----------
    run_of : Var
        int32 [H * W]: the run of each pixel (meaningless outside the mask).
    root : Var
        int64 [R + 1]: the first run of each run's component.
    begin, end : Var
        int64 [R + 1]: first pixel of each run and the one past its last, in row order of the whole mask.
    """

    run_of: Var
    root: Var
    begin: Var
    end: Var

    def sums(self, per_run: Var) -> Var:
        """Add up an int64 [R + 1] over the runs of each component: at its first run; 0 elsewhere."""
        nothing = op.mul(per_run, const(0))
        return op.scatter_elements(nothing, self.root, per_run, axis=0, reduction="add")

    @property
    def sizes(self) -> Var:
        """int64 [R + 1]: pixels of the component, at its first run; 0 elsewhere."""
        return self.sums(op.sub(self.end, self.begin))

    def run_sums(self, pixels: Var) -> Var:
        """Add up an int64 [H, W] over the pixels of each run: int64 [R + 1]."""
        total = op.cumsum(op.pad(op.reshape(pixels, const([-1])), const([1, 0])), const(0))
        return op.sub(op.gather(total, self.end, axis=0), op.gather(total, self.begin, axis=0))

    def spread(self, per_component: Var, mask: Var) -> Var:
        """Return for each pixel of ``mask`` its component's value; what is outside the mask means nothing."""
        per_run = op.gather(per_component, self.root, axis=0)
        return op.gather(per_run, op.reshape(self.run_of, op.shape(mask)), axis=0)


def shifted(mask: Var, rows: int, columns: int) -> Var:
    """Return ``out[r, c] = mask[r - rows, c - columns]``, false from outside, for offsets in {-1, 0, 1}."""
    pads = [max(rows, 0), max(columns, 0), max(-rows, 0), max(-columns, 0)]
    padded = op.pad(mask, const(pads))
    height, width = sides(mask)
    start = const([max(-rows, 0), max(-columns, 0)])
    size = op.concat([op.unsqueeze(height, const([0])), op.unsqueeze(width, const([0]))], axis=0)
    return op.slice(padded, start, op.add(start, size), const([0, 1]))


def label(mask: Var, *, diagonal: bool) -> Components:
    """Find the components of a bool mask [H, W]: 8-connected with ``diagonal``, else 4-connected."""
    flat = const([-1])
    left = shifted(mask, 0, 1)
    up = shifted(mask, 1, 0)
    starts = op.and_(mask, op.not_(left))
    run_of = op.sub(op.cumsum(op.cast(op.reshape(starts, flat), to=np.int32), const(0)), const(1, np.int32))

    both = op.and_(mask, up)
    # One edge for each pair of touching runs: where the overlap begins.
    edge_maps = [(op.and_(both, op.not_(shifted(both, 0, 1))), (1, 0))]
    if diagonal:
        lone = op.and_(mask, op.not_(up))
        up_left, up_right = shifted(mask, 1, 1), shifted(mask, 1, -1)
        right = shifted(mask, 0, -1)
        edge_maps.append((op.and_(op.and_(lone, up_left), op.not_(left)), (1, 1)))
        edge_maps.append((op.and_(op.and_(lone, up_right), op.not_(right)), (1, -1)))

    _, width = sides(mask)
    lower, upper = [], []
    for edges, (rows, columns) in edge_maps:
        at = op.squeeze(op.non_zero(op.reshape(edges, flat)), const([0]))
        lower.append(op.gather(run_of, at, axis=0))
        back = op.add(op.mul(const(rows), width), const(columns))
        upper.append(op.gather(run_of, op.sub(at, back), axis=0))

    begin = op.squeeze(op.non_zero(op.reshape(starts, flat)), const([0]))
    end = op.squeeze(
        op.non_zero(op.reshape(op.and_(mask, op.not_(shifted(mask, 0, -1))), flat)), const([0])
    )
    runs = op.shape(begin)
    # The empty run at the end, tied to itself, keeps every tensor below from being empty.
    a = op.concat([op.cast(op.concat(lower, axis=0), to=np.int64), runs], axis=0)
    b = op.concat([op.cast(op.concat(upper, axis=0), to=np.int64), runs], axis=0)
    count = op.add(op.reshape(runs, const(np.zeros(0))), const(1))
    root = _join(count, a, b)
    past = op.concat([op.add(end, const(1)), const([0])], axis=0)
    return Components(run_of, root, op.concat([begin, const([0])], axis=0), past)


def numbered(labels: Var) -> Components:
    """Return the regions of an int64 [H, W] of numbers 1..K without gaps; 0, no region, occurs somewhere.

    A component is known by its number, whether its pixels touch or not; number 0 has no pixels.
    """
    flat, past = const([-1]), const([np.iinfo(np.int64).max])
    left = op.slice(labels, const([0]), const([-1]), const([1]))
    right = op.slice(labels, const([1]), past, const([1]))
    starts = op.pad(op.not_(op.equal(left, right)), const([0, 1, 0, 0]), op.const(True))
    counted = op.cumsum(op.cast(op.reshape(starts, flat), to=np.int32), const(0))
    run_of = op.sub(counted, const(1, np.int32))
    begin = op.squeeze(op.non_zero(op.reshape(starts, flat)), const([0]))
    end = op.concat([op.slice(begin, const([1]), past), op.shape(run_of)], axis=0)
    number = op.gather(op.reshape(labels, flat), begin, axis=0)
    end = op.where(op.greater(number, const(0)), end, begin)
    root = op.concat([number, op.shape(begin)], axis=0)
    begin, end = op.concat([begin, const([0])], axis=0), op.concat([end, const([0])], axis=0)
    return Components(run_of, root, begin, end)


def _join(count: Var, a: Var, b: Var) -> Var:
    """Return for each of ``count`` nodes the smallest that edges a[i]-b[i] connect it with: int64 [count]."""

    def body(_: Var, __: Var, parent: Var, a: Var, b: Var) -> list[Var]:
        parent_a, parent_b = op.gather(parent, a, axis=0), op.gather(parent, b, axis=0)
        low = op.min([parent_a, parent_b])
        parent = op.scatter_elements(parent, parent_a, low, axis=0, reduction="min")
        parent = op.scatter_elements(parent, parent_b, low, axis=0, reduction="min")
        jumped = op.gather(parent, parent, axis=0)
        jumped = op.gather(jumped, jumped, axis=0)
        unjoined = op.sub(op.gather(jumped, a, axis=0), op.gather(jumped, b, axis=0))
        unsettled = op.sub(jumped, op.gather(jumped, jumped, axis=0))
        left = op.add(
            op.reduce_max(op.abs(unjoined), keepdims=False), op.reduce_max(op.abs(unsettled), keepdims=False)
        )
        return [op.greater(op.reshape(left, const([1])), const(0)), jumped, a, b]

    nodes = op.range(const(0), count, const(1))
    flat = const([-1])
    # Every round at least halves the trees that are left, so the bound is far above what any image needs.
    root, *_ = op.loop(const([1000]), const([True], np.bool_), [nodes, a, b], body=body)
    return op.reshape(root, flat)


def fill_holes(mask: Var) -> Var:
    """Fill background that isn't 4-connected to the border: `scipy.ndimage.binary_fill_holes`."""
    # A ring of background around the image makes one component, that of run 0, of all that touches the
    # border.
    background = op.pad(op.not_(mask), const([1, 1, 1, 1]), op.const(True))
    found = label(background, diagonal=False)
    inside = op.greater(found.root, const(0))
    height, width = sides(mask)
    hole = op.gather(inside, op.reshape(found.run_of, op.shape(background)), axis=0)
    size = op.concat([op.unsqueeze(height, const([0])), op.unsqueeze(width, const([0]))], axis=0)
    cropped = op.slice(hole, const([1, 1]), op.add(size, const(1)), const([0, 1]))
    return op.or_(mask, op.and_(cropped, op.not_(mask)))


def keep_components(mask: Var, *, largest_only: bool = False, min_area_px: Var | None = None) -> Var:
    """Drop 8-connected components of a bool mask [H, W].

    Parameters
    ----------
    largest_only : bool
        Keep the largest, the first in row order among equals.
    min_area_px : Var, optional
        int64 scalar: components of fewer pixels go.
    """
    found = label(mask, diagonal=True)
    sizes = found.sizes
    keep = op.greater(sizes, const(0))
    if largest_only:
        best = op.arg_max(sizes, axis=0, keepdims=False)
        keep = op.and_(keep, op.equal(op.range(const(0), op.size(sizes), const(1)), best))
    if min_area_px is not None:
        keep = op.and_(keep, op.greater_or_equal(sizes, min_area_px))
    return op.and_(mask, found.spread(keep, mask))
