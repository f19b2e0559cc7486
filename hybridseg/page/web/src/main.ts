/** Joins the parts of the page. */
import { App } from "./app";
import { byId, onClick, press, say } from "./dom";
import { Engine } from "./engine";
import { keepsPixels, takeFiles } from "./intake";
import { maskOf, setSpacing } from "./items";
import { BLUE, filledLayer, heatLayer, markLayer, ORANGE, outlineLayer } from "./layers";
import { showList } from "./list";
import { agreement } from "./mask";
import { readMade } from "./models";
import { showAbout, showPanel } from "./panel";
import { download, maskPng, overlayPng, table, uniqueNames, zip } from "./save";
import { Correction, chooseTool, Ruler } from "./tools";
import { type Pane, Viewer } from "./viewer";

const made = readMade();
const viewer = new Viewer(byId<HTMLCanvasElement>("canvas"));
const app = new App(made, new Engine(), changed);
const correction = new Correction(app, draw);
const ruler = new Ruler(drawRuler);
const everyPage = keepsPixels() ? [] : [say("warnPixels")];
let mode = "outline";

function changed(what: "list" | "picture" | "result"): void {
  const working = app.items.length > 0;
  byId("welcome").hidden = working;
  byId("work").hidden = !working;
  byId("add").hidden = !working;
  document.body.classList.toggle("working", working);
  if (what === "picture") {
    correction.reset();
    ruler.ends = null;
    viewer.open(app.loaded?.canvas ?? null);
  }
  showList(app);
  if (what !== "list") draw();
}

/** Draw the picture that is shown, and say what was found in it. */
function draw(): void {
  showPanel(app, everyPage);
  byId<HTMLButtonElement>("undo").disabled = !correction.canUndo;
  byId<HTMLButtonElement>("redo").disabled = !correction.canRedo;
  const result = app.current?.results.get(app.model.name);
  byId<HTMLButtonElement>("discard").disabled = !result?.corrected;
  for (const id of ["save-mask", "save-overlay"]) byId<HTMLButtonElement>(id).disabled = !app.loaded;
  byId("compare-note").textContent = "";
  byId("legend").hidden = mode !== "heat" || comparing();
  showList(app);
  if (!app.loaded || !result) return;
  if (comparing()) void compare();
  else viewer.setPanes([single()]);
}

function single(): Pane {
  const loaded = app.loaded as NonNullable<typeof app.loaded>;
  const { item } = loaded;
  const mask = correction.live ?? maskOf(item, app.model.name);
  const outline = outlineLayer(item, mask, ORANGE);
  const marks = correction.live ? [] : [markLayer(item.results.get(app.model.name)?.lesions ?? [])];
  const outcome = loaded.outcomes.get(app.model.name);
  const below =
    mode === "filled" ? [filledLayer(item, mask, ORANGE)] : mode === "heat" && outcome ? [heatLayer(item, outcome.probability)] : [];
  return { title: "", layers: [...below, outline, ...marks, ruler.layer] };
}

function comparing(): boolean {
  return byId<HTMLInputElement>("compare").checked && app.other !== null;
}

async function compare(): Promise<void> {
  const { loaded, model, other } = app;
  if (!loaded || !other) return;
  await app.outcomeOf(other, loaded);
  if (app.loaded !== loaded || app.model !== model || !comparing()) return;
  const { item } = loaded;
  const [first, second] = [correction.live ?? maskOf(item, model.name), maskOf(item, other.name)];
  const apart = [
    filledLayer(
      item,
      first.map((value, i) => (value && !second[i] ? 1 : 0)),
      ORANGE,
    ),
    filledLayer(
      item,
      second.map((value, i) => (value && !first[i] ? 1 : 0)),
      BLUE,
    ),
  ];
  viewer.setPanes([
    { title: model.name, layers: [...apart, outlineLayer(item, first, ORANGE), ruler.layer] },
    { title: other.name, layers: [...apart, outlineLayer(item, second, BLUE), ruler.layer] },
  ]);
  const percent = (100 * agreement(first, second)).toFixed(0);
  const empty = !first.includes(1) && !second.includes(1);
  byId("compare-note").textContent = empty ? say("compareEmpty") : say("compareNote", { percent, first: model.name, second: other.name });
}

function drawRuler(): void {
  const drawn = ruler.length > 0;
  byId("scale-label").textContent = say(drawn ? "scaleLength" : "scaleDirect");
  viewer.redraw();
}

function useTool(name: string): void {
  const radius = () => byId<HTMLInputElement>("brush").valueAsNumber;
  const tool =
    name === "brush" ? correction.brush(1, radius) : name === "eraser" ? correction.brush(0, radius) : name === "ruler" ? ruler : null;
  chooseTool(viewer, name, tool);
  byId("scale-hint").hidden = name !== "ruler";
}

