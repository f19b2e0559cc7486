"""Formats of other tools: masks as volumes, lesions as polygons. `KINDS` is everything that `segment` can write.

COCO, YOLO and Label Studio have no holes: what reads them fills those.
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_atomically
from .outlines import find_outlines
from .outputs import DicomSeg, Frame, FrameOutput, Mask, Output, Overlay, Probability, ProbabilityArray

NOTE = "made by hybridseg for research: not for diagnosis"


class Nrrd(FrameOutput):
    """The mask as an NRRD volume of one slice, 0 and 1, as 3D Slicer loads it. A pixel is 1 mm where no size is known.

    Format: teem.sourceforge.net/nrrd/format.html.
    """

    name, suffix = "nrrd", "_mask.nrrd"

    def write(self, path: Path, frame: Frame) -> None:
        """Write header and packed pixels."""
        height, width = frame.mask.shape
        row_mm, column_mm = frame.spacing_mm or (1.0, 1.0)
        header = (
            f"NRRD0004\n# {NOTE}\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\n"
            f"sizes: {width} {height} 1\nspace directions: ({column_mm!r},0,0) (0,{row_mm!r},0) (0,0,1)\n"
            "kinds: domain domain domain\nencoding: gzip\nspace origin: (0,0,0)\n\n"
        )
        pixels = gzip.compress(frame.mask.astype(np.uint8).tobytes(), mtime=0)
        write_atomically(path, header.encode("ascii") + pixels)


class Nifti(FrameOutput):
    """The mask as a NIfTI volume of one slice, 0 and 1; its unit is mm where the pixel's size is known."""

    name, suffix, endings, needs, extra = "nifti", "_mask.nii.gz", r"\.nii\.gz", "nibabel", "nifti"

    def write(self, path: Path, frame: Frame) -> None:
        """Write columns first, as `hybridseg.images` reads them, at the place where the NRRD file lies."""
        import nibabel

        row_mm, column_mm = frame.spacing_mm or (1.0, 1.0)
        affine = np.diag([-column_mm, -row_mm, 1.0, 1.0])  # NIfTI counts to the right and forward
        volume: Any = nibabel.Nifti1Image
        picture = volume(frame.mask.T[:, :, None].astype(np.uint8), affine)
        picture.header["descrip"] = NOTE
        if frame.spacing_mm is not None:
            picture.header.set_xyzt_units("mm")
        write_atomically(path, gzip.compress(picture.to_bytes(), mtime=0))


class Coco(FrameOutput):
    """The lesions as COCO annotations of this one image."""

    name, suffix = "coco", "_coco.json"

    def write(self, path: Path, frame: Frame) -> None:
        """Write a data set of one image."""
        height, width = frame.mask.shape
        annotations = []
        for number, outline in enumerate(find_outlines(frame.mask, frame.probability), 1):
            ring = outline.rings[0]
            annotations.append({
                "id": number, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": [ring.ravel().tolist()],
                "area": outline.area_px, "bbox": [*ring.min(axis=0).tolist(), *np.ptp(ring, axis=0).tolist()],
                **_score(outline.largest_probability),
            })  # fmt: skip
        _write_json(path, {
            "info": {"description": f"{frame.method}, {NOTE}"},
            "images": [{"id": 1, "file_name": frame.source, "height": height, "width": width}],
            "annotations": annotations,
            "categories": [{"id": 1, "name": "lesion"}],
        })  # fmt: skip


class Yolo(FrameOutput):
    """The lesions as polygons of class 0, a line each, in shares of width and height."""

    name, suffix = "yolo", "_yolo.txt"

    def write(self, path: Path, frame: Frame) -> None:
        """Write a label file."""
        shares = [outline.rings[0] / frame.mask.shape[::-1] for outline in find_outlines(frame.mask)]
        lines = ["0 " + " ".join(f"{value:.6f}" for value in ring.ravel()) + "\n" for ring in shares]
        write_atomically(path, "".join(lines).encode("ascii"))


class LabelStudio(FrameOutput):
    """The lesions as predictions of a Label Studio task; its labels: PolygonLabels `label` on the Image `image`."""

    name, suffix = "label-studio", "_labelstudio.json"

    def write(self, path: Path, frame: Frame) -> None:
        """Write a list of one task, in per cent of width and height."""
        height, width = frame.mask.shape
        result = []
        for outline in find_outlines(frame.mask, frame.probability):
            points = (100 * outline.rings[0] / (width, height)).tolist()
            result.append({
                "type": "polygonlabels", "from_name": "label", "to_name": "image", "image_rotation": 0,
                "original_width": width, "original_height": height,
                "value": {"points": points, "closed": True, "polygonlabels": ["lesion"]},
                **_score(outline.largest_probability),
            })  # fmt: skip
        predictions = [{"model_version": f"{frame.method}, {NOTE}", "result": result}]
        _write_json(path, [{"data": {"image": frame.source}, "predictions": predictions}])


class GeoJson(FrameOutput):
    """The lesions as GeoJSON polygons with their holes, in pixels from the upper left corner, down and right."""

    name, suffix = "geojson", "_lesions.geojson"

    def write(self, path: Path, frame: Frame) -> None:
        """Write a feature for each lesion."""
        features = []
        for outline in find_outlines(frame.mask, frame.probability):
            rings = [np.vstack([ring, ring[:1]]).tolist() for ring in outline.rings]
            properties = {"name": "lesion", "area_px": outline.area_px, **_score(outline.largest_probability)}
            geometry = {"type": "Polygon", "coordinates": rings}
            features.append({"type": "Feature", "geometry": geometry, "properties": properties})
        _write_json(path, {"type": "FeatureCollection", "note": f"{frame.method}, {NOTE}", "features": features})


def _score(probability: float | None) -> dict[str, float]:
    return {} if probability is None else {"score": round(probability, 6)}


def _write_json(path: Path, value: Any) -> None:
    # A file's name may hold bytes that aren't text: JSON escapes them.
    write_atomically(path, (json.dumps(value) + "\n").encode("ascii"))


FORMATS: tuple[type[FrameOutput], ...] = (Nrrd, Nifti, Coco, Yolo, LabelStudio, GeoJson, ProbabilityArray)
"""What ``segment --format`` takes, by its name."""

KINDS: tuple[type[Output], ...] = (Mask, Overlay, Probability, DicomSeg, *FORMATS)

OUR_OUTPUT = re.compile(
    "|".join(f"{re.escape(kind.suffix.partition('.')[0])}(_[0-9]+)?{kind.endings}$" for kind in KINDS)
)
"""Ends of the names that hybridseg gives to what it writes beside an image."""
