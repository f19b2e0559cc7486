/** The models that `hybridseg page` has put into the page, and what their cards say. */
import { make, say } from "./dom";
import type { OperatingPoint } from "./mask";

type Interval = [number, number];

interface Scores {
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

/** Say how the model was tested, in the words that its scores carry. */
export function describeSureness({ scores, scores_protocol, training_data }: Model): Node[] {
  const lines: string[] = [];
  const add = (key: "sureF1" | "sureMissed" | "sureFalse", value?: number, interval?: Interval, count?: number) => {
    if (value === undefined || interval === undefined) return;
    const [percent, low, high] = [value, ...interval].map((share) => (100 * share).toFixed(0)) as [string, string, string];
    lines.push(say(key, { percent, low, high, count: count ?? 0 }));
  };
  add("sureF1", scores.f1, scores.f1_interval);
  add("sureMissed", scores.scenes_missed, scores.scenes_missed_interval);
  add("sureFalse", scores.lesion_free_with_a_mask, scores.lesion_free_with_a_mask_interval, scores.lesion_free_images);
  if (lines.length === 0) return [make("p", {}, say("sureNothing"))];
  return [
    make("p", {}, say("sureTested", { count: scores.lesion_images ?? 0 })),
    make("ul", {}, ...lines.map((line) => make("li", {}, line))),
    make("p", {}, say("sureOne")),
    make("p", { className: "small" }, `${say("sureProtocol", { protocol: scores_protocol })} ${say("sureData", { data: training_data })}`),
  ];
}
