/** What a decoded file becomes: one grey picture, by the rules of hybridseg/images/pixels.py. */

export interface Picture {
  width: number;
  height: number;
  /** Grey levels, row by row. */
  grey: Uint8Array<ArrayBuffer>;
  /** Share of pixels whose channels differ clearly, 0 to 1. */
  coloured: number;
}

export interface Opened {
  frames: number;
  /** Distance between neighbouring pixels as [row, column] in mm, where the file tells it. */
  spacing: [number, number] | null;
  read(frame: number): Promise<Picture>;
}

/** A file that can't be read; the message names the reason, not the file. */
export class ReadError extends Error {}

export const MAX_PIXELS = 64_000_000;
const MIN_BRIGHTEST = 16;
const CLEARLY_COLOURED = 40;

export function checkSize(width: number, height: number): void {
  if (!(width >= 1 && height >= 1)) throw new ReadError(`has no pixels (${height} x ${width})`);
  if (width * height > MAX_PIXELS) throw new ReadError(`has ${height} x ${width} pixels, at most ${MAX_PIXELS} are read`);
}

/** Make a picture of colours that lie `step` bytes apart, as Pillow's mode L does. */
export function fromColours(width: number, height: number, data: ArrayLike<number>, step: 3 | 4): Picture {
  const grey = new Uint8Array(width * height);
  let coloured = 0;
  for (let i = 0, at = 0; i < grey.length; i++, at += step) {
    const red = data[at] as number;
    const green = data[at + 1] as number;
    const blue = data[at + 2] as number;
    grey[i] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
    if (Math.max(red, green, blue) - Math.min(red, green, blue) > CLEARLY_COLOURED) coloured++;
  }
  return { width, height, grey, coloured: coloured / grey.length };
}

export function fromGrey(width: number, height: number, data: ArrayLike<number>): Picture {
  return { width, height, grey: Uint8Array.from(data), coloured: 0 };
}

/** Keep the upper eight of `bits` bits. Values that end far below their range are refused, not made black. */
export function fromDeep(width: number, height: number, data: ArrayLike<number>, bits: number): Picture {
  let brightest = 0;
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) {
    const value = data[i] as number;
    if (value > brightest) brightest = value;
    grey[i] = value >> (bits - 8);
  }
  if (bits > 8 && brightest > 0 && brightest < MIN_BRIGHTEST << (bits - 8))
    throw new ReadError(`has values that end at ${brightest} of ${2 ** bits - 1}: its true range isn't known`);
  return { width, height, grey, coloured: 0 };
}

/** Undo an orientation as EXIF and TIFF have it, 1 to 8; others are taken for upright. */
export function turnUpright(picture: Picture, orientation: number): Picture {
  if (!(orientation > 1 && orientation <= 8)) return picture;
  const { width, height } = picture;
  const swapped = orientation > 4; // rows and columns change places
  const [mirrored, upsideDown] = [[2, 3, 7, 8].includes(orientation), [3, 4, 6, 7].includes(orientation)];
  const grey = new Uint8Array(width * height);
  const turned = swapped ? { width: height, height: width } : { width, height };
  for (let y = 0, to = 0; y < turned.height; y++)
    for (let x = 0; x < turned.width; x++, to++) {
      const [column, row] = swapped ? [y, x] : [x, y];
      grey[to] = picture.grey[(upsideDown ? height - 1 - row : row) * width + (mirrored ? width - 1 - column : column)] as number;
    }
  return { ...picture, ...turned, grey };
}

/** Round to the nearest whole number, halves to the even one, as NumPy does. */
export function roundHalfEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}
