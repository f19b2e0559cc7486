/** What a pointer does on the picture besides moving it: brush, eraser, and a line along a known distance. */
import type { App } from "./app";
import { byId, press } from "./dom";
import { maskOf, setMask } from "./items";
import type { Paint } from "./layers";
import { pack, unpack } from "./mask";
import type { Tool, Viewer } from "./viewer";

const MAX_UNDO = 100;

/** The outline under correction, with what it was before each stroke. */
export class Correction {
  /** The mask while a stroke goes on, one byte a pixel. */
  live: Uint8Array | null = null;
  private done: Uint8Array[] = [];
  private undone: Uint8Array[] = [];

  constructor(
    private readonly app: App,
    private readonly changed: () => void,
  ) {}

  /** Forget the strokes: another picture, another model. */
  reset(): void {
    this.live = null;
    this.done = [];
    this.undone = [];
  }

  get canUndo(): boolean {
    return this.done.length > 0;
  }

  get canRedo(): boolean {
    return this.undone.length > 0;
  }

  brush(value: 0 | 1, radius: () => number): Tool {
    let last: [number, number] = [0, 0];
    return {
      radius,
      stroke: (phase, x, y) => {
        const { loaded, model } = this.app;
        if (!loaded) return;
        if (phase === "start") {
          this.live = maskOf(loaded.item, model.name);
          last = [x, y];
        }
        if (!this.live) return;
        paintLine(this.live, loaded.item, last, [x, y], radius(), value);
        last = [x, y];
        if (phase === "end") this.keep(this.live);
        else this.changed();
      },
    };
  }

  undo(): void {
    this.swap(this.done, this.undone);
  }

  redo(): void {
    this.swap(this.undone, this.done);
  }

  private keep(mask: Uint8Array): void {
    const { loaded, model } = this.app;
    const result = loaded?.item.results.get(model.name);
    if (!loaded || !result) return;
    this.done.push(result.packed);
    this.done.splice(0, this.done.length - MAX_UNDO);
    this.undone = [];
    this.live = null;
    setMask(loaded.item, model.name, mask, result.threshold, true);
    this.changed();
  }

  private swap(from: Uint8Array[], to: Uint8Array[]): void {
    const { loaded, model } = this.app;
    const result = loaded?.item.results.get(model.name);
    const packed = from.pop();
    if (!loaded || !result || !packed) return;
    to.push(result.packed);
    const mask = unpack(packed, loaded.item);
    const made = loaded.outcomes.get(model.name)?.mask;
    const untouched = result.threshold === model.operating_point.threshold && made !== undefined && same(pack(made), packed);
    setMask(loaded.item, model.name, mask, result.threshold, !untouched);
    this.changed();
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

/** Set every pixel whose centre lies within the radius of a line. Coordinates count from the picture's corner. */
function paintLine(
  mask: Uint8Array,
  grid: { width: number; height: number },
  from: [number, number],
  to: [number, number],
  radius: number,
  value: 0 | 1,
): void {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = dx * dx + dy * dy;
  const reach = Math.max(radius, 0.71);
  const clip = (place: number, most: number) => Math.min(Math.max(Math.floor(place), 0), most - 1);
  for (let y = clip(Math.min(from[1], to[1]) - reach, grid.height); y <= clip(Math.max(from[1], to[1]) + reach, grid.height); y++)
    for (let x = clip(Math.min(from[0], to[0]) - reach, grid.width); x <= clip(Math.max(from[0], to[0]) + reach, grid.width); x++) {
      const [px, py] = [x + 0.5 - from[0], y + 0.5 - from[1]];
      const along = length ? Math.min(Math.max((px * dx + py * dy) / length, 0), 1) : 0;
      if (Math.hypot(px - along * dx, py - along * dy) <= reach) mask[y * grid.width + x] = value;
    }
}

/** A line along a distance that the person knows. */
export class Ruler implements Tool {
  ends: [[number, number], [number, number]] | null = null;

  constructor(private readonly changed: () => void) {}

  radius(): number {
    return 0;
  }

  stroke(phase: "start" | "move" | "end", x: number, y: number): void {
    if (phase === "start")
      this.ends = [
        [x, y],
        [x, y],
      ];
    else if (this.ends) this.ends[1] = [x, y];
    this.changed();
  }

  /** Its length in pixels; 0 where there is none. */
  get length(): number {
    if (!this.ends) return 0;
    const [[x, y], [toX, toY]] = this.ends;
    return Math.hypot(toX - x, toY - y);
  }

  get layer(): Paint {
    return (context, scale) => {
      if (!this.ends) return;
      for (const [style, width] of [
        ["#000c", 5],
        ["#7cf29a", 2],
      ] as const) {
        context.strokeStyle = style;
        context.lineWidth = width / scale;
        context.beginPath();
        context.moveTo(...this.ends[0]);
        context.lineTo(...this.ends[1]);
        context.stroke();
      }
    };
  }
}

/** Choose what the pointer does. */
export function chooseTool(viewer: Viewer, name: string, tool: Tool | null): void {
  viewer.tool = tool;
  press(byId("tool"), "tool", name);
  byId("scale-draw").ariaPressed = String(name === "ruler");
  byId("canvas").style.cursor = tool ? "crosshair" : "grab";
}
