"""A mask as DICOM SEG, through highdicom (``pip install "hybridseg[dicom]"``)."""

from __future__ import annotations

import copy
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import write_atomically
from ..text import one_line, printable
from ..validation import check_mask
from .dicom import is_dicom, read_dataset
from .pixels import ImageError, quiet

_REFERENCES = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns", "Modality",
)  # fmt: skip
_SINGLE_FRAME = "1.2.840.10008.5.1.4.1.1.6.1"  # ultrasound image
PATIENT_FIELDS = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyDate", "StudyTime",
    "StudyID", "ReferringPhysicianName",
)  # fmt: skip
"""Fields that are copied from the image only when that is asked for."""


def write_segmentation(
    path: str | os.PathLike[str],
    source: bytes,
    masks: Sequence[NDArray[np.bool_]],
    *,
    method: str,
    version: str,
    keep_patient: bool = False,
) -> None:
    """Write masks as a binary DICOM segmentation of a DICOM image, a frame for each of its frames.

    It refers to its image by the UIDs of study, series and image, because no viewer could lay it over the image
    without them. So whoever has the image can find out whose it is. Nothing else of the image is copied.

    Parameters
    ----------
    path : str or path
    source : bytes
        The DICOM file that the masks were made from.
    masks : sequence of ndarray of shape (H, W), bool
        One for each frame of the image, in its order.
    method, version : str
        What made the masks.
    keep_patient : bool
        Copy `PATIENT_FIELDS` too.

    Raises
    ------
    ImageError
        If the image isn't DICOM or lacks what a segmentation must refer to, or the file can't be written.
    """
    try:
        with quiet():
            stack = np.stack([check_mask(mask) for mask in masks])
            data = _encode(source, stack, method, version, keep_patient=keep_patient)
        write_atomically(path, data)
    except ImageError as error:
        raise ImageError(f"{printable(path)}: {error}") from error
    except OSError as error:
        raise ImageError(f"{printable(path)}: can't be written: {error.strerror or error}") from error
    except Exception as error:  # as in reading: a hostile image's fields fail with almost any type
        raise ImageError(f"{printable(path)}: no DICOM SEG can be made: {one_line(error)}") from error


def _encode(source: bytes, masks: NDArray[np.bool_], method: str, version: str, *, keep_patient: bool) -> bytes:
    if not is_dicom(source):
        raise ImageError("only a DICOM image can have a DICOM SEG")
    try:
        import highdicom
        from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
        from pydicom.sr.codedict import codes
    except ImportError:
        raise ImageError('DICOM SEG needs highdicom: pip install "hybridseg[dicom]"') from None
    image = read_dataset(source, pixels=False)
    referred = _referred(image, keep_patient=keep_patient)
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=f"hybridseg {method}"[:64], version=version[:64], family=codes.DCM.ArtificialIntelligence
    )
    description = SegmentDescription(
        segment_number=1,
        segment_label="lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )
    segmentation = Segmentation(
        source_images=[referred],
        pixel_array=masks[:1],
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[description],
        series_instance_uid=_uid("series", referred.SeriesInstanceUID, method, version),
        series_number=100,
        sop_instance_uid=_uid("image", referred.SOPInstanceUID, method, version, _digest(masks)),
        instance_number=1,
        manufacturer="hybridseg",
        manufacturer_model_name="hybridseg",
        software_versions=version,
        device_serial_number="0",
        omit_empty_frames=False,
    )
    segmentation.PatientOrientation = None  # must be there, and isn't known of a hand-held probe
    segmentation.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence = [_plane()]
    if len(masks) > 1:
        _add_frames(segmentation, masks)
    for item in _references(segmentation):
        item.ReferencedSOPClassUID = image.SOPClassUID
    stream = io.BytesIO()
    segmentation.save_as(stream)
    return stream.getvalue()


def _plane() -> Any:
    """Return the orientation that viewers take for an image without one: OHIF opens no segmentation that lacks it."""
    from pydicom.dataset import Dataset

    plane = Dataset()
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    return plane


def _add_frames(segmentation: Any, masks: NDArray[np.bool_]) -> None:
    """Make a segmentation of one frame one of all: highdicom refuses several without a frame of reference.

    Frames are told apart by their place in a stack, and each refers to the frame of the image with its number.
    """
    from pydicom.dataset import Dataset
    from pydicom.tag import Tag

    by_place = Dataset()
    by_place.DimensionOrganizationUID = segmentation.DimensionOrganizationSequence[0].DimensionOrganizationUID
    by_place.DimensionIndexPointer = Tag("InStackPositionNumber")
    by_place.FunctionalGroupPointer = Tag("FrameContentSequence")
    by_place.DimensionDescriptionLabel = "Frame"
    segmentation.DimensionIndexSequence.append(by_place)
    groups = [copy.deepcopy(segmentation.PerFrameFunctionalGroupsSequence[0]) for _ in masks]
    for number, group in enumerate(groups, 1):
        content = group.FrameContentSequence[0]
        content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", number, [1, number]
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = number
    segmentation.PerFrameFunctionalGroupsSequence = groups
    segmentation.NumberOfFrames = len(masks)
    packed = np.packbits(masks.ravel(), bitorder="little").tobytes()
    segmentation.PixelData = packed + b"\0" * (len(packed) % 2)


def _referred(image: Any, *, keep_patient: bool) -> Any:
    """Return the fields that a segmentation copies from its image, and nothing else."""
    from pydicom.dataset import Dataset

    missing = [name for name in _REFERENCES if not image.get(name)]
    if missing:
        raise ImageError(f"the image has no {missing[0]}, which a DICOM SEG refers to")
    referred = Dataset()
    referred.file_meta = image.file_meta
    for name in _REFERENCES:
        setattr(referred, name, image.get(name))
    # To highdicom every image is a single frame, also one of an ultrasound loop: of loops it knows only the enhanced
    # kinds, with a frame of reference. `_encode` puts the image's own class back.
    referred.SOPClassUID = _SINGLE_FRAME
    for name in PATIENT_FIELDS:
        setattr(referred, name, image.get(name) if keep_patient else None)
    return referred


def _references(dataset: Any) -> Iterator[Any]:
    """Yield every item, however deep, that names an image."""
    for element in dataset:
        for item in element.value if element.VR == "SQ" else ():
            if "ReferencedSOPClassUID" in item:
                yield item
            yield from _references(item)


def _uid(*parts: str) -> str:
    """Return a UID made from its content: the same mask of the same image has the same UID."""
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=["hybridseg", *map(str, parts)]))


def _digest(masks: NDArray[np.bool_]) -> str:
    return hashlib.sha256(np.packbits(masks).tobytes()).hexdigest()
