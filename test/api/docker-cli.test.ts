import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createApi } from "../../src/api/api.ts";
import type { Backend } from "../../src/api/backend.ts";
import { type Listener, listen } from "../../src/daemon/http/listen.ts";
import { type FakeBackend, fakeBackend } from "../../src/testing/fake-backend.ts";

const UNPACKED = join(import.meta.dir, "../../.build/docker/usr/bin/docker");
const DOCKER = existsSync(UNPACKED) ? UNPACKED : "docker";
const folder = mkdtempSync(join(tmpdir(), "berth-api-"));
const socket = join(folder, "s");
let backend: FakeBackend;
let listener: Listener;

beforeAll(async () => {
  listener = await listen((request) => createApi(backend)(request), { unix: socket });
});
beforeEach(() => {
  backend = fakeBackend();
});
afterAll(async () => {
  await listener.close();
  rmSync(folder, { recursive: true });
});

interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

async function run(argv: string[], stdin = ""): Promise<Outcome> {
  const env = { PATH: process.env["PATH"], HOME: folder, DOCKER_BUILDKIT: "0", DOCKER_HOST: `unix://${socket}` };
  const child = spawn(argv[0] ?? "", argv.slice(1), { env, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => undefined);
  child.stdin.end(stdin);
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, out, err };
}

const docker = (args: string[], stdin?: string): Promise<Outcome> => run([DOCKER, ...args], stdin);

/** Under a pseudo terminal, as a person at a terminal runs it. */
const onTerminal = (args: string[], stdin: string): Promise<Outcome> =>
  run(["script", "-qec", [DOCKER, ...args].join(" "), "/dev/null"], stdin);

test("ps, version and info", async () => {
  await backend.container.create("web", { Image: "nginx", Cmd: ["serve"] }, {});
  expect((await docker(["ps", "-a", "--format", "{{.Names}} {{.Image}}"])).out).toBe("web nginx\n");
  expect((await docker(["version", "--format", "{{.Server.APIVersion}}"])).out).toBe("1.51\n");
  expect((await docker(["info", "--format", "{{.Containers}}"])).out).toBe("1\n");
});

test("run -i: stdin to its end comes back, logs show it again", async () => {
  const lines = "one\ntwo\n";
  const outcome = await docker(["run", "-i", "--name", "r", "busybox", "cat"], lines);
  expect(outcome).toEqual({ code: 0, out: lines, err: "" });
  expect((await docker(["logs", "r"])).out).toBe(lines);
});

test("run -i with 20 MB: every byte returns", async () => {
  const lines = "0123456789abcdef\n".repeat(1_200_000);
  const outcome = await docker(["run", "-i", "--rm", "busybox", "cat"], lines);
  expect(outcome.out.length).toBe(lines.length);
  expect(outcome.out).toBe(lines);
  expect(backend.state.containers.size).toBe(0);
});

test("run -it --rm on a terminal", async () => {
  const outcome = await onTerminal(["run", "-it", "--rm", "busybox", "cat"], "typed\x04");
  expect(outcome.out).toContain("typed");
  expect(backend.state.calls.map(([name]) => name)).toContain("container.wait");
  expect(backend.state.containers.size).toBe(0);
});

test("exec, exec -i, and one that cannot start", async () => {
  await backend.container.create("c", { Image: "b" }, {});
  await backend.container.start("c", {});
  expect((await docker(["exec", "c", "echo", "hi"])).out).toBe("echo hi\n");
  expect((await docker(["exec", "-i", "c", "cat"], "in")).out).toBe("cat\nin");
  expect((await docker(["exec", "c", "missing"])).out).toContain('exec: "missing": not found');
  expect((await docker(["exec", "-d", "c", "sleep"])).code).toBe(0);
});

test("events and wait follow what happens", async () => {
  await backend.container.create("c", { Image: "b" }, {});
  await backend.container.start("c", {});
  const waiting = Promise.withResolvers<void>();
  const wait = backend.container.wait;
  backend.container.wait = (id: string, options: Parameters<Backend["container"]["wait"]>[1]) => {
    waiting.resolve();
    return wait(id, options);
  };
  const waited = docker(["wait", "c"]);
  await waiting.promise;
  expect((await docker(["stop", "c"])).out).toBe("c\n");
  expect(await waited).toMatchObject({ code: 0, out: "0\n" });
  const until = String(Math.ceil(Date.now() / 1000) - 1);
  const events = await docker(["events", "--since", "1", "--until", until, "--format", "{{.Action}} {{.Actor.ID}}"]);
  expect(events.out.split("\n").map((line) => line.split(" ")[0])).toEqual(["start", "die", ""]);
});

test("build sends its context, load its archive, errors end with exit code 1", async () => {
  writeFileSync(join(folder, "Dockerfile"), "FROM scratch\n");
  const built = await docker([
    "build",
    "-t",
    "x",
    "--build-arg",
    "A=1",
    "-f",
    join(folder, "Dockerfile"),
    import.meta.dir,
  ]);
  expect(built.out).toContain("Successfully built 111111111111");
  const loaded = await docker(["load"], "x".repeat(3_000_000));
  expect(loaded.out).toContain("Loaded 3000000 bytes");
  const pulled = await docker(["pull", "busybox"]);
  expect([pulled.code, pulled.err.includes("is not implemented")]).toEqual([1, true]);
});

test("a failure is Docker's line with its message", async () => {
  expect(await docker(["inspect", "--type", "container", "nope"])).toMatchObject({ code: 1 });
  expect((await docker(["stop", "nope"])).err).toContain("No such container: nope");
  expect((await docker(["swarm", "leave"])).err).toContain("Berth is a single-node engine");
  expect((await docker(["attach", "nope"])).err).toContain("No such container: nope");
});

test("curl: ping with and without body, an upload that asks before it sends", async () => {
  const curl = (...args: string[]): Promise<Outcome> => run(["curl", "-s", "--unix-socket", socket, ...args]);
  expect((await curl("http://d/_ping")).out).toBe("OK");
  const head = await curl("-I", "http://d/v1.24/_ping");
  expect(head.out).toContain("Api-Version: 1.51");
  const file = join(folder, "upload");
  writeFileSync(file, Buffer.alloc(2_000_000, 1));
  const sent = await curl(
    "-X",
    "POST",
    "-H",
    "Expect: 100-continue",
    "--data-binary",
    `@${file}`,
    "http://d/images/load",
  );
  expect(sent.out).toContain("Loaded 2000000 bytes");
});
