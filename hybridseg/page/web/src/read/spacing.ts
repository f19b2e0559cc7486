/** How far neighbouring pixels are apart, where a DICOM file tells: PS3.3, C.8.5.5. */
import type { DataSet } from "dicom-parser";

const [TWO_DIMENSIONAL, CENTIMETRES] = [1, 3];

/** Return [row, column] in mm; null where it isn't known, or differs between the picture's regions. */
export function findSpacing(set: DataSet): [number, number] | null {
  const found = new Map<string, [number, number]>();
  for (const { dataSet: region } of set.elements.x00186011?.items ?? []) {
    const inCentimetres = region?.uint16("x00186024") === CENTIMETRES && region.uint16("x00186026") === CENTIMETRES;
    if (!inCentimetres || region.uint16("x00186012") !== TWO_DIMENSIONAL) continue;
    const [row, column] = ["x0018602e", "x0018602c"].map((tag) => 10 * Math.abs(region.double(tag) ?? Number.NaN));
    remember(found, row as number, column as number);
  }
  if (found.size === 0 && set.elements.x00280030)
    remember(found, set.floatString("x00280030", 0) ?? Number.NaN, set.floatString("x00280030", 1) ?? Number.NaN);
  const [spacing] = found.values();
  return found.size === 1 && spacing?.every((side) => side > 1e-4 && side < 100) ? spacing : null;
}

function remember(found: Map<string, [number, number]>, row: number, column: number): void {
  found.set(`${row.toFixed(7)} ${column.toFixed(7)}`, [row, column]);
}
