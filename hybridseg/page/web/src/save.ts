/** What a person can keep: mask, overlay, a table of all pictures, or everything in one ZIP. */
import { encode } from "fast-png";
import { Zip, ZipPassThrough } from "fflate";
import type { App } from "./app";
import { say } from "./dom";
import { confidenceOf, type Item, maskOf } from "./items";
import type { Grid } from "./mask";
import type { Model } from "./models";

const OUTLINE = [230, 159, 0] as const;
const COLUMNS = [
  ...["image", "frame", "mask", "height", "width", "row_mm", "column_mm", "image_confidence"],
  ...["lesion", "row", "column", "area_px", "long_px", "short_px", "area_mm2", "long_mm", "short_mm"],
  ...["scale_from", "model", "threshold", "corrected", "warnings", "problem"],
] as const;

type Row = Partial<Record<(typeof COLUMNS)[number], string | number | null>>;

/** Offer a file for saving. */
export function download(name: string, parts: BlobPart[], type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Return a name for each picture that no other has, without its ending. */
export function uniqueNames(items: Item[]): Map<Item, string> {
  const taken = new Set<string>();
  return new Map(
    items.map((item) => {
      const stem = item.file.name.replace(/\.[^.]*$/, "").replace(/[\\/:*?"<>|\p{Cc}]/gu, "_") || "picture";
      const base = item.frames > 1 ? `${stem}_frame${item.frame + 1}` : stem;
      let name = base;
      for (let i = 2; taken.has(name.toLowerCase()); i++) name = `${base}_${i}`;
      taken.add(name.toLowerCase());
      return [item, name];
    }),
  );
}

export function maskPng(grid: Grid, mask: Uint8Array): Uint8Array<ArrayBuffer> {
  return encode({
    width: grid.width,
    height: grid.height,
    channels: 1,
    depth: 8,
    data: mask.map((value) => 255 * value),
  }) as Uint8Array<ArrayBuffer>;
}

/** The picture with the outline inside the lesion, as hybridseg/images/drawing.py draws it. */
export function overlayPng({ width, height }: Grid, grey: Uint8Array, mask: Uint8Array): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(3 * grey.length);
  const inner = shrink(mask, { width, height }, Math.max(1, Math.round(Math.min(width, height) / 250)));
  for (let i = 0; i < grey.length; i++) {
    const level = grey[i] as number;
    data.set(mask[i] && !inner[i] ? OUTLINE : [level, level, level], 3 * i);
  }
  return encode({ width, height, channels: 3, depth: 8, data }) as Uint8Array<ArrayBuffer>;
}

function shrink(mask: Uint8Array, { width, height }: Grid, steps: number): Uint8Array {
  let inner = mask;
  for (let step = 0; step < steps; step++) {
    const before = inner;
    inner = before.map((value, i) => {
      const x = i % width;
      const inside = x > 0 && x + 1 < width && i >= width && i < width * (height - 1);
      return value && inside && before[i - 1] && before[i + 1] && before[i - width] && before[i + width] ? 1 : 0;
    });
  }
  return inner;
}

/** The columns of `hybridseg segment --measure`, and some of the page's own. */
export function table(app: App): string {
  const names = uniqueNames(app.items);
  const rows = app.items.flatMap((item) => rowsOf(item, app.model, names.get(item) as string));
  const lines = [COLUMNS.join(","), ...rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(","))];
  return `${lines.join("\n")}\n`;
}

function rowsOf(item: Item, model: Model, name: string): Row[] {
  const image = { image: item.file.name, frame: item.frames > 1 ? item.frame + 1 : null };
  const result = item.results.get(model.name);
  if (!result) return [{ ...image, problem: item.problem || say("waiting") }];
  const common: Row = {
    ...image,
    mask: `${name}_mask.png`,
    height: item.height,
    width: item.width,
    row_mm: item.spacing?.[0] ?? null,
    column_mm: item.spacing?.[1] ?? null,
    image_confidence: confidenceOf(item, model),
    scale_from: item.spacingFrom,
    model: model.name,
    threshold: result.threshold,
    corrected: result.corrected ? "yes" : "no",
    warnings: item.warnings.join(" "),
  };
  if (result.lesions.length === 0) return [{ ...common, lesion: 0, area_px: 0 }];
  return result.lesions.map(({ ends: _, ...lesion }, i) => ({ ...common, lesion: i + 1, ...lesion }));
}

function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(Math.round(value * 1e6) / 1e6);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value; // a spreadsheet would take it for a formula
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Pack masks, overlays, the table and a note of what made them. */
export async function zip(app: App, progress: (done: number, all: number) => void): Promise<Uint8Array<ArrayBuffer>[]> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const packed = new Zip((error, chunk) => {
    if (error) throw error;
    chunks.push(chunk as Uint8Array<ArrayBuffer>);
  });
  const put = (name: string, data: Uint8Array) => {
    const file = new ZipPassThrough(name); // PNG is packed already
    packed.add(file);
    file.push(data, true);
  };
  const model = app.model.name;
  const items = app.items.filter((item) => item.results.has(model));
  const names = uniqueNames(app.items);
  for (const [i, item] of items.entries()) {
    progress(i, items.length);
    const { grey } = await app.read(item);
    const mask = maskOf(item, model);
    put(`masks/${names.get(item)}_mask.png`, maskPng(item, mask));
    put(`overlays/${names.get(item)}_overlay.png`, overlayPng(item, grey, mask));
  }
  put("lesions.csv", new TextEncoder().encode(table(app)));
  put("README.txt", new TextEncoder().encode(readme(app)));
  packed.end();
  return chunks;
}

function readme({ made, model }: App): string {
  return [
    document.title,
    say("notForDiagnosis"),
    say("purposeLong"),
    say("aboutVersion", { version: made.version }),
    `${model.name}: ${model.description}. SHA-256 ${model.sha256}`,
    "",
  ].join("\n");
}
