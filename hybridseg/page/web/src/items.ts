/** One item a picture: what is kept of it while another one is shown. */
import { say } from "./dom";
import { type Grid, pack, unpack } from "./mask";
import { type Lesion, measureLesions } from "./measure";
import type { Model } from "./models";
import type { Picture } from "./read/picture";

export interface Result {
  /** Eight pixels a byte. */
  packed: Uint8Array;
  lesions: Lesion[];
  threshold: number;
  corrected: boolean;
}

export interface Item extends Grid {
  file: File;
  /** Counted from 0, of `frames`, which is 0 until the file was opened. */
  frame: number;
  frames: number;
  state: "waiting" | "done" | "failed";
  problem: string;
  /** [row, column] in mm. */
  spacing: [number, number] | null;
  spacingFrom: "file" | "person" | null;
  warnings: string[];
  results: Map<string, Result>;
  /** By model: the chance that its own outline is right, where its file tells. */
  confidences: Map<string, number>;
  thumbnail: HTMLCanvasElement;
}

export function newItem(file: File, frame = 0, frames = 0, spacing: [number, number] | null = null): Item {
  return {
    file,
    frame,
    frames,
    width: 0,
    height: 0,
    state: "waiting",
    problem: "",
    spacing,
    spacingFrom: spacing && "file",
    warnings: [],
    results: new Map(),
    confidences: new Map(),
    thumbnail: document.createElement("canvas"),
  };
}

export function nameOf({ file, frame, frames }: Item): string {
  return frames > 1 ? say("frame", { name: file.name, frame: frame + 1 }) : file.name;
}

export function setMask(item: Item, model: string, mask: Uint8Array, threshold: number, corrected: boolean): void {
  item.results.set(model, { packed: pack(mask), lesions: measureLesions(mask, item, item.spacing), threshold, corrected });
}

export function maskOf(item: Item, model: string): Uint8Array<ArrayBuffer> {
  const result = item.results.get(model);
  return result ? unpack(result.packed, item) : new Uint8Array(item.width * item.height);
}

/** The chance that the outline is right; null if it isn't the model's own any more, or the model doesn't tell. */
export function confidenceOf(item: Item, { name, operating_point }: Model): number | null {
  const result = item.results.get(name);
  const own = result !== undefined && !result.corrected && result.threshold === operating_point.threshold;
  return own ? (item.confidences.get(name) ?? null) : null;
}

/** The same in percent, as people read it; null, too, for a picture unlike those on which it was measured. */
export function percentSure(item: Item, model: Model): number | null {
  const confidence = item.warnings.length > 0 ? null : confidenceOf(item, model);
  return confidence === null ? null : Math.min(99, Math.max(1, Math.round(100 * confidence))); // nothing is quite certain
}

export function setSpacing(item: Item, spacing: [number, number] | null, from: "file" | "person"): void {
  item.spacing = spacing;
  item.spacingFrom = spacing && from;
  for (const [model, result] of item.results) result.lesions = measureLesions(maskOf(item, model), item, spacing);
}

export function summarize(item: Item, model: Model): string {
  if (item.state === "failed") return say("failed");
  const result = item.results.get(model.name);
  if (!result) return say("waiting");
  const count = result.lesions.length;
  const found = count === 0 ? say("noLesionShort") : count === 1 ? say("oneLesionShort") : say("manyLesionsShort", { count });
  if (result.corrected) return `${found}, ${say("correctedShort")}`;
  const percent = percentSure(item, model);
  return percent === null ? found : `${found}, ${say("sureShort", { percent })}`;
}

const COLOURED_SHARE = 0.2;
const BLANK_SPREAD = 12;
const TINY_SIDE = 64;

/** Say how a picture isn't like those that a model has learned from. */
export function findWarnings({ width, height, grey, coloured }: Picture): string[] {
  const counts = new Uint32Array(256);
  for (const value of grey) counts[value] = (counts[value] as number) + 1;
  const quantile = (share: number) => {
    let level = 0;
    for (let below = counts[0] as number; below <= share * grey.length && level < 255; below += counts[level] as number) level++;
    return level;
  };
  return [
    ...(coloured > COLOURED_SHARE ? [say("warnColour")] : []),
    ...(quantile(0.99) - quantile(0.01) < BLANK_SPREAD ? [say("warnBlank")] : []),
    ...(Math.min(width, height) < TINY_SIDE ? [say("warnTiny", { width, height })] : []),
  ];
}

/** Draw a picture small, for the list. */
export function drawThumbnail(item: Item, picture: HTMLCanvasElement): void {
  const scale = Math.min(96 / item.width, 80 / item.height);
  item.thumbnail.width = Math.max(1, Math.round(item.width * scale));
  item.thumbnail.height = Math.max(1, Math.round(item.height * scale));
  item.thumbnail.getContext("2d")?.drawImage(picture, 0, 0, item.thumbnail.width, item.thumbnail.height);
}
