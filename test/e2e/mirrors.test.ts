import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SystemInfo } from "../../src/spec/engine-api.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { registryServer } from "../../src/testing/registry-server.ts";
import { HAVE_SPEC, loadSpecValidator } from "../../src/testing/spec-validator.ts";

// A daemon with mirrors of several registries, one of which takes connections and never answers; each place has other content under the same name.

const [CACHE, OWN, SILENT] = ["127.0.0.1:5000", "127.0.0.1:5001", "127.0.0.1:5002"];
setDefaultTimeout(300_000);
let daemon: TestDaemon;
let folder = "";
let silent: ChildProcess;
let connections = 0;
const registries: AsyncDisposable[] = [];

function configure(settings: object): string {
  const file = join(folder, "daemon.json");
  writeFileSync(file, JSON.stringify(settings));
  return file;
}

/** Has the daemon read its file again. */
async function reload(settings: object): Promise<void> {
  const before = daemon.log.length;
  configure(settings);
  process.kill(daemon.pid, "SIGHUP");
  while (!daemon.log.slice(before).includes("are read again")) await Bun.sleep(10);
}

async function content(name: string, text: string): Promise<void> {
  writeFileSync(join(folder, "Dockerfile"), `FROM busybox\nRUN echo ${text} >/text\n`);
  await daemon.ok("build", "-q", "-t", name, folder);
  await daemon.ok("push", "-q", name);
  await daemon.ok("rmi", name);
}

beforeAll(async () => {
  folder = mkdtempSync("/var/tmp/berth-mirrors.");
  daemon = await TestDaemon.start({ flags: ["--config-file", configure({})] });
  for (const address of [CACHE, OWN])
    registries.push(await registryServer(daemon, address, { folder: join(folder, address) }));
  const program = `require("net").createServer(() => console.log("connection")).listen(5002, "127.0.0.1", () => console.log("ready"))`;
  const [file = "", ...args] = daemon.inNet(process.execPath, "-e", program);
  silent = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve) => {
    silent.stdout?.on("data", (data: Buffer) => {
      connections += data.toString().split("connection").length - 1;
      if (data.toString().includes("ready")) resolve();
    });
  });
  await content(`${CACHE}/library/base`, "the mirror of the hub");
  await content(`${CACHE}/cache/both`, "the mirror");
  await content(`${OWN}/both`, "the registry");
  await content(`${OWN}/one`, "the registry");
}, 300_000);
afterAll(async () => {
  try {
    const gone = once(silent, "exit");
    silent.kill();
    await gone;
    for (const one of registries) await one[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
  } finally {
    // Also where the start failed, and there is nothing else to end.
    rmSync(folder, { recursive: true, force: true });
  }
});

const text = (name: string): Promise<string> => daemon.ok("run", "--rm", name, "cat", "/text");

async function info(): Promise<SystemInfo> {
  const answer = await fetch("http://berth/v1.51/info", { unix: daemon.socket });
  const body = (await answer.json()) as SystemInfo;
  if (HAVE_SPEC) {
    const findings = loadSpecValidator({ goNulls: true }).validateResponse("GET", "/v1.51/info", 200, body);
    expect(findings).toEqual([]);
  }
  return body;
}

test("mirrors of the hub and of another registry: order, prefix, fall back; the silent one is met once, and info tells", async () => {
  const mirrors = {
    "docker.io": [`http://${SILENT}`, `http://${CACHE}`],
    [OWN]: [`http://${SILENT}`, `http://${CACHE}/v2/cache`],
  };
  await reload({ "registry-mirrors": mirrors });
  expect(await text("base")).toBe("the mirror of the hub");
  expect(connections).toBe(1);
  expect(await text(`${OWN}/both`)).toBe("the mirror");
  expect(await text(`${OWN}/one`)).toBe("the registry");
  await daemon.ok("rmi", "base");
  await daemon.ok("pull", "base");
  expect(connections).toBe(1);

  const { RegistryConfig } = await info();
  expect(RegistryConfig?.Mirrors).toEqual([`http://${SILENT}/`, `http://${CACHE}/`]);
  expect(RegistryConfig?.IndexConfigs?.[OWN]).toMatchObject({
    Secure: true,
    Mirrors: [`http://${SILENT}/`, `http://${CACHE}/v2/cache/`],
  });
  const words = "no answer within 1 s";
  const failing = { URL: `http://${SILENT}`, State: "failing", LastError: expect.stringContaining(words) };
  expect(RegistryConfig?.MirrorStates).toMatchObject([
    { Registry: "docker.io", LastServedBy: `http://${CACHE}`, Mirrors: [failing, { State: "serving" }] },
    { Registry: OWN, LastServedBy: OWN, Mirrors: [failing, { State: "serving" }] },
  ]);
  const shown = await daemon.ok("info");
  expect(shown).toContain(` Mirror States:\n  docker.io: last served by http://${CACHE} at `);
  expect(shown).toMatch(
    new RegExp(`\n   http://${SILENT}: failing since \\S+, next try at \\S+ \\(last error: .*${words}\\)\n`),
  );
  expect((await daemon.docker("info")).stdout).toContain(
    ` Registry Mirrors:\n  http://${SILENT}/\n  http://${CACHE}/\n`,
  );
});

test("SIGHUP changes mirrors for what begins then; what is malformed changes nothing", async () => {
  await reload({ "registry-mirrors": { [OWN]: [`http://${CACHE}/v2/cache`] } });
  await daemon.ok("pull", `${OWN}/both`);
  expect(await text(`${OWN}/both`)).toBe("the mirror");
  await reload({});
  await daemon.ok("pull", `${OWN}/both`);
  expect(await text(`${OWN}/both`)).toBe("the registry");
  configure({ "registry-mirrors": { [OWN]: ["http://me:hunter2@mirror.example"] } });
  process.kill(daemon.pid, "SIGHUP");
  while (!daemon.log.includes("the settings stay as they are")) await Bun.sleep(10);
  expect(daemon.log).toContain("SIGHUP: invalid mirror: http://…@mirror.example");
  expect(daemon.log).not.toContain("hunter2");
  expect((await info()).RegistryConfig).not.toHaveProperty("MirrorStates");
});
