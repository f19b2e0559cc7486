/** From a probability map to a mask, as hybridseg/postprocess.py does; and masks kept small. */

export interface OperatingPoint {
  threshold: number;
  fill_holes: boolean;
  largest_only: boolean;
  min_area_fraction: number;
  presence_threshold: number;
  relative: boolean;
}

export interface Grid {
  width: number;
  height: number;
}

const PROBABILITY_STEPS = 2 ** 16;

export function applyOperatingPoint(probability: Float32Array, grid: Grid, point: OperatingPoint): Uint8Array {
  const highest = point.relative ? probability.reduce((most, value) => Math.max(most, value), 0) : 1;
  const threshold = Math.fround(Math.fround(point.threshold) * highest);
  let mask = Uint8Array.from(probability, (value) => (value >= threshold && (value > 0 || !point.relative) ? 1 : 0));
  if (point.fill_holes) fillHoles(mask, grid);
  if (point.largest_only) mask = keepLargest(mask, probability, grid);
  const least = Math.ceil(Math.fround(Math.fround(mask.length) * Math.fround(point.min_area_fraction)));
  if (least > 0) removeSmall(mask, grid, least);
  const peak = probability.reduce((most, value, i) => (mask[i] && value > most ? value : most), 0);
  if (peak < Math.fround(point.presence_threshold)) mask.fill(0);
  return mask;
}

/** Background that isn't 4-connected to the border becomes lesion. */
export function fillHoles(mask: Uint8Array, { width, height }: Grid): void {
  const outside = new Uint8Array(mask.length);
  const stack: number[] = [];
  const visit = (i: number) => {
    if (mask[i] || outside[i]) return;
    outside[i] = 1;
    stack.push(i);
  };
  for (let x = 0; x < width; x++) [x, (height - 1) * width + x].forEach(visit);
  for (let y = 0; y < height; y++) [y * width, y * width + width - 1].forEach(visit);
  for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
    const x = i % width;
    if (x > 0) visit(i - 1);
    if (x + 1 < width) visit(i + 1);
    if (i >= width) visit(i - width);
    if (i + width < mask.length) visit(i + width);
  }
  for (let i = 0; i < mask.length; i++) if (!outside[i]) mask[i] = 1;
}

/** Return 8-connected labels, 1 to `count` in row order, 0 outside. */
export function label(mask: Uint8Array, { width, height }: Grid): { labels: Int32Array; count: number } {
  const labels = new Int32Array(mask.length);
  const stack: number[] = [];
  let count = 0;
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || labels[start]) continue;
    labels[start] = ++count;
    stack.push(start);
    for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
      const [x, y] = [i % width, Math.floor(i / width)];
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++)
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
          const near = row * width + column;
          if (!mask[near] || labels[near]) continue;
          labels[near] = count;
          stack.push(near);
        }
    }
  }
  return { labels, count };
}

/** Keep the region with the largest sum of probability, the first among equals. */
function keepLargest(mask: Uint8Array<ArrayBuffer>, probability: Float32Array, grid: Grid): Uint8Array<ArrayBuffer> {
  const { labels, count } = label(mask, grid);
  const sums = new Float64Array(count + 1);
  labels.forEach((value, i) => {
    if (value) sums[value] = (sums[value] as number) + Math.trunc(Math.fround((probability[i] as number) * PROBABILITY_STEPS));
  });
  const best = sums.indexOf(
    sums.subarray(1).reduce((most, sum) => Math.max(most, sum), 0),
    1,
  );
  return mask.map((value, i) => (value && labels[i] === best ? 1 : 0));
}

function removeSmall(mask: Uint8Array, grid: Grid, least: number): void {
  const { labels, count } = label(mask, grid);
  const sizes = new Uint32Array(count + 1);
  for (const value of labels) sizes[value] = (sizes[value] as number) + 1;
  labels.forEach((value, i) => {
    if ((sizes[value] as number) < least) mask[i] = 0;
  });
}

/** Eight pixels a byte: what is kept of pictures that aren't shown. */
export function pack(mask: Uint8Array): Uint8Array {
  const packed = new Uint8Array(Math.ceil(mask.length / 8));
  for (let i = 0; i < mask.length; i++) if (mask[i]) packed[i >> 3] = (packed[i >> 3] as number) | (1 << (i & 7));
  return packed;
}

export function unpack(packed: Uint8Array, { width, height }: Grid): Uint8Array<ArrayBuffer> {
  return new Uint8Array(width * height).map((_, i) => ((packed[i >> 3] as number) >> (i & 7)) & 1);
}

/** How alike two masks are: twice what they share by the sum of both (F1, Dice); 1 where both are empty. */
export function agreement(a: Uint8Array, b: Uint8Array): number {
  let [shared, sum] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    shared += (a[i] as number) & (b[i] as number);
    sum += (a[i] as number) + (b[i] as number);
  }
  return sum ? (2 * shared) / sum : 1;
}
