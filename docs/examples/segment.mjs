// Segment a PNG with an exported model in Node; no Python, nothing of hybridseg. pngjs (MIT) reads the PNG.
//
//   npm install onnxruntime-web pngjs      (onnxruntime-node reports to its maker: start it with ORT_DISABLE_TELEMETRY=1)
//   node segment.mjs model.onnx scan.png [mask.png]
//
// Prints the image's size, the mask's pixels and its checksum, as checksum.py, segment.c and segment.cs do. The same
// lines run in a browser: replace the file reads by fetch(), and pngjs by a canvas.
import { readFileSync, writeFileSync } from "node:fs";
import ort from "onnxruntime-web";
import { PNG } from "pngjs";

const [modelPath, imagePath, maskPath] = process.argv.slice(2);
if (!imagePath) {
  console.error("usage: node segment.mjs model.onnx scan.png [mask.png]");
  process.exit(2);
}

// The weights of ITU-R BT.601, in whole numbers: what Pillow's mode L has. Grey stays as it is.
function readGrey(path) {
  const { width, height, data } = PNG.sync.read(readFileSync(path));
  const grey = (_, i) => (data[4 * i] * 19595 + data[4 * i + 1] * 38470 + data[4 * i + 2] * 7471 + 0x8000) >> 16;
  return { width, height, pixels: Uint8Array.from({ length: width * height }, grey) };
}

function fnv1a(bytes) {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}

const { width, height, pixels } = readGrey(imagePath);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(modelPath), { executionProviders: ["wasm"] });
const image = new ort.Tensor("uint8", pixels, [1, height, width, 1]);
const { mask } = await session.run({ image });
const lesion = mask.data.reduce((total, value) => total + value, 0);
console.log(`${width}x${height} lesion pixels ${lesion} checksum ${fnv1a(mask.data)}`);
if (maskPath) {
  const white = { width, height, data: Buffer.from(mask.data.map((value) => 255 * value)) };
  writeFileSync(maskPath, PNG.sync.write(white, { colorType: 0, inputColorType: 0 }));
}
