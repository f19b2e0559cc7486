/** JPEG, BMP and WebP, by the browser's own decoder. */
import { checkSize, fromColours, type Picture, ReadError } from "./picture";

/** Decode through a canvas, colours as they are stored. */
export async function readByBrowser(data: Uint8Array<ArrayBuffer>, type: string): Promise<Picture> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(new Blob([data], { type }), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new ReadError("is damaged, or of a kind that this browser can't decode");
  }
  const { width, height } = bitmap;
  checkSize(width, height);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new ReadError("is larger than this browser's canvas takes");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return fromColours(width, height, context.getImageData(0, 0, width, height).data, 4);
}

/** The browser fills the rest of a truncated JPEG with grey: look for its end, behind the first scan's start. */
export function checkJpegIsWhole(data: Uint8Array): void {
  let at = 2;
  while (at + 4 <= data.length && data[at] === 0xff && data[at + 1] !== 0xda)
    at += data[at + 1] === 0xff ? 1 : 2 + (((data[at + 2] as number) << 8) | (data[at + 3] as number));
  for (let i = data.length - 2; i > at; i--) if (data[i] === 0xff && data[i + 1] === 0xd9) return;
  throw new ReadError("is truncated (the JPEG's end is missing)");
}
