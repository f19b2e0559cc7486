/** The page's side of the worker: one promise a question. */
import { say } from "./dom";
import type { Answers, Ask, Outcome } from "./protocol";
import type { Picture } from "./read/picture";

interface Waiting {
  resolve(value: never): void;
  reject(reason: Error): void;
}

export class Engine {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private readonly models = new Map<string, Promise<null>>();
  private asked = 0;

  constructor() {
    const code = takeText("worker");
    this.worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    this.worker.onmessage = ({ data }) => {
      const waiting = this.waiting.get(data.id) as Waiting;
      this.waiting.delete(data.id);
      if ("error" in data) waiting.reject(new Error(explain(data)));
      else waiting.resolve(data.value as never);
    };
    this.ask({ kind: "start", runtime: takeText("runtime") });
  }

  open(file: File): Promise<Answers["open"]> {
    return this.ask({ kind: "open", file });
  }

  read(file: File, frame: number): Promise<Picture> {
    return this.ask({ kind: "read", file, frame });
  }

  /** Run a model, which is unpacked when it is asked for first. */
  async segment(model: string, { width, height, grey }: Picture): Promise<Outcome> {
    let loaded = this.models.get(model);
    if (!loaded) {
      loaded = this.ask({ kind: "model", model, data: takeText(`model-${model}`) });
      this.models.set(model, loaded);
    }
    await loaded;
    return this.ask({ kind: "segment", model, picture: { width, height, grey } });
  }

  private ask<Kind extends Ask["kind"]>(ask: Extract<Ask, { kind: Kind }>): Promise<Answers[Kind]> {
    const id = this.asked++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, ask });
    });
  }
}

/** Say what went wrong as the end of a sentence whose subject is the picture. */
function explain({ kind, told, error }: { kind: "read" | "run"; told: boolean; error: string }): string {
  return told ? error : say(kind === "read" ? "problemRead" : "problemRun", { error });
}

/** Return the text of a data block, which isn't needed in the page any more. */
function takeText(id: string): string {
  const block = document.getElementById(id) as HTMLElement;
  const text = (block.textContent ?? "").trim();
  block.remove();
  return text;
}
