import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { type Answer, fakeEngine, readHalf, type Upgrade } from "./fake-engine.ts";
import { type OnTerminal, onTerminal } from "./pty.ts";

const ID = "2".repeat(64);
const ENTRY = join(import.meta.dir, "entry.ts");

/** A container with a terminal: says `ready`, echoes, and ends with 4 when it reads `bye`. */
function terminalContainer(): { routes: Record<string, Answer>; upgrades: Record<string, Upgrade> } {
  let started: () => void = () => undefined;
  let ended: () => void = () => undefined;
  const start = new Promise<void>((resolve) => (started = resolve));
  const end = new Promise<void>((resolve) => (ended = resolve));
  const attach = async (_: unknown, socket: Duplex): Promise<void> => {
    await start;
    socket.write("ready\r\n");
    await readHalf(socket, (chunk) => {
      socket.write(chunk);
      if (!chunk.toString().includes("bye")) return;
      socket.end();
      ended();
    });
  };
  return {
    routes: {
      "POST /containers/create": { Id: ID, Warnings: [] },
      [`POST /containers/${ID}/start`]: (_, r) => {
        r.writeHead(204).end();
        started();
      },
      [`POST /containers/${ID}/wait`]: async (_, r) => {
        r.writeHead(200).flushHeaders();
        await end;
        r.end('{"StatusCode":4}');
      },
      [`POST /containers/${ID}/resize`]: 200,
      [`POST /containers/${ID}/kill`]: (_, r) => {
        r.writeHead(204).end();
        ended();
      },
    },
    upgrades: { [`POST /containers/${ID}/attach`]: attach },
  };
}

function berth(argv: string[], host: string): OnTerminal {
  return onTerminal([process.execPath, ENTRY, ...argv], { BERTH_HOST: host });
}

async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(5);
}

test("run -it: size at start and at each change, keys untouched, the container's exit code", async () => {
  const { routes, upgrades } = terminalContainer();
  await using engine = await fakeEngine(routes, upgrades);
  const sizes = () => engine.seen.filter((s) => s.path.endsWith("/resize")).map((s) => Object.fromEntries(s.query));
  const { child, until, type, output, resize } = berth(["run", "-it", "busybox"], engine.host);
  await until("ready\r\n");
  expect(JSON.parse(engine.seen[0]?.body.toString() ?? "").HostConfig.ConsoleSize).toEqual([30, 100]);
  await eventually(() => sizes().length > 0);
  expect(sizes()[0]).toEqual({ h: "30", w: "100" });
  resize(120, 40);
  await eventually(() => sizes().some((s) => s["h"] === "40" && s["w"] === "120"));
  type("\x03\x1b[A");
  await until("\x03\x1b[A");
  type("bye");
  expect(await child.exited).toBe(4);
  expect(output()).toBe("ready\r\n\x03\x1b[Abye");
});

test("the detach keys leave the container alone and end run with 0", async () => {
  const { routes, upgrades } = terminalContainer();
  await using engine = await fakeEngine(routes, upgrades);
  const { child, until, type } = berth(["run", "-it", "--detach-keys", "ctrl-a,d", "busybox"], engine.host);
  await until("ready\r\n");
  type("\x01");
  type("d");
  expect(await child.exited).toBe(0);
  expect(engine.calls().some((c) => c.endsWith("/kill"))).toBe(false);
});

test("the detach keys of config.json stand for those that are not given", async () => {
  const folder = mkdtempSync(join(tmpdir(), "detach-"));
  writeFileSync(join(folder, "config.json"), '{"detachKeys":"ctrl-b,e"}');
  const { routes, upgrades } = terminalContainer();
  await using engine = await fakeEngine(routes, upgrades);
  const env = { BERTH_HOST: engine.host, DOCKER_CONFIG: folder };
  const { child, until, type } = onTerminal([process.execPath, ENTRY, "run", "-it", "busybox"], env);
  await until("ready\r\n");
  type("\x02e");
  expect(await child.exited).toBe(0);
  expect(engine.seen.find((s) => s.path.endsWith("/attach"))?.query.get("detachKeys")).toBe("ctrl-b,e");
  rmSync(folder, { recursive: true });
});

test("signals go to the container", async () => {
  const { routes, upgrades } = terminalContainer();
  await using engine = await fakeEngine(routes, upgrades);
  const { child, until } = berth(["run", "-t", "busybox"], engine.host);
  await until("ready");
  child.kill("SIGTERM");
  await eventually(() => engine.calls().includes(`POST /containers/${ID}/kill`));
  expect(engine.seen.find((s) => s.path.endsWith("/kill"))?.query.get("signal")).toBe("15");
  child.kill("SIGKILL");
  await child.exited;
});

test("a reader that has gone ends the command quietly", async () => {
  const line = Buffer.alloc(200_000, "x\n");
  await using engine = await fakeEngine({
    "GET /containers/c/logs": (_, r) => {
      r.writeHead(200, { "content-type": "application/vnd.docker.raw-stream" });
      const more = (): void => void r.write(line, () => setImmediate(more));
      more();
    },
    "GET /containers/c/json": { Config: { Tty: true } },
  });
  const script = `"${process.execPath}" "${ENTRY}" logs -f c | head -n 1; exit \${PIPESTATUS[0]}`;
  const child = Bun.spawn(["bash", "-c", script], { env: { ...process.env, BERTH_HOST: engine.host }, stderr: "pipe" });
  expect(await child.exited).toBe(141);
  expect(await new Response(child.stderr).text()).toBe("");
});
