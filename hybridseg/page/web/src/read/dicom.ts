/** DICOM: grey, RGB, YBR and palettes; uncompressed, RLE and JPEG baseline; one frame or many. After images/dicom.py. */
import * as dicomParser from "dicom-parser";
import type { Decode } from "./index";
import { checkSize, fromColours, fromDeep, fromGrey, type Opened, type Picture, ReadError } from "./picture";
import { unpackRle } from "./rle";
import { findSpacing } from "./spacing";
import { findWindow, type Show } from "./window";

const [IMPLICIT, EXPLICIT, BIG] = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"];
const [RLE, JPEG_BASELINE] = ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50"];
const PIXELS = "x7fe00010";

interface Header {
  width: number;
  height: number;
  frames: number;
  samples: number;
  allocated: number;
  stored: number;
  signed: boolean;
  planar: boolean;
  photometric: string;
  syntax: string;
}

export function isDicom(data: Uint8Array): boolean {
  const marked = String.fromCharCode(...data.subarray(128, 132)) === "DICM";
  const group = (data[0] === 2 || data[0] === 8) && data[1] === 0;
  return marked || (group && (data[2] as number) < 0x80 && data[3] === 0 && data.length > 132);
}

export function openDicom(data: Uint8Array<ArrayBuffer>, decode: Decode): Opened {
  const set = parse(data);
  const header = readHeader(set);
  checkSize(header.width, header.height);
  const show = findWindow(set, header.signed);
  return {
    frames: header.frames,
    spacing: findSpacing(set),
    read: async (frame) => {
      if (header.syntax === JPEG_BASELINE) return readJpeg(encapsulated(set, frame), header, show, decode);
      return interpret(set, header, show, storedValues(set, header, frame));
    },
  };
}

function parse(data: Uint8Array<ArrayBuffer>): dicomParser.DataSet {
  const marked = String.fromCharCode(...data.subarray(128, 132)) === "DICM";
  const lettered = /^[A-Z]{2}$/.test(String.fromCharCode(...data.subarray(4, 6)));
  try {
    // A file without the 128 bytes in front starts with the data set, in one of two spellings.
    return marked ? dicomParser.parseDicom(data) : dicomParser.parseDicom(data, { TransferSyntaxUID: lettered ? EXPLICIT : IMPLICIT });
  } catch (error) {
    const reason = error instanceof Error ? error.message : (error as { exception?: string }).exception;
    throw new ReadError(`is a damaged DICOM file (${String(reason).slice(0, 100)})`);
  }
}

function readHeader(set: dicomParser.DataSet): Header {
  const header = {
    height: set.uint16("x00280010") ?? 0,
    width: set.uint16("x00280011") ?? 0,
    frames: set.intString("x00280008") ?? 1,
    samples: set.uint16("x00280002") ?? 1,
    allocated: set.uint16("x00280100") ?? 0,
    stored: set.uint16("x00280101") ?? 0,
    signed: set.uint16("x00280103") === 1,
    planar: set.uint16("x00280006") === 1,
    photometric: set.string("x00280004") ?? "",
    syntax: set.string("x00020010") ?? IMPLICIT,
  };
  if (!set.elements[PIXELS] || header.width === 0) throw new ReadError("is DICOM, but holds no picture");
  if (![IMPLICIT, EXPLICIT, BIG, RLE, JPEG_BASELINE].includes(header.syntax))
    throw new ReadError(`has a DICOM compression that this page doesn't read (${header.syntax.slice(0, 64)})`);
  if (![8, 16].includes(header.allocated) || header.stored < 1 || header.stored > header.allocated)
    throw new ReadError(`has ${header.stored} bits stored in ${header.allocated}; 8 and 16 are read`);
  if (header.frames < 1) throw new ReadError(`says that it holds ${header.frames} frames`);
  return header;
}

function encapsulated(set: dicomParser.DataSet, frame: number): Uint8Array {
  const element = set.elements[PIXELS] as dicomParser.Element;
  const fragments = element.fragments ?? [];
  const frames = set.intString("x00280008") ?? 1;
  if (frames === 1) return dicomParser.readEncapsulatedPixelDataFromFragments(set, element, 0, fragments.length) as Uint8Array;
  if (element.basicOffsetTable?.length) return dicomParser.readEncapsulatedImageFrame(set, element, frame) as Uint8Array;
  if (frame >= fragments.length) throw new ReadError("is truncated");
  return dicomParser.readEncapsulatedPixelDataFromFragments(set, element, frame) as Uint8Array;
}

/** Return the samples of a frame, pixel by pixel. */
function storedValues(set: dicomParser.DataSet, header: Header, frame: number): Uint8Array | Uint16Array {
  const { width, height, samples, allocated, planar, photometric, syntax } = header;
  const size = width * height;
  const bytes = allocated / 8;
  if (syntax === RLE) {
    const segments = unpackRle(encapsulated(set, frame), size);
    if (segments.length !== samples * bytes) throw new ReadError("has an RLE frame of another kind than its header says");
    return interleave(segments, samples, bytes, size);
  }
  const element = set.elements[PIXELS] as dicomParser.Element;
  const halved = photometric === "YBR_FULL_422";
  const length = size * bytes * (halved ? 2 : samples);
  const start = element.dataOffset + frame * length;
  if ((frame + 1) * length > element.length || start + length > set.byteArray.length) throw new ReadError("is truncated");
  const raw = set.byteArray.subarray(start, start + length) as Uint8Array;
  if (halved) return doubled(raw, size);
  const view = new DataView(raw.buffer, raw.byteOffset, length);
  const values = bytes === 1 ? raw : Uint16Array.from({ length: length / 2 }, (_, i) => view.getUint16(2 * i, syntax !== BIG));
  return planar && samples === 3 ? values.map((_, i) => values[(i % 3) * size + Math.floor(i / 3)] as number) : values;
}

