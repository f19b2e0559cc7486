// Runs readers, measures and the operating point on what tests/test_page_build.py asks for: a JSON list of questions in
// a file, a JSON list of answers on standard output. Bundled by bundle.mjs.
import { readFileSync } from "node:fs";
import { applyOperatingPoint, type OperatingPoint } from "../src/mask";
import { measureLesions } from "../src/measure";
import { open } from "../src/read/index";
import { ReadError } from "../src/read/picture";

interface Question {
  file?: string;
  frame?: number;
  mask?: number[];
  probability?: number[];
  point?: OperatingPoint;
  width: number;
  height: number;
  spacing?: [number, number];
}

async function answer(question: Question): Promise<unknown> {
  if (question.probability && question.point)
    return Array.from(applyOperatingPoint(Float32Array.from(question.probability), question, question.point));
  if (question.mask) return measureLesions(Uint8Array.from(question.mask), question, question.spacing ?? null);
  try {
    const opened = open(Uint8Array.from(readFileSync(question.file ?? "")), async () => {
      throw new ReadError("needs a browser");
    });
    const { width, height, grey } = await opened.read(question.frame ?? 0);
    return { width, height, frames: opened.frames, spacing: opened.spacing, grey: Buffer.from(grey).toString("base64") };
  } catch (error) {
    return { problem: String(error instanceof Error ? error.message : error) };
  }
}

const questions = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Question[];
console.log(JSON.stringify(await Promise.all(questions.map(answer))));
