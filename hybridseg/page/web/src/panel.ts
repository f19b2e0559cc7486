/** The column of results: what was found, how large it is, how sure that is, and how it was decided. */
import type { App } from "./app";
import { byId, make, say } from "./dom";
import { type Item, nameOf } from "./items";
import type { Lesion } from "./measure";
import { describeSureness } from "./models";

export function showPanel(app: App, everyPage: string[]): void {
  const { current: item, model } = app;
  if (!item) return;
  byId("name").textContent = nameOf(item);
  const result = item.results.get(model.name);
  const count = result?.lesions.length ?? 0;
  const failed = item.state === "failed";
  for (const section of byId("panel").querySelectorAll<HTMLElement>("section:not(:first-child)")) section.hidden = failed;
  byId("verdict").textContent = failed ? say("failedTitle") : result ? verdict(count) : say("looking");
  byId("verdict-note").textContent = note(item, failed, result?.corrected ?? false, result !== undefined && count === 0);
  byId("warnings").replaceChildren(...[...item.warnings, ...everyPage].map((text) => make("li", {}, text)));
  byId("lesions").hidden = count === 0;
  byId("measures-note").hidden = count === 0;
  byId("lesions")
    .querySelector("tbody")
    ?.replaceChildren(...(result?.lesions ?? []).map(lesionRow));
  byId("sure").replaceChildren(...describeSureness(item, model));
  byId("model-note").textContent = model.description;
  const outcome = app.loaded?.outcomes.get(model.name);
  byId("took").textContent = outcome ? say("took", { milliseconds: outcome.milliseconds.toFixed(0) }) : "";
  showThreshold(app, result?.threshold ?? model.operating_point.threshold, result?.corrected ?? false);
  showScale(item);
}

function verdict(count: number): string {
  return count === 0 ? say("noLesion") : count === 1 ? say("oneLesion") : say("manyLesions", { count });
}

function note(item: Item, failed: boolean, corrected: boolean, empty: boolean): string {
  if (failed) return say("failedNote", { name: nameOf(item), problem: item.problem });
  if (corrected) return say("correctedNote");
  return empty ? say("noLesionNote") : "";
}

function lesionRow(lesion: Lesion, i: number): HTMLTableRowElement {
  const { area_mm2: area, long_mm: long, short_mm: short } = lesion;
  const inMm = area !== null && long !== null && short !== null;
  const cells = inMm
    ? [`${area.toFixed(1)} ${say("mm2")}`, `${long.toFixed(1)} ${say("mm")}`, `${short.toFixed(1)} ${say("mm")}`]
    : [`${lesion.area_px} ${say("px2")}`, `${lesion.long_px.toFixed(1)} ${say("px")}`, `${lesion.short_px.toFixed(1)} ${say("px")}`];
  return make("tr", {}, ...[String(i + 1), ...cells].map((text) => make("td", {}, text)));
}

function showThreshold({ model }: App, threshold: number, corrected: boolean): void {
  const shipped = model.operating_point.threshold;
  const slider = byId<HTMLInputElement>("threshold");
  slider.value = String(threshold);
  slider.disabled = corrected;
  byId("threshold-value").textContent = threshold.toFixed(2);
  // the thumb's middle runs half a thumb inside the track
  const share = (shipped - Number(slider.min)) / (Number(slider.max) - Number(slider.min));
  byId("shipped").style.left = `calc(${share} * (100% - 16px) + 7px)`;
  const moved = threshold !== shipped;
  const value = shipped.toFixed(2);
  byId("threshold-note").textContent = corrected
    ? say("thresholdCorrected")
    : say(moved ? "thresholdMoved" : "thresholdShipped", { value });
  byId("threshold-reset").textContent = say("thresholdReset", { value });
  byId("threshold-reset").hidden = corrected || !moved;
}

function showScale({ spacing, spacingFrom }: Item): void {
  const [row, column] = (spacing ?? [0, 0]).map((side) => side.toFixed(4)) as [string, string];
  const key = spacingFrom === "person" ? "scalePerson" : row === column ? "scaleFile" : "scaleFileTwo";
  byId("scale-note").textContent = spacing ? say(key, { row, column }) : say("scaleNone");
  byId("scale-form").hidden = spacingFrom === "file";
  byId("scale-forget").hidden = spacingFrom !== "person";
}

export function showAbout({ made }: App): void {
  const rows = made.models.flatMap(({ name, description, bytes, sha256, license }) => [
    make("dt", {}, name),
    make("dd", {}, description, make("br"), say("aboutModel", { megabytes: (bytes / 1e6).toFixed(1), sha256, license })),
  ]);
  byId("about-models").replaceChildren(...rows);
  byId("about-version").textContent = say("aboutVersion", { version: made.version });
  const texts = (byId("licence-texts").textContent ?? "").split("\n\f\n");
  byId("licences").replaceChildren(
    ...texts.map((text) => {
      const [title, ...body] = text.trim().split("\n");
      return make("details", {}, make("summary", {}, title ?? ""), make("pre", { tabIndex: 0 }, body.join("\n").trim()));
    }),
  );
}
