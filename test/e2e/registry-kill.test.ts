import { expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { run } from "../../src/host/spawn.ts";
import { openFolderStorage } from "../../src/registry/server/storage/folder.ts";
import type { Manifest } from "../../src/spec/oci.ts";
import { random } from "../../src/testing/random.ts";

// Kill -9 of the registry or of a client at random moments, under load, with garbage collection all the time. BERTH_KILLS: how often; BERTH_SEED: which moments.

const ROOT = join(import.meta.dir, "../..");
const BERTH = join(ROOT, "dist/berth");
const KILLS = Number(process.env["BERTH_KILLS"] ?? 20);
const SEED = Number(process.env["BERTH_SEED"] ?? Date.now() % 1_000_000);
const REPOSITORIES = ["team/a", "team/b", "c"];

/** Everything of one such run. */
interface Scene extends AsyncDisposable {
  address: string;
  /** Kills, waits for the end, and starts anew. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

async function registry(folder: string): Promise<Scene> {
  const gc = ["--gc-every", "200ms", "--gc-grace", "1s", "--upload-timeout", "5s"];
  let child: ChildProcess | undefined;
  let address = "127.0.0.1:0";
  const start = async (): Promise<void> => {
    child = spawn(BERTH, ["registry", "serve", "--root", folder, "--addr", address, ...gc], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream });
    address = await new Promise<string>((resolve, reject) => {
      const said: string[] = [];
      lines.on("line", (line) => {
        said.push(line);
        const [, found] = /registry at http:\/\/([^/\s]+)/.exec(line) ?? [];
        if (found) resolve(found);
        if (line.includes("internal error")) console.error(line);
      });
      lines.once("close", () => reject(new Error(`the registry ended: ${said.join("\n")}`)));
    });
  };
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  };
  await start();
  return {
    get address() {
      return address;
    },
    restart: async () => {
      await kill("SIGKILL");
      await start();
    },
    stop: () => kill("SIGTERM"),
    [Symbol.asyncDispose]: () => kill("SIGKILL"),
  };
}

/** One client process after another, of one repository. */
class Client implements AsyncDisposable {
  readonly acked = new Map<string, string>();
  readonly violations: string[] = [];
  pushes = 0;
  #child: ChildProcess | undefined;
  #read: Promise<unknown> = Promise.resolve();

  constructor(
    readonly name: string,
    private readonly other: string,
  ) {}

  start(address: string, seed: number): void {
    const known = [...this.acked].map((pair) => pair.join("="));
    const args = [join(import.meta.dir, "registry-worker.ts"), address, this.name, this.other, String(seed), ...known];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    const lines = createInterface({ input: child.stdout });
    this.#read = once(lines, "close");
    lines.on("line", (line) => {
      const [word, tag = "", digest = ""] = line.split(" ");
      if (word === "acked") this.acked.set(tag, digest);
      if (word === "acked") this.pushes += 1;
      if (word === "deleting") this.acked.delete(tag);
      if (word === "violation") this.violations.push(`${this.name}: ${line}`);
    });
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#read;
  }

  /** Lets it finish what it does. Returns its exit code. */
  async finish(): Promise<number | null> {
    const child = this.#child;
    if (!child) return null;
    const gone = child.exitCode === null ? once(child, "exit") : undefined;
    child.stdin?.end();
    await gone;
    await this.#read;
    return child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

const ask = (address: string, path: string, method = "GET"): Promise<Response> =>
  fetch(`http://${address}/v2/${path}`, { method });

async function tagsOf(address: string, name: string): Promise<string[]> {
  const answer = await ask(address, `${name}/tags/list`);
  return answer.status === 404 ? [] : (((await answer.json()) as { tags: string[] }).tags ?? []);
}

/** What is wrong with what the registry serves now. Its clients go on meanwhile: what has gone when asked again was deleted. */
async function flaws(address: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of REPOSITORIES) {
    for (const tag of await tagsOf(address, name)) {
      const manifest = await ask(address, `${name}/manifests/${tag}`);
      if (manifest.status !== 200) continue;
      const digest = manifest.headers.get("docker-content-digest");
      const { config, layers } = (await manifest.json()) as Manifest;
      for (const blob of [config, ...layers]) {
        const hash = createHash("sha256");
        const answer = await ask(address, `${name}/blobs/${blob.digest}`);
        if (answer.status === 200) hash.update(new Uint8Array(await answer.arrayBuffer()));
        if (answer.status === 200 && `sha256:${hash.digest("hex")}` === blob.digest) continue;
        if ((await ask(address, `${name}/manifests/${digest}`, "HEAD")).status === 200)
          found.push(`${name}:${tag}: ${blob.digest}: ${answer.status}`);
      }
    }
  }
  return found;
}

test(
  `${KILLS} kills at random moments (seed ${SEED}): nothing served is broken, nothing acknowledged is lost, nothing leaks`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "berth-kill-"));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    const next = random(SEED);
    const server = stack.use(await registry(folder));
    const clients = REPOSITORIES.map((name, i) => stack.use(new Client(name, REPOSITORIES[(i + 1) % 3] ?? "")));
    const seeded = (): number => Math.floor(next() * 1e9);
    for (const client of clients) client.start(server.address, seeded());
    for (let kill = 0; kill < KILLS; kill++) {
      await new Promise((done) => setTimeout(done, next() * 250));
      if (next() < 0.7) {
        await server.restart();
        expect({ kill, seed: SEED, flaws: await flaws(server.address) }).toEqual({ kill, seed: SEED, flaws: [] });
      } else {
        const client = clients[Math.floor(next() * clients.length)];
        await client?.kill();
        client?.start(server.address, seeded());
      }
    }
    const pushed = clients.map((client) => client.pushes);
    for (const client of clients) expect(await client.finish()).toBe(0);
    expect(clients.flatMap((client) => client.violations)).toEqual([]);
    for (const client of clients) {
      expect(client.pushes).toBeGreaterThan(0);
      for (const [tag, digest] of client.acked) {
        const head = await ask(server.address, `${client.name}/manifests/${tag}`, "HEAD");
        expect(`${tag} ${head.headers.get("docker-content-digest")}`).toBe(`${tag} ${digest}`);
      }
    }
    expect(await flaws(server.address)).toEqual([]);
    console.log(`${KILLS} kills, images pushed meanwhile: ${pushed.join(", ")}`);
    await expectNothingLeft(server, folder);
  },
  Math.max(90_000, KILLS * 3000),
);

/** All images deleted, all that nobody needs collected: as if it were new. */
async function expectNothingLeft(server: Scene, folder: string): Promise<void> {
  for (const name of REPOSITORIES) {
    for (const tag of await tagsOf(server.address, name)) {
      const digest = (await ask(server.address, `${name}/manifests/${tag}`, "HEAD")).headers.get(
        "docker-content-digest",
      );
      if (digest) expect((await ask(server.address, `${name}/manifests/${digest}`, "DELETE")).status).toBe(202);
    }
  }
  await server.stop();
  const gc = await run([BERTH, "registry", "gc", "--root", folder, "--gc-grace", "0s", "--upload-timeout", "0s"]);
  expect([gc.code, gc.stdout.split("\n").length]).toEqual([0, 2]);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.map((entry) => entry.name).sort()).toEqual(["lock", "registry.db", "reserve"]);
  await using storage = openFolderStorage(folder);
  expect(await storage.metadata.list("")).toEqual([]);
}
