import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { elapsed, inTurns, type Pair, print } from "./measure.ts";
import { drain, type Socket } from "./socket.ts";
import { remove } from "./verbs.ts";

const ROOT = join(import.meta.dir, "../../.build/netbench");
const IMAGE = "berth-netbench";
const GOAL = "0.50";
const AT_LEAST = "1.00 or more";
const PORT = 5201;
const SECONDS = "3";

/** An engine, and where its host's side is: what enters its network namespace. */
export interface Place {
  engine: Socket;
  /** Words before a command; undefined: unknown, and rows that need it are left out. */
  host: string[] | undefined;
}

/** What moves, and how fast; names; and what making, connecting and publishing takes. */
export async function networks(places: Pair<Place>, rounds: number): Promise<void> {
  if (spawnSync(join(ROOT, "../../tools/fetch-bench"), { stdio: ["ignore", "inherit", "inherit"] }).status !== 0)
    throw new Error("no programs to measure networks with");
  for (const place of both(places)) await loadImage(place.engine);
  await verbs(places, rounds);
  await publishing(places, rounds);
  await traffic(places, rounds);
}

const both = <T>({ own, peer }: Pair<T>): T[] => (peer === undefined ? [own] : [own, peer]);

async function loadImage(engine: Socket): Promise<void> {
  const tar = spawnSync("tar", ["-C", ROOT, "-c", "."], { maxBuffer: 1 << 28 }).stdout;
  const url = `http://bench/images/create?fromSrc=-&repo=${IMAGE}`;
  const answer = await fetch(url, {
    method: "POST",
    body: tar,
    unix: engine.path,
    headers: { "content-type": "application/x-tar" },
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${IMAGE}: ${text}`);
}

/** Networks that come and go, and containers on them. */
async function verbs(places: Pair<Place>, rounds: number): Promise<void> {
  const row = async (name: string, work: (engine: Socket) => Promise<number>): Promise<void> =>
    print({ name, goal: GOAL, ...(await inTurns(places, rounds, ({ engine }) => work(engine))) });
  const create = (engine: Socket): Promise<{ Id: string }> =>
    engine.object("POST /networks/create", { Name: "bench-net" });
  await row("network create", async (engine) => {
    let id = "";
    const ms = await elapsed(async () => (id = (await create(engine)).Id));
    await engine.call(`DELETE /networks/${id}`);
    return ms;
  });
  await row("network rm", async (engine) => {
    const { Id } = await create(engine);
    return elapsed(() => engine.call(`DELETE /networks/${Id}`));
  });
  const onOne = async (
    engine: Socket,
    work: (network: string, container: string) => Promise<number>,
  ): Promise<number> => {
    const { Id } = await create(engine);
    const container = await started(engine, { Cmd: ["sleep", "1000"] });
    const ms = await work(Id, container);
    await remove(engine, [container]);
    await engine.call(`DELETE /networks/${Id}`);
    return ms;
  };
  await row("network connect of a running container", (engine) =>
    onOne(engine, (network, Container) =>
      elapsed(() => engine.call(`POST /networks/${network}/connect`, { Container })),
    ),
  );
  await row("network disconnect", (engine) =>
    onOne(engine, async (network, Container) => {
      await engine.call(`POST /networks/${network}/connect`, { Container });
      return elapsed(() => engine.call(`POST /networks/${network}/disconnect`, { Container }));
    }),
  );
}

/** The start of a container with one port while others have 0, 99 and 999. */
async function publishing(places: Pair<Place>, rounds: number): Promise<void> {
  const first = new Map<Place, number>();
  for (const others of [0, 99, 999]) {
    const crowd = new Map<Place, string>();
    if (others > 0)
      for (const place of both(places)) crowd.set(place, await started(place.engine, published(20_001, others)));
    const result = await inTurns(places, others > 100 ? Math.min(rounds, 5) : rounds, async ({ engine }) => {
      const id = await made(engine, published(19_000, 1));
      const ms = await elapsed(() => engine.call(`POST /containers/${id}/start`));
      await remove(engine, [id]);
      return ms;
    });
    if (others === 0) first.set(places.own, result.own);
    print({ name: `start that publishes port number ${others + 1}`, goal: GOAL, ...result });
    if (others === 999)
      console.log(`  of what the first took: ${(result.own / (first.get(places.own) ?? 1)).toFixed(2)} (goal 1)`);
    for (const [{ engine }, id] of crowd) await remove(engine, [id]);
  }
}

function published(from: number, count: number): object {
  const keys = Array.from({ length: count }, (_, i) => [`${1000 + i}/tcp`, [{ HostPort: String(from + i) }]] as const);
  const exposed = Object.fromEntries(keys.map(([key]) => [key, {}]));
  return { Cmd: ["sleep", "1000"], ExposedPorts: exposed, HostConfig: { PortBindings: Object.fromEntries(keys) } };
}

/** Between two containers of one network, and between a container and the host. */
async function traffic(places: Pair<Place>, rounds: number): Promise<void> {
  const sites = new Map<Place, Site>();
  for (const place of both(places)) sites.set(place, await openSite(place));
  const of = (place: Place): Site => sites.get(place) as Site;
  const few = Math.min(rounds, 5);
  const row = async (name: string, unit: string, work: (site: Site) => Promise<number> | number): Promise<void> =>
    speed(name, { unit, goal: AT_LEAST }, await inTurns(places, few, async (place) => work(of(place))));
  try {
    await row("iperf3, container to container", "Gbit/s", ({ place, client }) =>
      iperf(exec(place.engine, client, ["iperf3", "-c", "server", "-t", SECONDS, "-J"])),
    );
    if (both(places).every(({ host }) => host !== undefined)) {
      await row("iperf3, host to a published port", "Gbit/s", ({ place, gateway }) =>
        iperf(onHost(place, ["iperf3", "-c", gateway, "-p", String(PORT), "-t", SECONDS, "-J"])),
      );
      await row("iperf3, container to the host", "Gbit/s", async ({ place, client, gateway }) => {
        const server = spawn("env", hostWords(place, ["iperf3", "-s", "-1", "--forceflush", "-p", "5999"]), {
          stdio: ["ignore", "pipe", "ignore"],
        });
        await new Promise((resolve) => server.stdout?.once("data", resolve));
        return iperf(exec(place.engine, client, ["iperf3", "-c", gateway, "-p", "5999", "-t", SECONDS, "-J"]));
      });
      await row("wrk, host to a published nginx", "requests/s", ({ place, gateway }) =>
        requests(onHost(place, ["wrk", "-t", "1", "-c", "16", "-d", `${SECONDS}s`, `http://${gateway}:8099/`])),
      );
    }
    const ask = async ({ place, client }: Site, atOnce: string): Promise<[number, number]> => {
      const said = await exec(place.engine, client, ["/dnsload", "server", SECONDS, atOnce]);
      const [micros = 0, each = 0] = said.split(" ").map(Number);
      // Without an answer, or with an error for one, it says nothing.
      if (!(micros > 0 && each > 0)) throw new Error(`dnsload: ${said || "no answer"}`);
      return [micros, each];
    };
    const latency = await inTurns(places, few, async (place) => (await ask(of(place), "1"))[0] / 1000);
    print({ name: "one answer of a container's name, asked again", goal: GOAL, ...latency });
    await row("answers of names, 16 questions at once", "answers/s", async (site) => (await ask(site, "16"))[1]);
  } finally {
    for (const [{ engine }, { ids, network }] of sites) {
      await remove(engine, ids);
      await engine.call(`DELETE /networks/${network}`);
    }
  }
}

