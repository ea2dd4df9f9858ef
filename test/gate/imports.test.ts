import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dir, "../..");
const BELOW = ["spec", "host", "store", "layer", "registry", "image", "volume", "network", "runtime", "build"];

/** DESIGN.md section 6: folder → folders that it may import. */
const MAY: Record<string, string[]> = {
  spec: [],
  host: ["spec"],
  store: ["spec", "host"],
  layer: ["spec", "host", "store"],
  registry: ["spec", "host", "store"],
  image: ["spec", "store", "layer", "registry"],
  volume: ["spec", "host", "store"],
  network: ["spec", "host", "store"],
  runtime: ["spec", "host"],
  build: ["spec", "store", "layer", "image"],
  engine: BELOW,
  api: ["spec"],
  cri: ["spec", "engine"],
  client: ["spec"],
  cli: ["spec", "client"],
  web: ["spec", "client"],
  daemon: [...BELOW, "engine", "api", "cri", "web"],
};
/** Types only: the shapes of a lower folder's contract may be named where its code may not be called. */
const TYPES_ONLY: Record<string, string[]> = {
  layer: ["host"],
  build: ["host"],
  image: ["host"],
  volume: ["image"],
  engine: ["api"],
};
/** node:-like modules that belong to Bun alone, and the one folder that may use them. */
const BUN_ONLY = /^bun(:|$)/;

interface Edge {
  from: string;
  to: string;
  typeOnly: boolean;
}

function sources(): string[] {
  return [...new Glob("src/**/*.ts").scanSync(ROOT)].filter((f) => !f.endsWith(".test.ts")).sort();
}

function edgesOf(file: string): Edge[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const pattern = /^\s*(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"|import\("([^"]+)"\)/gm;
  return [...text.matchAll(pattern)].map((m) => ({ from: file, to: m[2] ?? m[3] ?? "", typeOnly: Boolean(m[1]) }));
}

function folderOf(file: string): string {
  return file.split("/").length > 2 ? (file.split("/")[1] ?? "") : "";
}

test("imports go the one way that DESIGN.md section 6 allows", () => {
  const bad: string[] = [];
  for (const edge of sources().flatMap(edgesOf)) {
    const from = folderOf(edge.from);
    if (from === "" || from === "testing" || !edge.to.startsWith(".")) continue;
    const target = relative(ROOT, join(ROOT, dirname(edge.from), edge.to));
    if (!target.startsWith("src/")) continue;
    const to = folderOf(target);
    const allowed = to === from || MAY[from]?.includes(to) || (edge.typeOnly && TYPES_ONLY[from]?.includes(to));
    if (!allowed) bad.push(`${edge.from} → ${target}`);
  }
  expect(bad).toEqual([]);
});

test("Bun's own modules are used in src/host only", () => {
  const bad = sources()
    .flatMap(edgesOf)
    .filter((e) => BUN_ONLY.test(e.to) && !["host", "testing"].includes(folderOf(e.from)))
    .map((e) => `${e.from} → ${e.to}`);
  expect(bad).toEqual([]);
});

test("no import cycles", () => {
  const graph = new Map(
    sources().map((f) => [
      f,
      edgesOf(f)
        .filter((e) => e.to.startsWith(".") && !e.typeOnly)
        .map((e) => relative(ROOT, join(ROOT, dirname(f), e.to))),
    ]),
  );
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) return void cycles.push([...path.slice(path.indexOf(file)), file].join(" → "));
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  expect(cycles).toEqual([]);
});
