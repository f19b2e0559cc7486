// node bundle.mjs OUTPUT: probe.ts as one file that Node runs.
import { join } from "node:path";
import { build } from "esbuild";

await build({
  entryPoints: [join(import.meta.dirname, "probe.ts")],
  bundle: true,
  external: ["node:fs"], // all else as in a browser
  format: "esm",
  outfile: process.argv[2],
  preserveSymlinks: true,
  logLevel: "warning",
});