/** A network with a server, a client and an nginx on it. */
interface Site {
  place: Place;
  network: string;
  client: string;
  gateway: string;
  ids: string[];
}

async function openSite(place: Place): Promise<Site> {
  const { engine } = place;
  const { Id: network } = await engine.object<{ Id: string }>("POST /networks/create", { Name: "bench-net" });
  const on = (name: string, Cmd: string[], ports: Record<string, number> = {}): Promise<string> => {
    const bound = Object.entries(ports).map(([key, port]) => [key, [{ HostPort: String(port) }]] as const);
    return started(engine, {
      ...{ Cmd, ExposedPorts: Object.fromEntries(Object.keys(ports).map((key) => [key, {}])) },
      HostConfig: { NetworkMode: "bench-net", PortBindings: Object.fromEntries(bound) },
      NetworkingConfig: { EndpointsConfig: { "bench-net": { Aliases: [name] } } },
    });
  };
  const server = await on("server", ["iperf3", "-s"], { [`${PORT}/tcp`]: PORT });
  const client = await on("client", ["sleep", "1000"]);
  const web = await on("web", ["/usr/sbin/nginx", "-c", "/nginx.conf"], { "80/tcp": 8099 });
  const { NetworkSettings: settings } = await engine.object<{
    NetworkSettings: { Networks: Record<string, { Gateway: string }> };
  }>(`GET /containers/${client}/json`);
  return { place, network, client, gateway: settings.Networks["bench-net"]?.Gateway ?? "", ids: [server, client, web] };
}

