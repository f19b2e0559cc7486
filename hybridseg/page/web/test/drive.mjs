// Drives the page in headless Chromium for tests/test_page_browser.py: node drive.mjs PAGE PLAN.
// PLAN is JSON, {"chromium", "downloads", "steps": [{"do", ...}]}. Prints a JSON list: what each step found.
import { readFileSync } from "node:fs";
import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const [path, planPath] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planPath, "utf8"));
const modules = join(import.meta.dirname, "..", "node_modules");
const PATIENCE_MS = 300_000;

const browser = await puppeteer.launch({
  executablePath: plan.chromium,
  headless: "shell",
  timeout: PATIENCE_MS,
  protocolTimeout: PATIENCE_MS,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--js-flags=--expose-gc"],
});
const page = await browser.newPage();
page.setDefaultTimeout(PATIENCE_MS);
const client = await page.createCDPSession();
const requests = [];
const errors = [];
page.on("request", (request) => requests.push(request.url()));
page.on("pageerror", (error) => errors.push(String(error)));
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
await client.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: plan.downloads, eventsEnabled: true });

const until = (condition, ...values) => page.waitForFunction(condition, { timeout: PATIENCE_MS }, ...values);
const text = (selector) => page.$eval(selector, (element) => element.textContent.trim());

const steps = {
  async open() {
    await page.goto(pathToFileURL(path).href);
    return text("#welcome");
  },
  async size({ width, height, dark }) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
    await page.setViewport({ width, height });
  },
  /** Files from the disk, dropped on the middle of the page. */
  async drop({ files }) {
    const data = { items: [], files, dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) await client.send("Input.dispatchDragEvent", { type, x: 200, y: 200, data });
  },
  /** A picture of the page itself, as a file from the clipboard. */
  async paste({ selector, name }) {
    await page.$eval(
      selector,
      async (picture, name) => {
        const bytes = Uint8Array.from(atob(picture.src.slice(picture.src.indexOf(",") + 1)), (sign) => sign.charCodeAt(0));
        const clipboardData = new DataTransfer();
        clipboardData.items.add(new File([bytes], name, { type: "image/png" }));
        document.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
      },
      name,
    );
  },
  /** Files from the disk, given to an input: what a camera gives, too. */
  async give({ selector, files }) {
    await (await page.$(selector)).uploadFile(...files);
  },
  async example() {
    await page.click("#example");
  },
  /** Wait until no picture is waiting; return names and results, row by row. */
  async settle({ count }) {
    await until((count) => {
      const states = [...document.querySelectorAll("#list .state")].map((state) => state.textContent);
      const busy = !document.querySelector("#note").hidden || !document.querySelector("#progress").hidden;
      return states.length === count && !busy && states.every((state) => state !== "Waiting");
    }, count);
    return page.$$eval("#list button", (rows) =>
      rows.map((row) => [...row.querySelectorAll("span > span")].map((part) => part.textContent)),
    );
  },
  async show({ number }) {
    await page.click(`#list li:nth-child(${number}) button`);
    await until(() => document.querySelector("#note").hidden);
  },
  async click({ selector }) {
    await page.click(selector);
  },
  /** Set a field as a person does, and tell the page. */
  async set({ selector, value }) {
    await page.$eval(
      selector,
      (field, value) => {
        field.value = value;
        for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
      },
      value,
    );
  },
  async press({ selector, keys }) {
    await page.focus(selector);
    for (const key of keys) await page.keyboard.press(key);
  },
  async drag({ from, to }) {
    const box = await (await page.$("#canvas")).boundingBox();
    const place = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
    await page.mouse.move(...place(from));
    await page.mouse.down();
    await page.mouse.move(...place(to), { steps: 4 });
    await page.mouse.up();
  },
  async until({ selector, text }) {
    await until((selector, text) => document.querySelector(selector).textContent === text, selector, text);
  },
  async text({ selector, wait }) {
    if (wait) await until((selector) => document.querySelector(selector)?.textContent.trim(), selector);
    return text(selector);
  },
  /** Click a button that saves, wait for the file, and keep it as `name`. */
  async save({ selector, name }) {
    const done = new Promise((resolve) => {
      client.on("Browser.downloadProgress", ({ state }) => state === "completed" && resolve());
    });
    const before = new Set(await readdir(plan.downloads));
    await page.click(selector);
    await done;
    const [made] = (await readdir(plan.downloads)).filter((file) => !before.has(file));
    await rename(join(plan.downloads, made), join(plan.downloads, name));
    return made;
  },
  /** Return the bytes that the page and its worker hold, after the rubbish is gone. */
  async memory() {
    let bytes = 0;
    for (const session of [client, ...page.workers().map((worker) => worker.client)]) {
      await session.send("HeapProfiler.collectGarbage");
      const { usedSize, backingStorageSize } = await session.send("Runtime.getHeapUsage");
      bytes += usedSize + backingStorageSize;
    }
    return bytes;
  },
  /** Return how many pixels the page is wider than the window. */
  async overflow() {
    return page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  },
  /** Run axe-core; return what it finds. */
  async axe() {
    await page.evaluate(readFileSync(join(modules, "axe-core", "axe.min.js"), "utf8"));
    const { violations } = await page.evaluate("axe.run()");
    return violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html }) => html) }));
  },
  async clock() {
    return Date.now();
  },
  async shot({ name }) {
    await page.screenshot({ path: join(plan.downloads, name) });
  },
  async connect() {
    return page.evaluate(() => fetch("https://example.org/").then(String, String));
  },
  async requests() {
    return requests.map((url) => url.slice(0, 60));
  },
  async errors() {
    return [...errors];
  },
};

const found = [];
for (const step of plan.steps) found.push((await steps[step.do](step)) ?? null);
await browser.close();
console.log(JSON.stringify(found));
