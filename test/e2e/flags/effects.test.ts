import { afterAll, beforeAll, describe, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { DOCKER, TestDaemon } from "../../../src/testing/daemon.ts";
import { EFFECTS } from "./effects.ts";

// Flags of `docker run` that act over a container's life, by docker's command line and by Berth's.
setDefaultTimeout(300_000);

const BERTH = join(import.meta.dir, "../../../dist/berth");

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

describe.each(["docker", "berth"] as const)("by %s", (cli) => {
  test.each(Object.keys(EFFECTS))("--%s", async (name) => {
    const argv = (...args: string[]): string[] => [
      cli === "docker" ? DOCKER : BERTH,
      "-H",
      `unix://${daemon.socket}`,
      ...args,
    ];
    await EFFECTS[name]?.({ daemon, cli, argv });
  });
});
