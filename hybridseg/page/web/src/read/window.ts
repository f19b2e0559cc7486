/** From a DICOM file's stored values to the grey that a viewer shows at first: PS3.3, C.11.1 and C.11.2. */
import type { DataSet } from "dicom-parser";
import { ReadError, roundHalfEven } from "./picture";

/** From a stored value to a grey level of 8 bits. */
export type Show = (stored: number) => number;

/** Return what the file's rescale and first window do, null where it has neither window nor VOI table. */
export function findWindow(set: DataSet, signed: boolean): Show | null {
  const slope = set.floatString("x00281053") ?? 1;
  const intercept = set.floatString("x00281052") ?? 0;
  const table = set.elements.x00283010?.items?.[0]?.dataSet;
  const [centre, width] = [set.floatString("x00281050"), set.floatString("x00281051")];
  const windowed = centre !== undefined && width !== undefined;
  if ((windowed || table) && set.elements.x00283000) throw new ReadError("has a modality look-up table, which isn't read");
  const grey = (share: number) => roundHalfEven(Math.min(Math.max(share, 0), 1) * 255);
  if (windowed) {
    const share = windowFunction(set.string("x00281056") ?? "LINEAR", centre, width);
    return (stored) => grey(share(stored * slope + intercept));
  }
  if (!table) return null;
  const [count, first, bits] = readDescriptor(table, signed);
  return (stored) => {
    const at = Math.min(Math.max(Math.trunc(stored * slope + intercept) - first, 0), count - 1);
    return grey((table.uint16("x00283006", at) ?? 0) / (2 ** bits - 1));
  };
}

function windowFunction(name: string, centre: number, width: number): (value: number) => number {
  const least = name === "LINEAR" ? 1 : Number.MIN_VALUE;
  if (!(Number.isFinite(centre) && width >= least))
    throw new ReadError(`has a window that means nothing (centre ${centre}, width ${width})`);
  // A width of 256 has 256 values, 255 steps; of width 1, one step from black to white.
  if (name === "LINEAR") return (value) => (value - (centre - 0.5)) / Math.max(width - 1, 1e-9) + 0.5;
  if (name === "LINEAR_EXACT") return (value) => (value - centre) / width + 0.5;
  if (name === "SIGMOID") return (value) => 1 / (1 + Math.exp((-4 * (value - centre)) / width));
  throw new ReadError(`has a window of a kind that isn't known (${name.slice(0, 40)})`);
}

function readDescriptor(table: DataSet, signed: boolean): [number, number, number] {
  const first = (signed ? table.int16("x00283002", 1) : table.uint16("x00283002", 1)) ?? 0;
  return [table.uint16("x00283002", 0) || 65536, first, table.uint16("x00283002", 2) ?? 16];
}
