import { afterAll, beforeAll, expect, test } from "bun:test";
import { findPlace } from "../../src/cli/tree.ts";
import SINCE from "./docker-since.json";
import { type FakeEngine, fakeEngine } from "./fake-engine.ts";
import { berth } from "./harness.ts";

// What an older version of the API has not is refused in docker's words. docker-since.json is what docker 28 says with DOCKER_API_VERSION=1.24.

let engine: FakeEngine;
beforeAll(async () => {
  engine = await fakeEngine({});
});
afterAll(() => engine[Symbol.asyncDispose]());

async function refusal(version: number, argv: string[]): Promise<string> {
  const done = await berth(argv, { host: engine.host, env: { DOCKER_API_VERSION: `1.${version}` } });
  return `${done.code} ${done.err.trim()}`;
}

async function valueFor(words: string[], flag: string): Promise<string> {
  const found = await findPlace(words).load?.();
  const kind = found?.default.flags[flag]?.kind ?? "";
  const values: Record<string, string> = {
    bool: "",
    int: "=1",
    uint16: "=1",
    bytes: "=1m",
    swap: "=1m",
    duration: "=1s",
    cpus: "=1",
  };
  return values[kind] ?? "=a=b";
}

test.each(Object.entries(SINCE))("%s since 1.%i", async (what, since) => {
  const [words, flag] = what.split(" --");
  const command = words?.split(" ") ?? [];
  const argv = flag ? [...command, `--${flag}${await valueFor(command, flag)}`, "x", "y"] : [...command, "x", "y"];
  const named = flag ? `"--${flag}"` : `berth ${words}`;
  const line = (version: number): string =>
    `1 ${named} requires API version 1.${since}, but the Docker daemon API version is 1.${version}`;
  expect(await refusal(24, argv)).toBe(line(24));
  expect(await refusal(since - 1, argv)).toBe(line(since - 1));
  expect(await refusal(since, argv)).not.toContain("requires API version");
});

test("all that is too new is told, and nothing is where no version is asked for", async () => {
  const argv = ["run", "--platform=x", "--init", "--cpus=1", "busybox"];
  const words = (flag: string, since: number): string =>
    `"--${flag}" requires API version 1.${since}, but the Docker daemon API version is 1.24`;
  expect(await refusal(24, argv)).toBe(`1 ${words("cpus", 25)}\n${words("init", 25)}\n${words("platform", 32)}`);
  expect((await berth(argv, { host: engine.host })).err).not.toContain("requires");
});
