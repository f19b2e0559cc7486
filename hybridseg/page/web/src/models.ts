/** The models that `hybridseg page` has put into the page, and what their cards say. */
import { type Key, make, say } from "./dom";
import { confidenceOf, type Item, percentSure } from "./items";
import type { OperatingPoint } from "./mask";

type Interval = [number, number];

interface Scores {
  calibration_error?: number;
  calibration_error_interval?: Interval;
  lesion_images?: number;
  lesion_free_images?: number;
  f1?: number;
  f1_interval?: Interval;
  scenes_missed?: number;
  scenes_missed_interval?: Interval;
  lesion_free_with_a_mask?: number;
  lesion_free_with_a_mask_interval?: Interval;
}

export interface Model {
  name: string;
  description: string;
  bytes: number;
  sha256: string;
  license: string;
  training_data: string;
  operating_point: OperatingPoint;
  scores: Scores;
  /** Scores by hospital. */
  hospitals: Record<string, Scores>;
  scores_protocol: string;
}

export interface Made {
  version: string;
  models: Model[];
}

export function readMade(): Made {
  const made: Made = JSON.parse(document.getElementById("made")?.textContent ?? "");
  for (const model of made.models) model.description = model.description.replaceAll("`", ""); // a card is Markdown
  return made;
}

/** Say how sure the model is of a picture's outline, and how it was tested, in the words that its scores carry. */
export function describeSureness(item: Item, model: Model): Node[] {
  const { scores, scores_protocol, training_data } = model;
  const tested = [
    ...told("sureF1", scores.f1, scores.f1_interval),
    ...told("sureMissed", scores.scenes_missed, scores.scenes_missed_interval),
    ...told("sureFalse", scores.lesion_free_with_a_mask, scores.lesion_free_with_a_mask_interval, scores.lesion_free_images),
  ];
  if (tested.length === 0) return [...describePicture(item, model), make("p", {}, say("sureNothing"))];
  return [
    ...describePicture(item, model),
    make("p", {}, say("sureTested", { count: scores.lesion_images ?? 0 })),
    listOf(tested),
    make("p", { className: "small" }, `${say("sureProtocol", { protocol: scores_protocol })} ${say("sureData", { data: training_data })}`),
  ];
}

function describePicture(item: Item, model: Model): Node[] {
  if (confidenceOf(item, model) === null) return [make("p", {}, say(item.confidences.has(model.name) ? "sureOther" : "sureUnknown"))];
  const percent = percentSure(item, model);
  if (percent === null) return [make("p", {}, say("sureStranger"))];
  const found = item.results.get(model.name)?.lesions.length;
  const [sure, meaning] = found ? (["sureOutline", "sureOutlineMeaning"] as const) : (["sureEmpty", "sureEmptyMeaning"] as const);
  const off = Object.entries(model.hospitals).flatMap(([hospital, { calibration_error, calibration_error_interval }]) =>
    told("sureOffAt", calibration_error, calibration_error_interval, 0, hospital),
  );
  return [
    make("p", {}, make("strong", {}, say(sure, { percent })), " ", say(meaning, { percent })),
    ...(off.length ? [make("p", {}, say("sureOff")), listOf(off)] : []),
    make("p", {}, say("sureElsewhere")),
  ];
}

function listOf(lines: string[]): HTMLUListElement {
  return make("ul", {}, ...lines.map((line) => make("li", {}, line)));
}

/** Say a share and its interval; nothing if the model's file doesn't have it. */
function told(key: Key, value?: number, interval?: Interval, count = 0, hospital = ""): string[] {
  if (value === undefined || interval === undefined) return [];
  const [percent, low, high] = [value, ...interval].map((share) => (100 * share).toFixed(0)) as [string, string, string];
  return [say(key, { percent, low, high, count, hospital })];
}
