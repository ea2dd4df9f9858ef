import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { elapsed, inTurns, type Pair, print } from "./measure.ts";
import { registryServers } from "./registry-servers.ts";

const DEBIAN_REGISTRY = join(import.meta.dir, "../../.build/registry/usr/bin/docker-registry");
const MIB = 1024 * 1024;
const LAYERS = 8;
const TOTAL = 300 * MIB;
const LARGEST = 8 * MIB;
const SMALL_LAYERS = 100;
const SMALL_FILES = 20;
const FIRST_PORT = 5100;

/** An engine as docker's command line reaches it, and what enters its network namespace. */
export interface Engine {
  docker: string[];
  host: string[];
}

/** One image: how to name it in a registry, and its context on the disk. */
interface Content {
  name: string;
  title: string;
  context: string;
}

/** Pull and push of whole images with Debian's docker-registry, by both engines; then registries side by side. */
export async function registries(engines: Pair<Engine>, rounds: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "berth-bench-"));
  const ports = portsFrom(FIRST_PORT);
  try {
    for (const content of [debian(dir), smallFiles(dir)]) await images(engines, { content, rounds, dir, ports });
    await registryServers({ dir, enter: engines.own.host, rounds });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

interface Run {
  content: Content;
  rounds: number;
  dir: string;
  ports: () => number;
}

async function images(engines: Pair<Engine>, { content, rounds, dir, ports }: Run): Promise<void> {
  const { name, title, context } = content;
  const store = join(dir, name);
  const port = ports();
  await using _shared = servers(engines, store, port);
  const image = `127.0.0.1:${port}/${name}`;
  run([...engines.own.docker, "build", "-q", "-t", image, context], { DOCKER_BUILDKIT: "0" });
  run([...engines.own.docker, "push", "-q", image]);
  // The build's cache has the layers too.
  run([...engines.own.docker, "builder", "prune", "-af"]);
  const pull = async ({ docker }: Engine): Promise<number> => {
    spawnSync(docker[0] ?? "", [...docker.slice(1), "rmi", image], { stdio: "ignore" });
    spawnSync("sync");
    return elapsed(async () => run([...docker, "pull", "-q", image]));
  };
  const goal = "0.50";
  print({ name: `pull of ${title}`, goal, ...(await inTurns(engines, rounds, pull)) });
  print({ name: `push of ${title}, as pulled`, goal, ...(await inTurns(engines, rounds, pushed(dir, image, ports))) });
  const archive = join(dir, `${name}.tar`);
  run([...engines.own.docker, "save", "-o", archive, image]);
  const made = uncompressed(dir, archive);
  const loaded = async (engine: Engine): Promise<number> => {
    spawnSync(engine.docker[0] ?? "", [...engine.docker.slice(1), "rmi", image], { stdio: "ignore" });
    run([...engine.docker, "load", "-q", "-i", made]);
    return pushed(dir, image, ports)(engine);
  };
  print({ name: `push of ${title}, compressed for the first time`, goal, ...(await inTurns(engines, rounds, loaded)) });
  for (const { docker } of [engines.own, ...(engines.peer ? [engines.peer] : [])]) run([...docker, "rmi", "-f", image]);
}

/** To a registry of its own each time, so that nothing is there and nothing can be mounted. */
function pushed(dir: string, image: string, ports: () => number): (engine: Engine) => Promise<number> {
  return async ({ docker, host }) => {
    const port = ports();
    const store = join(dir, `push-${port}`);
    await using _registry = server(host, store, port);
    const target = `127.0.0.1:${port}/pushed`;
    run([...docker, "tag", image, target]);
    spawnSync("sync");
    const ms = await elapsed(async () => run([...docker, "push", "-q", target]));
    run([...docker, "rmi", target]);
    rmSync(store, { recursive: true });
    return ms;
  };
}

/** The archive with layers that are plain tars, as `docker save` of an image that was built has them. */
function uncompressed(dir: string, archive: string): string {
  const folder = mkdtempSync(join(dir, "plain-"));
  run(["tar", "-C", folder, "-xf", archive]);
  const [{ Config, RepoTags, Layers }] = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as [
    { Config: string; RepoTags: string[]; Layers: string[] },
  ];
  const out = mkdtempSync(join(dir, "docker-"));
  cpSync(join(folder, Config), join(out, "config.json"));
  const layers = Layers.map((layer, i) => {
    run(["sh", "-c", `zcat -f '${join(folder, layer)}' > '${join(out, `${i}.tar`)}'`]);
    return `${i}.tar`;
  });
  writeFileSync(join(out, "manifest.json"), JSON.stringify([{ Config: "config.json", RepoTags, Layers: layers }]));
  const made = `${archive}.plain`;
  run(["tar", "-C", out, "-cf", made, "."]);
  for (const gone of [folder, out]) rmSync(gone, { recursive: true });
  return made;
}

/** Files of this machine's own Debian, in the order of their names, 300 MB in 8 layers. */
function debian(dir: string): Content {
  const context = join(dir, "debian");
  const found = spawnSync("find", ["/usr", "-xdev", "-type", "f", "-size", "-16384"], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const files = found.stdout
    .split("\n")
    .filter((path) => path !== "")
    .sort();
  let bytes = 0;
  for (const path of files) {
    const { size = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
    if (size > LARGEST) continue;
    if (bytes + size > TOTAL) break;
    const to = join(context, String(Math.min(Math.floor((bytes / TOTAL) * LAYERS), LAYERS - 1)), path);
    mkdirSync(dirname(to), { recursive: true });
    cpSync(path, to);
    bytes += size;
  }
  writeDockerfile(context, LAYERS);
  return { name: "debian", title: "300 MB in 8 layers", context };
}

function smallFiles(dir: string): Content {
  const context = join(dir, "small");
  for (let layer = 0; layer < SMALL_LAYERS; layer++) {
    const folder = join(context, String(layer), "srv", String(layer));
    mkdirSync(folder, { recursive: true });
    for (let file = 0; file < SMALL_FILES; file++)
      writeFileSync(join(folder, `${file}.txt`), `${layer} ${file}\n`.repeat(100));
  }
  writeDockerfile(context, SMALL_LAYERS);
  return { name: "small", title: "100 layers of small files", context };
}

function writeDockerfile(context: string, layers: number): void {
  const copies = Array.from({ length: layers }, (_, i) => `COPY ${i}/ /`);
  writeFileSync(join(context, "Dockerfile"), ["FROM scratch", ...copies, 'CMD ["/bin/true"]', ""].join("\n"));
}

/** docker-registry over one folder in the network of each engine: what the one sees the other sees. */
function servers(engines: Pair<Engine>, store: string, port: number): AsyncDisposable {
  const started = [engines.own, ...(engines.peer ? [engines.peer] : [])].map(({ host }) => server(host, store, port));
  return {
    async [Symbol.asyncDispose]() {
      for (const one of started) await one[Symbol.asyncDispose]();
    },
  };
}

/** Debian's docker-registry on a port of a network namespace; it listens when this returns. */
export function server(enter: readonly string[], store: string, port: number): AsyncDisposable {
  mkdirSync(store, { recursive: true });
  const config = `${store}.${port}.yml`;
  const log = "log: {level: error, accesslog: {disabled: true}}";
  writeFileSync(
    config,
    `version: 0.1\n${log}\nstorage: {filesystem: {rootdirectory: ${store}}}\nhttp: {addr: "127.0.0.1:${port}"}\n`,
  );
  const [file = "", ...args] = [...enter, DEBIAN_REGISTRY, "serve", config];
  return listening(spawn(file, args, { stdio: "ignore" }), enter, port);
}

/** Waits until the port answers. */
export function listening(child: ChildProcess, enter: readonly string[], port: number): AsyncDisposable {
  const [file = "", ...args] = [
    ...enter,
    "bash",
    "-c",
    `until exec 3<>/dev/tcp/127.0.0.1/${port}; do sleep .05; done 2>/dev/null`,
  ];
  spawnSync(file, args, { timeout: 10_000 });
  return {
    async [Symbol.asyncDispose]() {
      const gone = new Promise((done) => child.once("exit", done));
      child.kill();
      await gone;
    },
  };
}

function run(argv: readonly string[], env: Record<string, string> = {}): void {
  const [file = "", ...args] = argv;
  const done = spawnSync(file, args, {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  if (done.status !== 0) throw new Error(`${argv.join(" ")}: ${done.stderr}`);
}

function portsFrom(first: number): () => number {
  let next = first;
  return () => next++;
}
