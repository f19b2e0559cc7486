// Opens a DICOM SEG beside its image as OHIF does, and prints each frame's labelmap in base64.
//
//     node open.mjs image.dcm seg.dcm

import { readFileSync } from "node:fs";

import { adaptersSEG } from "@cornerstonejs/adapters";
import { metaData } from "@cornerstonejs/core";
import dcmjs from "dcmjs";

const { DicomMessage, DicomMetaDictionary } = dcmjs.data;

function bytes(path) {
  const { buffer, byteOffset, length } = readFileSync(path);
  return buffer.slice(byteOffset, byteOffset + length);
}

const [imagePath, segPath] = process.argv.slice(2);
const image = DicomMetaDictionary.naturalizeDataset(DicomMessage.readFile(bytes(imagePath)).dict);
const imageIds = Array.from({ length: image.NumberOfFrames ?? 1 }, (_, index) => `test:image?frame=${index + 1}`);

// What OHIF knows of an ultrasound image, which has no orientation: it takes this one.
const modules = {
  instance: image,
  generalImageModule: { sopInstanceUID: image.SOPInstanceUID },
  generalSeriesModule: { seriesInstanceUID: image.SeriesInstanceUID, modality: image.Modality },
  imagePixelModule: { bitsAllocated: 8, bitsStored: 8, highBit: 7, samplesPerPixel: 1, pixelRepresentation: 0 },
  imagePlaneModule: {
    rows: image.Rows, columns: image.Columns, rowCosines: [1, 0, 0], columnCosines: [0, 1, 0],
    imageOrientationPatient: [1, 0, 0, 0, 1, 0], imagePositionPatient: [0, 0, 0], pixelSpacing: [1, 1],
  },
};
const added = new Map();
const metadataProvider = {
  get: (kind, id) => added.get(`${kind} ${id}`) ?? (imageIds.includes(id) ? modules[kind] : undefined),
  add: (id, kind, content) => added.set(`${kind} ${id}`, content),
};
metaData.addProvider(metadataProvider.get, 1);

const { createFromDICOMSegBuffer } = adaptersSEG.Cornerstone3D.Segmentation;
const { labelMapImages } = await createFromDICOMSegBuffer(imageIds, bytes(segPath), { metadataProvider });
const frames = labelMapImages[0].map((each) => Buffer.from(each.voxelManager.getScalarData()).toString("base64"));
console.log(JSON.stringify(frames));
