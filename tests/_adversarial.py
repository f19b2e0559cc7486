"""Pairs of masks that scorers stumble over: single pixels, borders, lines, checkers, holes, noise, all and nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pair = tuple[NDArray[np.bool_], NDArray[np.bool_]]
SHAPE = (24, 31)


def adversarial_pairs() -> dict[str, Pair]:
    """Return pairs (truth, prediction) by name, always the same."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    nothing, everything = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    distance = np.hypot(rows - 11, columns - 14)
    disc, ring = distance <= 8, (distance <= 8) & (distance >= 5)
    border = (rows == 0) | (columns == 0) | (rows == SHAPE[0] - 1) | (columns == SHAPE[1] - 1)
    checkers = (rows + columns) % 2 == 0
    comb = (columns % 3 == 0) & (rows > 2)
    corner, far, middle = (nothing.copy() for _ in range(3))
    corner[0, 0] = far[-1, -1] = middle[11, 14] = True
    line, diagonal = rows == 9, (rows == columns)
    rng = np.random.default_rng(0)
    noise = {share: (rng.random(SHAPE) < share, rng.random(SHAPE) < share) for share in (0.01, 0.5, 0.99)}
    return {
        "both empty": (nothing, nothing), "an empty truth": (nothing, disc), "an empty prediction": (disc, nothing),
        "everything twice": (everything, everything), "everything": (disc, everything), "the rest": (disc, ~disc),
        "opposite corners": (corner, far), "a pixel of a disc": (disc, middle), "a disc of a pixel": (middle, disc),
        "shifted by one": (disc, np.roll(disc, 1, axis=1)), "shifted to the border": (disc, np.roll(disc, 13, axis=0)),
        "without its hole": (ring, disc), "its hole alone": (ring, disc & ~ring), "border": (border, everything),
        "border and middle": (border, middle), "checkers": (checkers, ~checkers),
        "checkers and all": (checkers, everything), "a comb": (comb, np.roll(comb, 1, axis=1)),
        "a line": (line, np.roll(line, 2, axis=0)),
        "a diagonal": (diagonal, line), "a far speck": (disc, disc | far),
        "two far specks": (disc | far, disc | corner),
        "one row": (line[9:10], diagonal[9:10]), "one column": (diagonal[:, 3:4], line[:, 3:4]),
        **{f"noise of {share}": pair for share, pair in noise.items()},
    }  # fmt: skip
