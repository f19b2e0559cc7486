/** What is drawn over a picture, in the picture's own pixels. */
import type { Grid } from "./mask";
import type { Lesion } from "./measure";

/** Orange and sky blue of Okabe and Ito (2008), told apart with any form of colour blindness. */
export const ORANGE = "#e69f00";
export const BLUE = "#56b4e9";
const RGB: Record<string, Colour> = { [ORANGE]: [230, 159, 0], [BLUE]: [86, 180, 233] };
/** The colour map magma (van der Walt and Smith 2015), in five steps. */
const RAMP = [
  [0, 0, 4],
  [81, 18, 124],
  [183, 55, 121],
  [252, 137, 97],
  [252, 253, 191],
] as const;

type Colour = readonly [number, number, number];

/** Draws at a scale: what a pixel of the picture is on the screen. */
export type Paint = (context: CanvasRenderingContext2D, scale: number) => void;

/** Make a canvas of as many levels of `values` as `colours` has, each `opaque` from 0 to 255. */
function toCanvas(
  { width, height }: Grid,
  values: ArrayLike<number>,
  colours: Colour[],
  opaque: (level: number) => number,
): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  const pixels = new DataView(image.data.buffer);
  const table = colours.map(([red, green, blue], level) => red * 2 ** 24 + (green << 16) + (blue << 8) + opaque(level));
  for (let i = 0; i < width * height; i++) pixels.setUint32(4 * i, table[values[i] as number] as number);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}

export function greyCanvas(grid: Grid, grey: Uint8Array): HTMLCanvasElement {
  const greys = Array.from({ length: 256 }, (_, level): Colour => [level, level, level]);
  return toCanvas(grid, grey, greys, () => 255);
}

export function filledLayer(grid: Grid, mask: Uint8Array, colour: string): Paint {
  const rgb = RGB[colour] as Colour;
  const canvas = toCanvas(grid, mask, [rgb, rgb], (level) => 110 * level);
  return (context) => context.drawImage(canvas, 0, 0);
}

export function heatLayer(grid: Grid, probability: Float32Array): Paint {
  const levels = Uint8Array.from(probability, (value) => Math.round(255 * Math.min(Math.max(value, 0), 1)));
  const colours = Array.from({ length: 256 }, (_, level) => heatColour(level / 255));
  const canvas = toCanvas(grid, levels, colours, (level) => 60 + Math.round((150 * level) / 255));
  return (context) => context.drawImage(canvas, 0, 0);
}

function heatColour(value: number): Colour {
  const step = Math.min(Math.floor(4 * value), 3) as 0 | 1 | 2 | 3;
  const [from, to] = [RAMP[step], RAMP[(step + 1) as 1 | 2 | 3 | 4]];
  const mix = (channel: 0 | 1 | 2) => Math.round(from[channel] + (to[channel] - from[channel]) * (4 * value - step));
  return [mix(0), mix(1), mix(2)];
}

/** The outline runs along the edges of pixels, so that it is exact at every zoom. */
export function outlineLayer(grid: Grid, mask: Uint8Array, colour: string): Paint {
  const path = tracePixels(grid, mask);
  return (context, scale) => {
    context.lineJoin = "round";
    for (const [style, width] of [
      ["#000a", 4.5],
      [colour, 2],
    ] as const) {
      context.strokeStyle = style;
      context.lineWidth = width / scale;
      context.stroke(path);
    }
  };
}

function tracePixels({ width, height }: Grid, mask: Uint8Array): Path2D {
  const path = new Path2D();
  const at = (x: number, y: number) => (x >= 0 && x < width && y >= 0 && y < height ? (mask[y * width + x] as number) : 0);
  const runs = (
    lines: number,
    length: number,
    edge: (line: number, i: number) => boolean,
    add: (line: number, from: number, to: number) => void,
  ) => {
    for (let line = 0; line <= lines; line++)
      for (let i = 0; i < length; i++) {
        if (!edge(line, i)) continue;
        const from = i;
        while (i < length && edge(line, i)) i++;
        add(line, from, i);
      }
  };
  const segment = (x: number, y: number, toX: number, toY: number) => {
    path.moveTo(x, y);
    path.lineTo(toX, toY);
  };
  runs(
    height,
    width,
    (y, x) => at(x, y - 1) !== at(x, y),
    (y, from, to) => segment(from, y, to, y),
  );
  runs(
    width,
    height,
    (x, y) => at(x - 1, y) !== at(x, y),
    (x, from, to) => segment(x, from, x, to),
  );
  return path;
}

/** A number beside each lesion, and its longest diameter. */
export function markLayer(lesions: Lesion[]): Paint {
  return (context, scale) => {
    context.font = `600 ${14 / scale}px system-ui, sans-serif`;
    context.lineJoin = "round";
    lesions.forEach(({ ends: [a, b], row, column }, i) => {
      // rows and columns count pixel centres
      const [from, to] = [a, b].map(([y, x]) => [x + 0.5, y + 0.5]) as [[number, number], [number, number]];
      context.setLineDash([5 / scale, 4 / scale]);
      context.strokeStyle = "#fffc";
      context.lineWidth = 1.25 / scale;
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
      context.setLineDash([]);
      const text = String(i + 1);
      context.strokeStyle = "#000c";
      context.lineWidth = 4 / scale;
      const [x, y] = [column + 0.5 + 6 / scale, row + 0.5 - 6 / scale];
      context.strokeText(text, x, y);
      context.fillStyle = "#fff";
      context.fillText(text, x, y);
    });
  };
}
