import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Image } from "../image/types.ts";
import { type FileSpec, Lab } from "./lab.test.ts";

/**
 * Each folder of `testdata/config` has a Dockerfile, at times the one of the image `parent` before it, and in `expected.json` what
 * Docker 28.5's BuildKit made of it: the configuration without empty values, and the history after the base as [created_by, empty_layer]. History of HEALTHCHECK
 * is left out, which BuildKit prints as a Go structure, and that of ONBUILD, which it does not have.
 */
const FOLDER = join(import.meta.dir, "testdata/config");

const CONTEXT: Record<string, FileSpec> = { a: "A", "b.txt": { text: "B", mode: 0o600 }, "t.tar": "not a tar" };

let lab: Lab;
let base: number;
beforeAll(async () => {
  lab = await Lab.open();
  base = lab.deps.images.resolve("base").config.history?.length ?? 0;
});
afterAll(() => lab[Symbol.asyncDispose]());

/** Docker writes some of its zero values and leaves others out; neither says anything. */
function meaning(config: object): object {
  const empty = (value: unknown): boolean =>
    value === null || value === "" || value === false || (typeof value === "object" && Object.keys(value).length === 0);
  return Object.fromEntries(Object.entries(config).filter(([key, value]) => key !== "ArgsEscaped" && !empty(value)));
}

function historyOf(image: Image, skip: number): [string, boolean][] {
  const lines = (image.config.history ?? [])
    .slice(skip)
    .map((h): [string, boolean] => [h.created_by ?? "", h.empty_layer ?? false]);
  return lines.filter(([text]) => !/^(HEALTHCHECK|ONBUILD)/.test(text));
}

test.each(readdirSync(FOLDER))("%s", async (name) => {
  const read = (file: string): string => readFileSync(join(FOLDER, name, file), "utf8");
  const parent = existsSync(join(FOLDER, name, "parent.Dockerfile"));
  const files = { file: "F", "dir/x": "x", ...CONTEXT };
  if (parent) await lab.build({ ...files, Dockerfile: read("parent.Dockerfile") }, { tags: ["parent"], noCache: true });
  const Dockerfile = read("Dockerfile");
  const { image } = await lab.build({ ...files, Dockerfile });
  const expected = JSON.parse(read("expected.json"));
  expect(meaning(image.config.config ?? {})).toEqual(expected.config);
  const fromScratch = Dockerfile.includes("FROM scratch");
  expect(historyOf(image, fromScratch ? 0 : base)).toEqual(expected.history);
  expect(image.config.author ?? "").toBe(expected.author);
});

test("a build again, all from the cache, has the same id as the first", async () => {
  for (const name of ["label-forms", "healthcheck-shell", "arg-scope", "copy-history"]) {
    const files = { ...CONTEXT, Dockerfile: readFileSync(join(FOLDER, name, "Dockerfile"), "utf8") };
    const first = await lab.build(files);
    const again = await lab.build(files);
    expect(again.image.id).toBe(first.image.id);
    expect(again.text.match(/Using cache/g)?.length).toBeGreaterThan(0);
    expect(again.text).not.toContain("Running in");
  }
});
