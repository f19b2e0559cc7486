// Builds the page from the sources here: `npm run build [FOLDER]`, by default into the folder above.
// FOLDER/page.html is the page without models, FOLDER/runtime.wasm.gz what runs them. `hybridseg page` joins them.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = import.meta.dirname;
const folder = process.argv[2] ?? dirname(here);
const modules = join(here, "node_modules");
const PACKAGES = ["onnxruntime-web", "dicom-parser", "utif2", "pako", "fast-png", "fflate", "iobuffer"];

async function bundle(entry) {
  const { outputFiles } = await build({
    entryPoints: [join(here, "src", entry)],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    nodePaths: [modules],
    preserveSymlinks: true,
    define: { "import.meta.url": "self.location.href" },
  });
  // `<!--` and `</script` mean something to the page around it
  return outputFiles[0].text.trim().replaceAll("<!--", "<\\!--").replaceAll("</script", "<\\/script");
}

function licences() {
  return PACKAGES.map((name) => {
    const { version, license } = JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"));
    // onnxruntime-web's package holds no text of its licence
    const file = name === "onnxruntime-web" ? join(here, "licences", `${name}.txt`) : join(modules, name, "LICENSE");
    return `${name} ${version} (${license.replace(/^\(|\)$/g, "")})\n\n${readFileSync(file, "utf8").trim()}`;
  }).join("\n\f\n");
}

const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const read = (name) => readFileSync(join(here, name));

const script = await bundle("main.ts");
const style = read("style.css").toString().replace(/\n\s*/g, "\n");
const text = Object.fromEntries(Object.entries(JSON.parse(read("text.json"))).map(([key, value]) => [key, escaped(value)]));
const policy = [
  "default-src 'none'",
  "connect-src 'none'",
  `script-src ${hash(script)} 'wasm-unsafe-eval'`,
  `style-src ${hash(style)}`,
  "img-src data:",
  "worker-src blob:",
  "form-action 'none'",
  "base-uri 'none'",
].join("; ");
const parts = {
  ...text,
  examplePicture: `data:image/png;base64,${read("example.png").toString("base64")}`,
  policy,
  style,
  script,
  worker: await bundle("worker.ts"),
  licences: licences().replaceAll("</script", "<\\/script"),
};
const page = read("index.html")
  .toString()
  .replace(/\{\{(\w+)\}\}/g, (_, key) => {
    if (!(key in parts)) throw new Error(`index.html asks for ${key}, which text.json doesn't have`);
    return parts[key];
  });
writeFileSync(join(folder, "page.html"), page);
const runtime = readFileSync(join(modules, "onnxruntime-web", "dist", "ort-wasm-simd-threaded.wasm"));
writeFileSync(join(folder, "runtime.wasm.gz"), gzipSync(runtime, { level: 9 }));
