/** From the bytes of a file to grey pictures. The content decides what a file is, not its name. */
import { isDicom, openDicom } from "./dicom";
import { type Opened, type Picture, ReadError } from "./picture";
import { readPng } from "./png";
import { checkJpegIsWhole } from "./raster";
import { openTiff } from "./tiff";

/** Decodes JPEG, BMP and WebP: a browser does it, tests in Node bring their own. */
export type Decode = (data: Uint8Array<ArrayBuffer>, type: string) => Promise<Picture>;

const MAX_FRAMES = 10_000;

export function open(data: Uint8Array<ArrayBuffer>, decode: Decode): Opened {
  if (data.length === 0) throw new ReadError("is empty (0 bytes)");
  const opened = openKind(data, decode);
  if (opened.frames > MAX_FRAMES) throw new ReadError(`holds ${opened.frames} frames, at most ${MAX_FRAMES} are read`);
  return opened;
}

function openKind(data: Uint8Array<ArrayBuffer>, decode: Decode): Opened {
  const single = (read: () => Promise<Picture>): Opened => ({ frames: 1, spacing: null, read });
  const start = Array.from(data.subarray(0, 12), (byte) => String.fromCharCode(byte)).join("");
  if (isDicom(data)) return openDicom(data, decode);
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return single(async () => readPng(data));
  if (start.startsWith("II*\0") || start.startsWith("MM\0*")) return openTiff(data, decode);
  if (start.startsWith("\xff\xd8")) {
    checkJpegIsWhole(data);
    return single(() => decode(data, "image/jpeg"));
  }
  if (start.startsWith("BM")) return single(() => decode(data, "image/bmp"));
  if (start.startsWith("RIFF") && start.endsWith("WEBP")) return single(() => decode(data, "image/webp"));
  throw new ReadError("is not a PNG, JPEG, BMP, WebP, TIFF or DICOM picture");
}
