import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { run } from "../../../src/host/spawn.ts";
import { TestDaemon } from "../../../src/testing/daemon.ts";

// Real clients, unmodified, each with a job that its users have. The jobs are programs of their own in test/clients.

const JOBS = join(import.meta.dir, "../../clients");
const LIMIT = 300_000;
let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** Runs a job in the daemon's network, where its published ports are. */
async function job(...argv: string[]): Promise<void> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: daemon.root,
    DOCKER_HOST: `unix://${daemon.socket}`,
    DOCKER_BUILDKIT: "0",
    TESTCONTAINERS_RYUK_DISABLED: "true",
  };
  const done = await run(daemon.inNet(...argv), { env });
  expect(`${done.code} ${done.stdout.trim()}\n${done.stderr}`).toStartWith("0 done");
}

/** Nothing of the job is left: containers, volumes, networks of one's own. */
async function expectEmpty(): Promise<void> {
  expect(await daemon.ok("ps", "-aq")).toBe("");
  expect(await daemon.ok("volume", "ls", "-q")).toBe("");
  expect((await daemon.ok("network", "ls", "--format", "{{.Name}}")).split("\n").sort()).toEqual([
    "bridge",
    "host",
    "none",
  ]);
}

test(
  "dockerode",
  async () => {
    await job("node", join(JOBS, "dockerode.mjs"));
    await expectEmpty();
  },
  LIMIT,
);

test(
  "@docker/node-sdk",
  async () => {
    await job("node", join(JOBS, "node-sdk.mjs"));
    await expectEmpty();
  },
  LIMIT,
);

test(
  "testcontainers without its reaper",
  async () => {
    await job("node", join(JOBS, "testcontainers.mjs"));
    await expectEmpty();
  },
  LIMIT,
);

test(
  "python3-docker",
  async () => {
    await job("/usr/bin/python3", join(JOBS, "python.py"));
    await expectEmpty();
  },
  LIMIT,
);