async function made(engine: Socket, body: object): Promise<string> {
  return (await engine.object<{ Id: string }>("POST /containers/create", { Image: IMAGE, ...body })).Id;
}

async function started(engine: Socket, body: object): Promise<string> {
  const id = await made(engine, body);
  await engine.call(`POST /containers/${id}/start`);
  return id;
}

/** What a command in a container prints. */
async function exec(engine: Socket, container: string, Cmd: string[]): Promise<string> {
  const wish = { Cmd, AttachStdout: true, AttachStderr: true, Tty: true };
  const { Id } = await engine.object<{ Id: string }>(`POST /containers/${container}/exec`, wish);
  const { socket, head } = await engine.upgrade(`POST /exec/${Id}/start`, { Detach: false, Tty: true });
  const parts: Buffer[] = [head];
  socket.on("data", (part: Buffer) => parts.push(part));
  await drain(socket);
  return Buffer.concat(parts).toString().trim();
}

function hostWords({ host = [] }: Place, [program = "", ...args]: string[]): string[] {
  const libraries = ["usr/lib", "lib"].map((dir) => join(ROOT, dir, "x86_64-linux-gnu")).join(":");
  return [...host, "env", `LD_LIBRARY_PATH=${libraries}`, join(ROOT, "usr/bin", program), ...args];
}

function onHost(place: Place, argv: string[]): string {
  const { stdout, stderr, status } = spawnSync("env", hostWords(place, argv), { encoding: "utf8" });
  if (status !== 0) throw new Error(`${argv.join(" ")}: ${stderr || stdout}`);
  return stdout;
}

async function iperf(output: string | Promise<string>): Promise<number> {
  const text = await output;
  const { end, error } = JSON.parse(text) as { end: { sum_received?: { bits_per_second: number } }; error?: string };
  if (error !== undefined || !end.sum_received) throw new Error(`iperf3: ${error ?? text.slice(0, 300)}`);
  return end.sum_received.bits_per_second / 1e9;
}

function requests(output: string): number {
  const [, count] = /Requests\/sec:\s+([\d.]+)/.exec(output) ?? [];
  if (/Non-2xx|Socket errors: connect [1-9]/.test(output) || count === undefined) throw new Error(`wrk: ${output}`);
  return Number(count);
}

function speed(
  name: string,
  { unit, goal }: { unit: string; goal: string },
  { own, peer }: { own: number; peer?: number },
): void {
  const digits = own < 1000 ? 2 : 0;
  const beside =
    peer === undefined
      ? ""
      : `${peer.toFixed(digits).padStart(9)} ${unit}   ratio ${(own / peer).toFixed(2)} (goal ${goal})`;
  console.log(`${name.padEnd(52)} ${own.toFixed(digits).padStart(9)} ${unit} ${beside}`);
}
