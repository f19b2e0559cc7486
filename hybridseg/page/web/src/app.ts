/** The pictures, which of them is shown, and the work on them one after the other. */
import { announce, byId, say, showNote } from "./dom";
import type { Engine } from "./engine";
import { drawThumbnail, findWarnings, type Item, nameOf, newItem, setMask, summarize } from "./items";
import { greyCanvas } from "./layers";
import { applyOperatingPoint } from "./mask";
import type { Made, Model } from "./models";
import type { Outcome } from "./protocol";
import type { Picture } from "./read/picture";

/** What there is of the picture that is shown, and of no other. */
export interface Loaded {
  item: Item;
  picture: Picture;
  canvas: HTMLCanvasElement;
  outcomes: Map<string, Outcome>;
}

const MAX_ITEMS = 2000;

export class App {
  items: Item[] = [];
  current: Item | null = null;
  loaded: Loaded | null = null;
  model: Model;
  running = false;
  private cancelled = false;

  constructor(
    readonly made: Made,
    private readonly engine: Engine,
    private readonly changed: (what: "list" | "picture" | "result") => void,
  ) {
    this.model = made.models[0] as Model;
  }

  get other(): Model | null {
    return this.made.models.find((model) => model !== this.model) ?? null;
  }

  get waiting(): Item[] {
    return this.items.filter((item) => item.state !== "failed" && !item.results.has(this.model.name));
  }

  async add(files: File[]): Promise<void> {
    this.items.push(...files.map((file) => newItem(file)));
    this.limit();
    this.changed("list");
    await this.run();
  }

  /** Work through what is waiting; the first picture is shown as soon as it is there. */
  async run(): Promise<void> {
    this.cancelled = false;
    if (this.running) return;
    this.running = true;
    for (let [next] = this.waiting; next && !this.cancelled; [next] = this.waiting) {
      if (this.current) await this.process(next);
      else await this.show(next);
      this.changed("list");
    }
    this.running = false;
    const failed = this.items.filter((item) => item.state === "failed").length;
    if (this.items.length > 1 && !this.cancelled) announce(say("announceAll", { done: this.items.length - failed, failed }));
    this.changed("list");
  }

  cancel(): void {
    this.cancelled = true;
  }

  clear(): void {
    this.cancel();
    this.items = [];
    this.current = null;
    this.loaded = null;
    this.changed("picture");
  }

  async show(item: Item): Promise<void> {
    this.current = item;
    this.loaded = null;
    this.changed("picture");
    showNote(
      item.state === "waiting" ? say(byId("runtime") || this.items.length === 1 ? "loading" : "working", { name: nameOf(item) }) : "",
    );
    const loaded = await this.process(item);
    if (this.current !== item) return;
    showNote("");
    this.loaded = loaded;
    this.changed(loaded ? "result" : "picture");
    const { name } = item.file;
    if (!loaded) announce(say("announceFailed", { name, problem: item.problem }));
    else announce(say("announceResult", { name: nameOf(item), result: summarize(item, this.model) }));
  }

  async useModel(model: Model): Promise<void> {
    this.model = model;
    if (this.current) await this.show(this.current);
    await this.run();
  }

  /** Return what a model makes of the picture that is shown. */
  async outcomeOf(model: Model, { item, picture, outcomes }: Loaded): Promise<Outcome> {
    const outcome = outcomes.get(model.name) ?? (await this.engine.segment(model.name, picture));
    outcomes.set(model.name, outcome);
    if (outcome.confidence !== null) item.confidences.set(model.name, outcome.confidence);
    if (!item.results.has(model.name)) setMask(item, model.name, outcome.mask, model.operating_point.threshold, false);
    return outcome;
  }

  /**
   * Decide at another threshold. At the shipped one the model's own mask comes back; elsewhere its presence rule is
   * left out, which was chosen for the shipped one.
   */
  moveThreshold(threshold: number): void {
    const outcome = this.loaded?.outcomes.get(this.model.name);
    if (!this.loaded || !outcome) return;
    const { item } = this.loaded;
    const point = this.model.operating_point;
    const shipped = threshold === point.threshold;
    const mask = shipped ? outcome.mask : applyOperatingPoint(outcome.probability, item, { ...point, threshold, presence_threshold: 0 });
    setMask(item, this.model.name, mask, threshold, false);
    this.changed("result");
  }

  /** Read a picture again, without running a model. */
  read(item: Item): Promise<Picture> {
    return this.engine.read(item.file, item.frame);
  }

  /** Read a picture and run the model; null if it can't be read, which the item then says. */
  private async process(item: Item): Promise<Loaded | null> {
    if (item.state === "failed") return null;
    try {
      if (item.frames === 0) await this.open(item);
      const picture = await this.engine.read(item.file, item.frame);
      [item.width, item.height] = [picture.width, picture.height];
      const canvas = greyCanvas(picture, picture.grey);
      if (item.state === "waiting") {
        item.warnings = findWarnings(picture);
        drawThumbnail(item, canvas);
      }
      const loaded = { item, picture, canvas, outcomes: new Map<string, Outcome>() };
      if (item === this.current) {
        this.loaded = loaded;
        this.changed("picture"); // the picture now, its outline in a moment
      }
      await this.outcomeOf(this.model, loaded);
      item.state = "done";
      return loaded;
    } catch (error) {
      item.state = "failed";
      item.problem = error instanceof Error ? error.message : String(error);
      return null;
    }
  }

  /** Find out how many frames a file has; each becomes an item of its own. */
  private async open(item: Item): Promise<void> {
    const { frames, spacing } = await this.engine.open(item.file);
    if (item.frames > 0) return; // a person had it shown meanwhile
    const others = Array.from({ length: frames - 1 }, (_, i) => newItem(item.file, i + 1, frames, spacing));
    Object.assign(item, { frames, spacing, spacingFrom: spacing && "file" });
    this.items.splice(this.items.indexOf(item) + 1, 0, ...others);
    this.limit();
    this.changed("list");
  }

  private limit(): void {
    if (this.items.length > MAX_ITEMS) announce(say("tooMany", { count: MAX_ITEMS }));
    this.items.splice(MAX_ITEMS);
  }
}
