import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fakeEngine } from "./fake-engine.ts";
import { berth } from "./harness.ts";

// Each folder: what the engine answers by route (`@unix-N` and `@rfc-N` are N seconds ago), the command line, an argument a
// line, and what docker 28 printed of those answers.
const GOLDEN = join(import.meta.dir, "../../src/cli/format/golden");

const zone = process.env["TZ"];
beforeAll(() => void (process.env["TZ"] = "UTC"));
afterAll(() => void (zone === undefined ? delete process.env["TZ"] : (process.env["TZ"] = zone)));

function answers(folder: string): Record<string, object> {
  const now = Math.floor(Date.now() / 1000);
  const text = readFileSync(join(folder, "input.json"), "utf8")
    .replace(/"@unix-(\d+)"/g, (_, ago) => String(now - Number(ago)))
    .replace(/"@rfc-(\d+)"/g, (_, ago) => JSON.stringify(new Date((now - Number(ago)) * 1000).toISOString()));
  return JSON.parse(text) as Record<string, object>;
}

test.each(readdirSync(GOLDEN))("%s", async (name) => {
  const folder = join(GOLDEN, name);
  await using engine = await fakeEngine(answers(folder));
  const argv = readFileSync(join(folder, "args"), "utf8").trimEnd().split("\n");
  const { out, code } = await berth(argv, { host: engine.host });
  // The client's own part of `info` and `version` is Berth's.
  const shown = argv[0] === "info" || argv[0] === "version" ? out.slice(out.indexOf("Server:")) : out;
  expect(shown).toBe(readFileSync(join(folder, "expected.txt"), "utf8"));
  expect(code).toBe(0);
});
