/** The list of pictures, and how far the work on them is. */
import type { App } from "./app";
import { byId, make, say } from "./dom";
import { type Item, nameOf, summarize } from "./items";

const rows = new Map<Item, { row: HTMLLIElement; button: HTMLButtonElement; state: HTMLElement; name: HTMLElement }>();

/** Bring the list up to date; rows that are there already are kept, and with them the focus. */
export function showList(app: App): void {
  for (const [item, { row }] of rows) {
    if (app.items.includes(item)) continue;
    row.remove();
    rows.delete(item);
  }
  const list = byId("list");
  app.items.forEach((item, i) => {
    const { row, button, state, name } = rows.get(item) ?? addRow(app, item);
    if (list.children[i] !== row) list.insertBefore(row, list.children[i] ?? null);
    name.textContent = nameOf(item);
    state.textContent = summarize(item, app.model);
    row.className = item.state === "failed" ? "bad" : "";
    button.ariaCurrent = item === app.current ? "true" : null;
  });
  showProgress(app);
}

function addRow(app: App, item: Item) {
  const name = make("span", { className: "name" });
  const state = make("span", { className: "state" });
  const button = make(
    "button",
    { type: "button", title: item.file.name, onclick: () => app.show(item) },
    item.thumbnail,
    make("span", {}, name, state),
  );
  item.thumbnail.ariaHidden = "true";
  const parts = { row: make("li", {}, button), button, state, name };
  rows.set(item, parts);
  return parts;
}

function showProgress(app: App): void {
  const left = app.waiting.length;
  byId("progress").hidden = app.items.length < 2 || left === 0;
  const bar = byId<HTMLProgressElement>("bar");
  bar.max = app.items.length;
  bar.value = app.items.length - left;
  const done = say("progress", { done: bar.value, all: bar.max });
  byId("progress-text").textContent = app.running ? done : say("cancelled", { count: left });
  byId("cancel").textContent = say(app.running ? "cancel" : "resume");
}
