// Segment a binary PGM (P5, 8 bit) with an exported model in Node; no Python, nothing of hybridseg.
//
//   npm install onnxruntime-web        (onnxruntime-node reports to its maker: start it with ORT_DISABLE_TELEMETRY=1)
//   node segment.mjs model.onnx scan.pgm [mask.pgm]
//
// Prints the image's size, the mask's pixels and its checksum, as `checksum.py` does. The same lines run in a
// browser: replace the file reads by fetch().
import { readFileSync, writeFileSync } from "node:fs";
import ort from "onnxruntime-web";

const [modelPath, imagePath, maskPath] = process.argv.slice(2);
if (!imagePath) {
  console.error("usage: node segment.mjs model.onnx scan.pgm [mask.pgm]");
  process.exit(2);
}

function readPgm(path) {
  const bytes = readFileSync(path);
  const header = /^P5\s+(?:#.*\s+)*(\d+)\s+(?:#.*\s+)*(\d+)\s+(?:#.*\s+)*255\s/.exec(bytes.toString("latin1", 0, 512));
  if (!header) throw new Error(`${path}: not a binary 8-bit PGM`);
  const [width, height] = [Number(header[1]), Number(header[2])];
  const pixels = bytes.subarray(header[0].length, header[0].length + width * height);
  if (pixels.length !== width * height) throw new Error(`${path}: truncated`);
  return { width, height, pixels: Uint8Array.from(pixels) };
}

function fnv1a(bytes) {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}

const { width, height, pixels } = readPgm(imagePath);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(modelPath), { executionProviders: ["wasm"] });
const image = new ort.Tensor("uint8", pixels, [1, height, width, 1]);
const { mask } = await session.run({ image });
const lesion = mask.data.reduce((total, value) => total + value, 0);
console.log(`${width}x${height} lesion pixels ${lesion} checksum ${fnv1a(mask.data)}`);
if (maskPath) writeFileSync(maskPath, Buffer.concat([Buffer.from(`P5\n${width} ${height}\n255\n`), mask.data.map((v) => v * 255)]));
