/** Reads files and runs models, away from the page, which stays quick. */
import * as ort from "onnxruntime-web/wasm";
import type { Answers, Ask, Outcome } from "./protocol";
import { open } from "./read/index";
import { type Opened, ReadError } from "./read/picture";
import { readByBrowser } from "./read/raster";
import { unpackText } from "./unpack";

const sessions = new Map<string, ort.InferenceSession>();
let last: { file: File; opened: Opened } | null = null;

/** Open a file; the last one is kept, since its frames are asked for one by one. */
async function openFile(file: File): Promise<Opened> {
  if (last && isSame(last.file, file)) return last.opened;
  const opened = open(new Uint8Array(await readBytes(file)), readByBrowser);
  last = { file, opened };
  return opened;
}

function isSame(a: File, b: File): boolean {
  return a.name === b.name && a.size === b.size && a.lastModified === b.lastModified;
}

async function readBytes(file: File): Promise<ArrayBuffer> {
  try {
    return await file.arrayBuffer();
  } catch {
    throw new ReadError("can't be read: it was moved, changed or is a folder");
  }
}

async function segment(model: string, width: number, height: number, grey: Uint8Array): Promise<Outcome> {
  const session = sessions.get(model) as ort.InferenceSession;
  const started = performance.now();
  const image = new ort.Tensor("uint8", grey, [1, height, width, 1]);
  const { mask, probability, confidence } = await session.run({ image }); // calibrated models alone have the last one
  const outcome = {
    mask: Uint8Array.from(mask?.data as Uint8Array),
    probability: Float32Array.from(probability?.data as Float32Array),
    confidence: confidence ? Number(confidence.data[0]) : null,
    milliseconds: performance.now() - started,
  };
  for (const tensor of [image, mask, probability, confidence]) tensor?.dispose();
  return outcome;
}

async function answer(ask: Ask): Promise<Answers[Ask["kind"]]> {
  switch (ask.kind) {
    case "start":
      ort.env.wasm.numThreads = 1; // a page from a file isn't isolated, so its threads can't share memory
      ort.env.wasm.wasmBinary = (await unpackText(ask.runtime)).buffer;
      return null;
    case "model":
      sessions.set(ask.model, await ort.InferenceSession.create(await unpackText(ask.data), { executionProviders: ["wasm"] }));
      return null;
    case "open": {
      const { frames, spacing } = await openFile(ask.file);
      return { frames, spacing };
    }
    case "read":
      return (await openFile(ask.file)).read(ask.frame);
    case "segment":
      return segment(ask.model, ask.picture.width, ask.picture.height, ask.picture.grey);
  }
}

let queue = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<{ id: number; ask: Ask }>) => {
  queue = queue.then(async () => {
    try {
      const value = await answer(data.ask);
      const transfer =
        value && "grey" in value ? [value.grey.buffer] : value && "mask" in value ? [value.mask.buffer, value.probability.buffer] : [];
      self.postMessage({ id: data.id, value }, { transfer });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String((error as { exception?: string }).exception ?? error);
      const kind = data.ask.kind === "open" || data.ask.kind === "read" ? "read" : "run";
      self.postMessage({ id: data.id, kind, told: error instanceof ReadError, error: reason.slice(0, 300) });
    }
  });
};
