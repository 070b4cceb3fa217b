// Builds the page into shifts_api/page_files: bundles and data under names of their content, each also compressed.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import * as esbuild from "esbuild";

import { land, places } from "./basemap.mjs";

const target = new URL("../shifts_api/page_files/", import.meta.url);
const WORKER = "node_modules/maplibre-gl/src/source/worker.ts";
const MAX_CODE_BYTES = 700_000;
const MAX_FIRST_VIEW_BYTES = 400_000;
const COMPRESSED = new Set([".js", ".css", ".json", ".html", ".svg", ".txt"]);
const sizes = new Map();

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });

const maps = {
  "__LAND__": await write("land.json", JSON.stringify(land("50m"))),
  "__PLACES__": await writePlaces(),
};
const result = await esbuild.build({
  entryPoints: { main: "src/main.ts", worker: WORKER, style: "src/style.css" },
  // From its sources: the page and the worker share what both need, which saves a quarter of the bytes.
  alias: { "maplibre-gl": fileURLToPath(new URL("node_modules/maplibre-gl/src/index.ts", import.meta.url)) },
  // Its sources declare fields that their base classes set.
  tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  outdir: "out",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  write: false,
  metafile: true,
  define: Object.fromEntries(Object.entries(maps).map(([name, value]) => [name, JSON.stringify(value)])),
});
const outputs = Object.entries(result.metafile.outputs);
const entry = (source) => outputs.find(([, output]) => output.entryPoint === source);
for (const file of result.outputFiles) {
  await save(basename(file.path), file.contents);
}
const [main, { imports }] = entry("src/main.ts");
const first = new Set([main, ...imports.filter(({ kind }) => kind === "import-statement").map(({ path }) => path)]);
const licenses = await write("licenses.txt", await licensesOf(Object.keys(result.metafile.inputs)));
const page = (await readFile("src/index.html", "utf8"))
  .replace("__STYLE__", `/page/${basename(entry("src/style.css")[0])}`)
  .replace("__LICENSES__", licenses)
  .replace("__MAIN__", `/page/${basename(main)}`)
  .replace("__WORKER__", `/page/${basename(entry(WORKER)[0])}`)
  .replace("<!-- preloads -->", preloads([...first].filter((path) => path !== main)));
await save("index.html", Buffer.from(page));
check();

/** The licenses of all packages in the bundles, as they ask for. */
async function licensesOf(inputs) {
  const packages = new Set(inputs.map((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean));
  const texts = [];
  // Some packages carry files of others without their descriptions.
  for (const folder of [...packages].filter((each) => existsSync(`${each}/package.json`)).sort()) {
    const { name, version, license } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
    const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
    texts.push(`${name} ${version} (${license})\n\n${file ? await readFile(`${folder}/${file}`, "utf8") : ""}`);
  }
  return texts.join(`\n${"-".repeat(80)}\n`);
}

function preloads(paths) {
  return paths.map((path) => `<link rel="modulepreload" href="/page/${basename(path)}">`).join("\n    ");
}

async function writePlaces() {
  const cells = {};
  for (const [cell, found] of Object.entries(places())) {
    cells[cell] = await write(`places.json`, JSON.stringify(found));
  }
  return write("cells.json", JSON.stringify(cells));
}

async function write(name, text) {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 10);
  const hashed = `${basename(name, extname(name))}-${hash}${extname(name)}`;
  await save(hashed, Buffer.from(text));
  return `/page/${hashed}`;
}

async function save(name, contents) {
  await writeFile(new URL(name, target), contents);
  if (!COMPRESSED.has(extname(name))) return;
  const brotli = brotliCompressSync(contents, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  const gzip = gzipSync(contents, { level: 9 });
  sizes.set(name, gzip.length);
  await writeFile(new URL(`${name}.br`, target), brotli);
  await writeFile(new URL(`${name}.gz`, target), gzip);
}

function check() {
  const isCode = (name) => /\.(js|css)$/.test(name);
  const code = [...sizes].filter(([name]) => isCode(name)).reduce((sum, [, size]) => sum + size, 0);
  const names = [...first, entry("src/style.css")[0], ...workerFiles()].map((path) => basename(path));
  const view = [...new Set([...names, "index.html"])].reduce((sum, name) => sum + sizes.get(name), 0);
  console.log(`page: ${kilobytes(code)} of code gzipped, ${kilobytes(view)} for the first view`);
  if (code > MAX_CODE_BYTES || view > MAX_FIRST_VIEW_BYTES) {
    throw new Error(`the page is too large: limits are ${MAX_CODE_BYTES} and ${MAX_FIRST_VIEW_BYTES} bytes`);
  }
}

function workerFiles() {
  const [path, output] = entry(WORKER);
  return [path, ...output.imports.map((each) => each.path)];
}

function kilobytes(bytes) {
  return `${Math.round(bytes / 1000)} kB`;
}
