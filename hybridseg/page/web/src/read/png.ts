/** PNG of every depth, checksums checked. */
import { decode } from "fast-png";
import * as UTIF from "utif2";
import { checkSize, fromColours, fromDeep, fromGrey, type Picture, ReadError, turnUpright } from "./picture";

const SIZE_END = 24;

export function readPng(data: Uint8Array<ArrayBuffer>): Picture {
  if (data.length < SIZE_END) throw new ReadError("is truncated");
  const header = new DataView(data.buffer, data.byteOffset, data.byteLength);
  checkSize(header.getUint32(16), header.getUint32(20));
  return turnUpright(readPixels(data), orientationOf(header));
}

/** Return what the chunk eXIf says of the picture's orientation, 1 where there is none. */
function orientationOf(view: DataView<ArrayBuffer>): number {
  for (let at = 8; at + 12 <= view.byteLength; at += 12 + view.getUint32(at)) {
    const isExif = view.getUint32(at + 4) === 0x65584966;
    const start = view.byteOffset + at + 8;
    if (isExif) return Number(UTIF.decode(view.buffer.slice(start, start + view.getUint32(at)))[0]?.t274 ?? 1);
  }
  return 1;
}

function readPixels(data: Uint8Array<ArrayBuffer>): Picture {
  const { width, height, depth, channels, palette, data: samples } = decode(data, { checkCrc: true });
  const pixels = width * height;
  if (palette) {
    const colours = new Uint8Array(pixels * 3);
    const indices = depth < 8 ? unpackBits(samples, width, height, depth) : samples;
    for (let i = 0; i < pixels; i++) {
      const colour = palette[indices[i] as number];
      if (!colour) throw new ReadError("has a colour that isn't in its palette");
      colours.set(colour.slice(0, 3), 3 * i);
    }
    return fromColours(width, height, colours, 3);
  }
  if (depth < 8) {
    const white = 2 ** depth - 1;
    return fromGrey(
      width,
      height,
      unpackBits(samples, width, height, depth).map((value) => (value * 255) / white),
    );
  }
  const colours = channels - ((channels + 1) % 2); // without alpha: of 2 channels 1, of 4 3
  if (colours === 1) {
    const grey = channels === 1 ? samples : every(samples, channels, pixels);
    // Pillow reads grey with alpha as its upper 8 bits
    return depth === 16 ? fromDeep(width, height, grey, 16) : fromGrey(width, height, grey);
  }
  const bytes = depth === 16 ? Uint8Array.from(samples, (value) => value >> 8) : samples;
  return fromColours(width, height, bytes, channels === 4 ? 4 : 3);
}

function every(samples: ArrayLike<number>, step: number, count: number): Uint16Array {
  return Uint16Array.from({ length: count }, (_, i) => samples[i * step] as number);
}

/** Rows of less than 8 bits a pixel begin at whole bytes. */
function unpackBits(packed: ArrayLike<number>, width: number, height: number, depth: number): Uint8Array {
  const values = new Uint8Array(width * height);
  const rowBytes = Math.ceil((width * depth) / 8);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = packed[y * rowBytes + (bit >> 3)] as number;
      values[y * width + x] = (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
    }
  return values;
}
