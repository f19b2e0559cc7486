/** TIFF of one or many pages, by utif2. */
import * as UTIF from "utif2";
import type { Decode } from "./index";
import { checkSize, fromColours, fromDeep, fromGrey, type Opened, type Picture, ReadError, roundHalfEven, turnUpright } from "./picture";

const [WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, SAMPLES, COUNTS] = [256, 257, 258, 259, 262, 273, 277, 279];
const [TILE_OFFSETS, TILE_COUNTS, SAMPLE_FORMAT, ORIENTATION] = [324, 325, 339, 274];
const JPEG_TABLES = 347;
const [WHITE_IS_ZERO, BLACK_IS_ZERO, RGB] = [0, 1, 2];
const JPEG = 7;
const FLOAT = 3;

type Page = UTIF.IFD;

export function openTiff(data: Uint8Array<ArrayBuffer>, decode: Decode): Opened {
  const pages = UTIF.decode(data.buffer).filter((page) => page[`t${WIDTH}`]);
  if (pages.length === 0) throw new ReadError("is a damaged TIFF");
  return {
    frames: pages.length,
    spacing: null,
    read: async (frame) => {
      const page = pages[frame] as Page;
      const picture = tag(page, COMPRESSION, 1) === JPEG ? await readJpegStrips(data, page, decode) : readPage(data, page);
      page.data = undefined as unknown as Uint8Array; // the next page needs the memory
      return turnUpright(picture, tag(page, ORIENTATION, 1));
    },
  };
}

function tag(page: Page, number: number, otherwise: number): number {
  const values = page[`t${number}`] as number[] | undefined;
  return values?.[0] ?? otherwise;
}

/** Each strip is a JPEG without its tables, which stand before all of them. utif2 reads grey ones wrongly. */
async function readJpegStrips(data: Uint8Array<ArrayBuffer>, page: Page, decode: Decode): Promise<Picture> {
  check(data, page);
  if (page[`t${TILE_OFFSETS}`] || [WHITE_IS_ZERO, RGB].includes(tag(page, PHOTOMETRIC, BLACK_IS_ZERO)))
    throw new ReadError("is a TIFF with JPEG inside of a kind that isn't read");
  const [width, height] = [tag(page, WIDTH, 0), tag(page, HEIGHT, 0)];
  const tables = Uint8Array.from((page[`t${JPEG_TABLES}`] ?? []) as number[]);
  const grey = new Uint8Array(width * height);
  let [filled, coloured] = [0, 0];
  for (const [i, offset] of (page[`t${OFFSETS}`] as number[]).entries()) {
    const strip = data.subarray(offset, offset + ((page[`t${COUNTS}`] as number[])[i] ?? 0));
    // the tables end with a mark of two bytes, and the strip starts with one
    const parts = tables.length > 0 ? [...tables.subarray(0, -2), ...strip.subarray(2)] : strip;
    const picture = await decode(Uint8Array.from(parts), "image/jpeg");
    if (picture.width !== width || filled + picture.grey.length > grey.length) throw new ReadError("is a damaged TIFF");
    grey.set(picture.grey, filled);
    filled += picture.grey.length;
    coloured += picture.coloured * picture.grey.length;
  }
  if (filled < grey.length) throw new ReadError("is truncated");
  return { width, height, grey, coloured: coloured / filled };
}

function check(data: Uint8Array, page: Page): void {
  checkSize(tag(page, WIDTH, 0), tag(page, HEIGHT, 0));
  checkWhole(data, page);
}

function readPage(data: Uint8Array<ArrayBuffer>, page: Page): Picture {
  check(data, page);
  UTIF.decodeImage(data.buffer, page);
  const { width, height } = page;
  const bits = tag(page, BITS, 1);
  const kind = tag(page, PHOTOMETRIC, BLACK_IS_ZERO);
  const samples = tag(page, SAMPLES, 1);
  const signed = tag(page, SAMPLE_FORMAT, 1) === 2;
  if (signed) throw new ReadError("holds signed integers; 8 and 16 bits without sign are read");
  const inverted = kind === WHITE_IS_ZERO;
  if (samples === 1 && (inverted || kind === BLACK_IS_ZERO) && bits >= 8) {
    if (page.data.length < (width * height * bits) / 8) throw new ReadError("is truncated");
    return readGrey(page, bits, inverted);
  }
  return fromColours(width, height, UTIF.toRGBA8(page), 4);
}

/** utif2 reads what a truncated file lacks as zeros. */
function checkWhole(data: Uint8Array, page: Page): void {
  const offsets = (page[`t${TILE_OFFSETS}`] ?? page[`t${OFFSETS}`] ?? []) as number[];
  const counts = (page[`t${TILE_COUNTS}`] ?? page[`t${COUNTS}`] ?? []) as number[];
  if (offsets.length === 0) throw new ReadError("is a damaged TIFF");
  if (offsets.some((offset, i) => offset + (counts[i] ?? 0) > data.length)) throw new ReadError("is truncated");
}

function readGrey(page: Page, bits: number, inverted: boolean): Picture {
  const { width, height } = page;
  const view = new DataView(page.data.buffer, page.data.byteOffset, page.data.byteLength);
  const little = Boolean((page as unknown as { isLE: boolean }).isLE);
  const pixels = width * height;
  if (bits === 8) return fromGrey(width, height, inverted ? page.data.map((value) => 255 - value) : page.data);
  if (bits === 16) {
    const deep = Uint16Array.from({ length: pixels }, (_, i) => view.getUint16(2 * i, little));
    return fromDeep(width, height, inverted ? deep.map((value) => 65535 - value) : deep, 16);
  }
  if (bits !== 32 || tag(page, SAMPLE_FORMAT, 1) !== FLOAT) throw new ReadError(`has ${bits} bits a pixel, which isn't read`);
  const grey = new Uint8Array(pixels);
  for (let i = 0; i < pixels; i++) {
    const value = view.getFloat32(4 * i, little);
    if (!(value >= 0 && value <= 1)) throw new ReadError("has floating-point values outside [0, 1]");
    grey[i] = roundHalfEven(Math.fround((inverted ? 1 - value : value) * 255));
  }
  return fromGrey(width, height, grey);
}