function interleave(segments: Uint8Array[], samples: number, bytes: number, size: number): Uint8Array | Uint16Array {
  const values = bytes === 1 ? new Uint8Array(size * samples) : new Uint16Array(size * samples);
  segments.forEach((segment, number) => {
    const sample = Math.floor(number / bytes);
    const shift = 8 * (bytes - 1 - (number % bytes));
    for (let i = 0; i < size; i++)
      values[i * samples + sample] = (values[i * samples + sample] as number) | ((segment[i] as number) << shift);
  });
  return values;
}

/** YBR_FULL_422 has two brightnesses, then the colour of both. */
function doubled(raw: Uint8Array, size: number): Uint8Array {
  const values = new Uint8Array(size * 3);
  for (let i = 0; i < size; i++) {
    const pair = (i >> 1) * 4;
    values[3 * i] = raw[pair + (i & 1)] as number;
    values[3 * i + 1] = raw[pair + 2] as number;
    values[3 * i + 2] = raw[pair + 3] as number;
  }
  return values;
}

function interpret(set: dicomParser.DataSet, header: Header, show: Show | null, values: Uint8Array | Uint16Array): Picture {
  const { width, height, photometric, stored } = header;
  if (photometric.startsWith("MONOCHROME")) return greyPicture(header, show, values);
  if (photometric === "PALETTE COLOR") return fromColours(width, height, coloursOfPalette(set, values), 3);
  const bytes = stored > 8 ? Uint8Array.from(values, (value) => value >> (stored - 8)) : values;
  if (photometric === "RGB") return fromColours(width, height, bytes, 3);
  if (photometric === "YBR_FULL" || photometric === "YBR_FULL_422") return fromColours(width, height, toRgb(bytes), 3);
  throw new ReadError(`has colours of a kind that isn't read (${photometric.slice(0, 40)})`);
}

function greyPicture(header: Header, show: Show | null, values: Uint8Array | Uint16Array): Picture {
  const { width, height, stored, signed } = header;
  const inverted = header.photometric === "MONOCHROME1";
  const sign = 2 ** (stored - 1);
  const numbers = Int32Array.from(values, (value) => {
    const kept = value & (2 ** stored - 1);
    return signed && kept >= sign ? kept - 2 * sign : kept;
  });
  const turn = (grey: Uint8Array) => fromGrey(width, height, inverted ? grey.map((value) => 255 - value) : grey);
  if (show) return turn(Uint8Array.from(numbers, show));
  const white = 2 ** stored - 1;
  const low = signed ? -sign : 0;
  if (stored <= 8) return turn(Uint8Array.from(numbers, (value) => Math.floor(((value - low) * 255) / white)));
  return fromDeep(
    width,
    height,
    numbers.map((value) => (inverted ? white - value + low : value - low)),
    stored,
  );
}

function toRgb(values: ArrayLike<number>): Uint8ClampedArray {
  const colours = new Uint8ClampedArray(values.length); // rounds and clips
  for (let i = 0; i < values.length; i += 3) {
    const [y, blue, red] = [values[i] as number, (values[i + 1] as number) - 128, (values[i + 2] as number) - 128];
    colours[i] = y + 1.402 * red;
    colours[i + 1] = y - 0.344136 * blue - 0.714136 * red;
    colours[i + 2] = y + 1.772 * blue;
  }
  return colours;
}

function coloursOfPalette(set: dicomParser.DataSet, values: ArrayLike<number>): Uint8Array {
  const tables = ["1", "2", "3"].map((channel) => {
    const [count, first, bits] = [0, 1, 2].map((i) => set.uint16(`x0028110${channel}`, i) ?? 0) as [number, number, number];
    const element = set.elements[`x0028120${channel}`];
    if (!element) throw new ReadError("has a palette of a kind that isn't read");
    const entries = count || 65536;
    const deep = element.length >= 2 * entries;
    const entry = (i: number) =>
      deep ? (set.uint16(`x0028120${channel}`, i) as number) : (set.byteArray[element.dataOffset + i] as number);
    return { first, entries: Uint8Array.from({ length: entries }, (_, i) => (bits > 8 ? entry(i) >> (bits - 8) : entry(i))) };
  });
  const colours = new Uint8Array(values.length * 3);
  for (let i = 0; i < values.length; i++)
    tables.forEach(({ first, entries }, channel) => {
      const at = Math.min(Math.max((values[i] as number) - first, 0), entries.length - 1);
      colours[3 * i + channel] = entries[at] as number;
    });
  return colours;
}

async function readJpeg(packed: Uint8Array, header: Header, show: Show | null, decode: Decode): Promise<Picture> {
  const picture = await decode(Uint8Array.from(packed), "image/jpeg");
  if (picture.width !== header.width || picture.height !== header.height)
    throw new ReadError(`holds a frame of ${picture.height} x ${picture.width}, its header says ${header.height} x ${header.width}`);
  return header.photometric.startsWith("MONOCHROME") ? greyPicture(header, show, picture.grey) : picture;
}
