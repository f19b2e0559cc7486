"""Otsu and watershed as textbooks have them. Nothing is learned, so they show what a learned score brings."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hybridseg import OperatingPoint, Segmenter, Tags, find_scan
from hybridseg.postprocess import fill_holes, largest_component

from .grid import CENTRALITY, FAR, FINE, GRID, Ints, from_grid, smooth
from .otsu import otsu
from .parameters import check_whole
from .watershed import gradient


class TextbookSegmenter(Segmenter):
    """A method that marks one region of the grid. A subclass writes `_region`."""

    tags = Tags(max_differing_pixels=0.0)
    operating_point = OperatingPoint(threshold=0.5, fill_holes=False)

    def __init__(self, *, smoothing: int = 2, opening: int = 2) -> None:
        self.smoothing = smoothing
        self.opening = opening

    def _check_parameters(self) -> None:
        check_whole(self, "smoothing", 1, 64)
        check_whole(self, "opening", 1, 16)

    def _check_state(self) -> None:
        super()._check_state()
        self._check_parameters()

    @abstractmethod
    def _region(self, grey: Ints) -> NDArray[np.bool_]:
        """Return the region in a smoothed grid image (h, w)."""

    def _predict_proba(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._check_parameters()
        scan, probability = find_scan(image), np.zeros(image.shape, np.float32)
        region = self._region(smooth(image[scan], GRID, self.smoothing))
        probability[scan] = from_grid(region.astype(np.float32), probability[scan].shape)
        return probability


class TextbookOtsuSegmenter(TextbookSegmenter):
    """The largest central region below Otsu's threshold; nothing is learned.

    Block means of the scan (`hybridseg.find_scan`) and 3x3 means take out the speckle. Otsu's threshold parts dark
    from bright. The dark side is opened, its holes are filled, and one component stays. It is the largest, where cells
    count less the further they are from the middle.

    Parameters
    ----------
    smoothing : int
        3x3 means on the 64 x 76 grid.
    opening : int
        Radius, in cells, of the square that the dark side is opened with.

    References
    ----------
    N. Otsu, A threshold selection method from gray-level histograms, IEEE Transactions on Systems, Man, and
    Cybernetics 9(1):62-66, 1979, doi 10.1109/TSMC.1979.4310076.
    """

    def _region(self, grey: Ints) -> NDArray[np.bool_]:
        return dark_middle(grey, self.opening)

    def _to_onnx(self) -> Any:
        from .onnx.textbook import dark_middle, model

        return model(self, lambda grey: dark_middle(grey, self.opening))


class TextbookWatershedSegmenter(TextbookSegmenter):
    """Marker-controlled watershed around the dark middle; nothing is learned.

    The region of `TextbookOtsuSegmenter` gives the markers: it shrunk by ``margin`` cells is inside, what lies more
    than ``margin`` cells around it is outside. Both flood the gradient; a cell belongs to whichever reaches it over the
    lower pass, and to the outside if both do. A region too thin to be shrunk is its own marker.

    Parameters
    ----------
    smoothing : int
        3x3 means on the 64 x 76 grid.
    opening : int
        Radius, in cells, of the square that the dark side is opened with.
    margin : int
        Cells on both sides of Otsu's outline in which the watershed may place its own.

    References
    ----------
    F. Meyer, S. Beucher, Morphological segmentation, Journal of Visual Communication and Image Representation
    1(1):21-46, 1990, doi 10.1016/1047-3203(90)90014-M.
    A. X. Falcao, J. Stolfi, R. de Alencar Lotufo, The image foresting transform, IEEE Transactions on Pattern Analysis
    and Machine Intelligence 26(1):19-29, 2004, doi 10.1109/TPAMI.2004.1261076 (watershed by the highest pass).
    """

    def __init__(self, *, smoothing: int = 2, opening: int = 2, margin: int = 3) -> None:
        super().__init__(smoothing=smoothing, opening=opening)
        self.margin = margin

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_whole(self, "margin", 1, 16)

    def _region(self, grey: Ints) -> NDArray[np.bool_]:
        middle = dark_middle(grey, self.opening)
        shrunk = _minimum(middle, self.margin)
        inside = shrunk if shrunk.any() else middle
        outside = ~_maximum(middle, self.margin)
        slope = gradient(grey)
        return np.asarray(passes(slope, inside) < passes(slope, outside))

    def _to_onnx(self) -> Any:
        from .onnx.textbook import flooded, model

        return model(self, lambda grey: flooded(grey, self.opening, self.margin))


def dark_middle(grey: Ints, opening: int) -> NDArray[np.bool_]:
    """Return the largest central component of the pixels darker than Otsu's threshold, opened and filled."""
    levels = grey // FINE
    dark = levels < otsu(np.bincount(levels.ravel(), minlength=256))
    filled = fill_holes(_maximum(_minimum(dark, opening), opening))
    return largest_component(filled, CENTRALITY)


def passes(slope: Ints, marker: NDArray[np.bool_]) -> Ints:
    """Return the height of the lowest pass from the marker to each cell over 4-neighbours; without a marker, FAR."""
    reached = np.where(marker, 0, FAR)
    while True:
        padded = np.pad(reached, 1, constant_values=FAR)
        around = np.min([padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]], axis=0)
        lower = np.minimum(reached, np.maximum(around, slope))
        if (lower == reached).all():
            return reached
        reached = lower


def _minimum(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    size = 2 * radius + 1
    return np.asarray(ndimage.minimum_filter(mask, size, mode="constant", cval=1))


def _maximum(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    size = 2 * radius + 1
    return np.asarray(ndimage.maximum_filter(mask, size, mode="constant", cval=0))
