/** What the page and its worker say to each other. */
import type { Picture } from "./read/picture";

export type Ask =
  | { kind: "start"; runtime: string }
  | { kind: "model"; model: string; data: string }
  | { kind: "open"; file: File }
  | { kind: "read"; file: File; frame: number }
  | { kind: "segment"; model: string; picture: { width: number; height: number; grey: Uint8Array<ArrayBuffer> } };

export interface Outcome {
  mask: Uint8Array<ArrayBuffer>;
  probability: Float32Array<ArrayBuffer>;
  /** The chance that the mask is right; null if the model's file doesn't tell. */
  confidence: number | null;
  milliseconds: number;
}

export interface Answers {
  start: null;
  model: null;
  open: { frames: number; spacing: [number, number] | null };
  read: Picture;
  segment: Outcome;
}