function listenToView(): void {
  for (const button of byId("modes").querySelectorAll("button"))
    button.addEventListener("click", () => {
      mode = button.dataset.mode ?? "outline";
      press(byId("modes"), "mode", mode);
      draw();
    });
  onClick("zoom-in", () => viewer.zoomBy(1.25));
  onClick("zoom-out", () => viewer.zoomBy(1 / 1.25));
  onClick("fit", () => viewer.fit());
  const split = byId<HTMLInputElement>("split");
  split.addEventListener("input", () => {
    viewer.bare = split.valueAsNumber / 100;
    viewer.redraw();
  });
}

function listenToModels(): void {
  const select = byId<HTMLSelectElement>("model");
  select.append(...made.models.map(({ name }) => new Option(name)));
  const showOther = () => {
    byId("compare-row").hidden = app.other === null;
    (byId("compare-row").querySelector("span") as HTMLElement).textContent = say("compare", { model: app.other?.name ?? "" });
  };
  select.addEventListener("change", () => {
    void app.useModel(made.models[select.selectedIndex] ?? app.model);
    showOther();
  });
  showOther();
  byId("compare").addEventListener("change", draw);
  const slider = byId<HTMLInputElement>("threshold");
  slider.addEventListener("input", () => app.moveThreshold(near(slider.valueAsNumber)));
  onClick("threshold-reset", () => app.moveThreshold(app.model.operating_point.threshold));
}

/** Beside the shipped value, which the slider's steps may not meet, the slider means that value. */
function near(value: number): number {
  const shipped = app.model.operating_point.threshold;
  return Math.abs(value - shipped) < 0.005 ? shipped : value;
}

function listenToCorrections(): void {
  for (const button of byId("tool").querySelectorAll("button"))
    button.addEventListener("click", () => useTool(button.dataset.tool ?? "move"));
  const size = byId<HTMLInputElement>("brush");
  const showSize = () => {
    byId("brush-value").textContent = say("brushUnit", { size: size.value });
    viewer.redraw();
  };
  size.addEventListener("input", showSize);
  showSize();
  onClick("undo", () => correction.undo());
  onClick("redo", () => correction.redo());
  onClick("discard", () => {
    const threshold = app.current?.results.get(app.model.name)?.threshold ?? 0;
    correction.reset();
    app.moveThreshold(threshold);
  });
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.target instanceof HTMLInputElement) return;
    if (event.key.toLowerCase() === "z" && !event.shiftKey) correction.undo();
    else if (event.key.toLowerCase() === "y" || event.key.toLowerCase() === "z") correction.redo();
    else return;
    event.preventDefault();
  });
}

function listenToScale(): void {
  onClick("scale-draw", () => useTool(viewer.tool === ruler ? "move" : "ruler"));
  const give = (spacing: [number, number] | null) => {
    const { current } = app;
    if (!current) return;
    const all = byId<HTMLInputElement>("scale-all").checked;
    const alike = app.items.filter(
      ({ width, height, spacingFrom }) => width === current.width && height === current.height && spacingFrom !== "file",
    );
    for (const item of all ? alike : [current]) setSpacing(item, spacing, "person");
    ruler.ends = null;
    drawRuler();
    useTool("move");
    draw();
  };
  onClick("scale-forget", () => give(null));
  byId("scale-set").addEventListener("submit", (event) => {
    event.preventDefault();
    const value = byId<HTMLInputElement>("scale-value").valueAsNumber;
    const side = ruler.length > 0 ? value / ruler.length : value;
    give([side, side]);
    byId<HTMLInputElement>("scale-value").value = "";
  });
}

function listenToSaving(): void {
  const save = (act: (name: string, mask: Uint8Array) => void) => {
    if (app.loaded) act(uniqueNames(app.items).get(app.loaded.item) as string, maskOf(app.loaded.item, app.model.name));
  };
  onClick("save-mask", () =>
    save((name, mask) => app.loaded && download(`${name}_mask.png`, [maskPng(app.loaded.item, mask)], "image/png")),
  );
  onClick("save-overlay", () =>
    save(
      (name, mask) =>
        app.loaded && download(`${name}_overlay.png`, [overlayPng(app.loaded.item, app.loaded.picture.grey, mask)], "image/png"),
    ),
  );
  onClick("save-table", () => download("lesions.csv", [table(app)], "text/csv"));
  onClick("save-zip", async () => {
    const button = byId<HTMLButtonElement>("save-zip");
    button.disabled = true;
    try {
      const parts = await zip(app, (done, all) => {
        byId("save-note").textContent = say("saving", { done, all });
      });
      download("hybridseg.zip", parts, "application/zip");
      byId("save-note").textContent = say("overlayNote");
    } catch (error) {
      byId("save-note").textContent = say("saveFailed", { problem: (error as Error).message });
    } finally {
      button.disabled = false;
    }
  });
}

takeFiles((files) => void app.add(files));
listenToView();
listenToModels();
listenToCorrections();
listenToScale();
listenToSaving();
onClick("cancel", () => (app.running ? app.cancel() : void app.run()));
onClick("clear", () => app.clear());
const about = byId<HTMLDialogElement>("about-dialog");
onClick("about", () => about.showModal());
onClick("about-close", () => about.close());
showAbout(app);
useTool("move");
