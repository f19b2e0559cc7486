"""DICOM files made for tests."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage

STUDY, SERIES, INSTANCE = "1.2.826.0.1.3680043.10.1.1", "1.2.826.0.1.3680043.10.1.2", "1.2.826.0.1.3680043.10.1.3"


def dataset(
    array: np.ndarray,
    photometric: str = "MONOCHROME2",
    *,
    stored: int | None = None,
    signed: bool = False,
    frames: int | None = None,
    **tags: Any,
) -> FileDataset:
    """Return an ultrasound image; ``tags`` by keyword replace or add what it says."""
    colour = array.shape[-1] == 3 and photometric not in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
    rows, columns = array.shape[-3:-1] if colour else array.shape[-2:]
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UltrasoundImageStorage
    meta.MediaStorageSOPInstanceUID = INSTANCE
    image = FileDataset(None, Dataset(), file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = UltrasoundImageStorage, INSTANCE
    image.StudyInstanceUID, image.SeriesInstanceUID = STUDY, SERIES
    image.StudyDate, image.StudyTime, image.StudyID, image.AccessionNumber = "20200102", "030405", "S77", "A123"
    image.SeriesNumber, image.InstanceNumber = 1, 1
    image.PatientName, image.PatientID = "Doe^Jane", "P0042"
    image.PatientBirthDate, image.PatientSex, image.ReferringPhysicianName = "19700101", "F", "House^G"
    image.Manufacturer, image.Modality = "Maker", "US"
    image.Rows, image.Columns = rows, columns
    image.SamplesPerPixel = 3 if colour else 1
    if colour:
        image.PlanarConfiguration = 0
    image.PhotometricInterpretation = photometric
    image.BitsAllocated = 8 * array.dtype.itemsize
    image.BitsStored = stored or image.BitsAllocated
    image.HighBit = image.BitsStored - 1
    image.PixelRepresentation = int(signed)
    if frames is not None:
        image.NumberOfFrames = frames
    image.PixelData = array.tobytes()
    for keyword, value in tags.items():
        setattr(image, keyword, value)
    return image


def packed(image: FileDataset, syntax: str, frames: list[bytes]) -> FileDataset:
    """Replace the pixels by compressed frames."""
    image.file_meta.TransferSyntaxUID = syntax
    image.PixelData = encapsulate(frames)
    image["PixelData"].is_undefined_length = True
    return image


def region(row_cm: float, column_cm: float, **tags: Any) -> Dataset:
    """Return a two-dimensional ultrasound region with these distances."""
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType = 1, 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX, item.PhysicalDeltaY = column_cm, row_cm
    item.RegionLocationMinX0 = item.RegionLocationMinY0 = 0
    item.RegionLocationMaxX1 = item.RegionLocationMaxY1 = 10
    for keyword, value in tags.items():
        setattr(item, keyword, value)
    return item


def to_bytes(image: FileDataset) -> bytes:
    """Return the bytes of the file."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hostile values are meant
        image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
