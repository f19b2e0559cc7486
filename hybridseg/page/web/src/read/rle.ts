/** DICOM's run-length code: PS3.5, annex G. */
import { ReadError } from "./picture";

const HEADER_BYTES = 64;

/** Return the segments of a frame, each of `size` bytes: one a sample and byte, the upper byte first. */
export function unpackRle(packed: Uint8Array, size: number): Uint8Array[] {
  if (packed.length < HEADER_BYTES) throw new ReadError("has a damaged RLE frame");
  const header = new DataView(packed.buffer, packed.byteOffset, HEADER_BYTES);
  const count = header.getUint32(0, true);
  if (count < 1 || count > 15) throw new ReadError("has a damaged RLE frame");
  return Array.from({ length: count }, (_, i) => {
    const start = header.getUint32(4 * (i + 1), true);
    const end = i + 1 < count ? header.getUint32(4 * (i + 2), true) : packed.length;
    return unpackSegment(packed.subarray(start, end), size);
  });
}

function unpackSegment(packed: Uint8Array, size: number): Uint8Array {
  const values = new Uint8Array(size);
  let at = 0;
  let to = 0;
  while (to < size && at < packed.length) {
    const control = packed[at++] as number;
    if (control === 128) continue;
    const length = control < 128 ? control + 1 : 257 - control;
    if (to + length > size) throw new ReadError("has an RLE frame longer than its header says");
    if (control < 128) {
      values.set(packed.subarray(at, at + length), to);
      at += length;
    } else {
      values.fill(packed[at++] ?? 0, to, to + length);
    }
    to += length;
  }
  if (to < size || at > packed.length) throw new ReadError("has a truncated RLE frame");
  return values;
}
