/** Short ways to the page's elements, and to its words. */
import words from "../text.json";

export type Key = keyof typeof words;

export function say(key: Key, values: Record<string, string | number> = {}): string {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

export function byId<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}

export function onClick(id: string, act: () => void): void {
  byId(id).addEventListener("click", act);
}

export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  props: Partial<HTMLElementTagNameMap[Tag]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = Object.assign(document.createElement(tag), props);
  element.append(...children);
  return element;
}

/** Press one button of a group, by its data attribute. */
export function press(group: HTMLElement, name: "mode" | "tool", value: string): void {
  for (const button of group.querySelectorAll("button")) button.ariaPressed = String(button.dataset[name] === value);
}

/** Tell a screen reader. */
export function announce(text: string): void {
  byId("live").textContent = text;
}

export function showNote(text: string): void {
  byId("note").textContent = text;
  byId("note").hidden = text === "";
}
