/** Size of lesions in a mask, as hybridseg/metrics/measure.py has it: with the pixels' own width. */
import { type Grid, label } from "./mask";

type Point = [number, number];

export interface Lesion {
  /** Centre of mass, in pixels from the first pixel's centre. */
  row: number;
  column: number;
  area_px: number;
  long_px: number;
  short_px: number;
  area_mm2: number | null;
  long_mm: number | null;
  short_mm: number | null;
  /** Ends of the longest diameter as [row, column], in pixels; in mm where the spacing is known. */
  ends: [Point, Point];
}

/** Return the 8-connected regions of a mask, largest first. `spacing`: [row, column] in mm. */
export function measureLesions(mask: Uint8Array, grid: Grid, spacing: [number, number] | null): Lesion[] {
  const { labels, count } = label(mask, grid);
  const found = Array.from({ length: count }, () => ({ area: 0, rows: 0, columns: 0, corners: [] as Point[] }));
  for (let y = 0, i = 0; y < grid.height; y++) {
    const first = new Map<number, number>();
    const last = new Map<number, number>();
    for (let x = 0; x < grid.width; x++, i++) {
      const number = labels[i] as number;
      if (!number) continue;
      const region = found[number - 1] as (typeof found)[0];
      region.area++;
      region.rows += y;
      region.columns += x;
      if (!first.has(number)) first.set(number, x);
      last.set(number, x);
    }
    for (const [number, x] of first) {
      const end = last.get(number) as number;
      const corners = (found[number - 1] as (typeof found)[0]).corners;
      corners.push([y - 0.5, x - 0.5], [y + 0.5, x - 0.5], [y - 0.5, end + 0.5], [y + 0.5, end + 0.5]);
    }
  }
  const lesions = found.map(({ area, rows, columns, corners }): Lesion => {
    const pixels = diameters(corners);
    const scaled = spacing && diameters(corners.map(([row, column]): Point => [row * spacing[0], column * spacing[1]]));
    return {
      row: rows / area,
      column: columns / area,
      area_px: area,
      long_px: pixels.long,
      short_px: pixels.short,
      area_mm2: spacing && area * spacing[0] * spacing[1],
      long_mm: scaled?.long ?? null,
      short_mm: scaled?.short ?? null,
      ends:
        spacing && scaled ? (scaled.ends.map(([row, column]) => [row / spacing[0], column / spacing[1]]) as [Point, Point]) : pixels.ends,
    };
  });
  return lesions.sort((a, b) => b.area_px - a.area_px || a.row - b.row || a.column - b.column);
}

/** Return the greatest distance between two of the points, and their extent at right angles to it. */
function diameters(points: Point[]): { long: number; short: number; ends: [Point, Point] } {
  const hull = convexHull(points);
  let [long, ends] = [0, [hull[0], hull[0]] as [Point, Point]];
  for (const a of hull)
    for (const b of hull) {
      const length = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (length > long) [long, ends] = [length, [a, b]];
    }
  const [down, right] = [(ends[0][0] - ends[1][0]) / long, (ends[0][1] - ends[1][1]) / long];
  const across = hull.map(([row, column]) => column * down - row * right);
  return { long, short: Math.max(...across) - Math.min(...across), ends };
}

/** Andrew's monotone chain (1979), doi 10.1016/0020-0190(79)90072-3. */
function convexHull(points: Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (ordered: Point[]): Point[] => {
    const chain: Point[] = [];
    for (const point of ordered) {
      while (chain.length > 1 && !turnsLeft(chain[chain.length - 2] as Point, chain[chain.length - 1] as Point, point)) chain.pop();
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

function turnsLeft(a: Point, b: Point, c: Point): boolean {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0;
}
