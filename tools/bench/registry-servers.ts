import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { median } from "./measure.ts";
import { listening, server } from "./registries.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");
const LOAD = join(import.meta.dir, "registry-load.ts");
const CLIENTS = 16;
const MIB = 1024;
const [OWN_PORT, THEIR_PORT] = [5098, 5099];

/** What one load does: its kind, bytes of a blob, and how many in all. */
interface Load {
  title: string;
  kind: "manifests" | "blobs";
  size: number;
  count: number;
  goal: string;
}

const LOADS: Load[] = [
  { title: "manifest GETs", kind: "manifests", size: 0, count: 8000, goal: "2.00 or more" },
  { title: "blobs of 1 MB", kind: "blobs", size: 1_000_000, count: 160, goal: "1.00 or more" },
  { title: "blobs of 100 MB", kind: "blobs", size: 100_000_000, count: 16, goal: "1.00 or more" },
];

/** Berth's registry and Debian's docker-registry under the same load, in turns, 16 clients in a process of their own; rates, not times, and the memory that Berth's takes. */
export async function registryServers(where: { dir: string; enter: string[]; rounds: number }): Promise<void> {
  const { dir, enter, rounds } = where;
  const root = join(dir, "berth-registry");
  const [file = "", ...args] = [
    ...enter,
    BERTH,
    "registry",
    "serve",
    "--addr",
    `127.0.0.1:${OWN_PORT}`,
    "--root",
    root,
  ];
  const child = spawn(file, args, { stdio: "ignore" });
  await using _own = listening(child, enter, OWN_PORT);
  await using _theirs = server(enter, join(dir, "docker-registry"), THEIR_PORT);
  for (const load of LOADS) {
    const rates = { own: [] as Rates[], theirs: [] as Rates[] };
    for (let round = 0; round <= rounds; round++) {
      const own = await measured(enter, OWN_PORT, load);
      const theirs = await measured(enter, THEIR_PORT, load);
      if (round === 0) continue;
      rates.own.push(own);
      rates.theirs.push(theirs);
    }
    for (const what of Object.keys(rates.own[0] ?? {})) {
      const [own, theirs] = [rates.own, rates.theirs].map((all) => median(all.map((rate) => rate[what] ?? 0))) as [
        number,
        number,
      ];
      const beside = `${theirs.toFixed(0).padStart(9)}      ratio ${(own / theirs).toFixed(2)} (goal ${load.goal})`;
      console.log(`${`${load.title}: ${what}`.padEnd(52)} ${own.toFixed(0).padStart(9)}    ${beside}`);
    }
  }
  const peak = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0) / MIB;
  console.log(`Berth's registry, most memory resident meanwhile: ${peak.toFixed(0)} MiB (goal 100)`);
}

type Rates = Record<string, number>;

/** Runs `registry-load.ts` in the registry's network. */
async function measured(enter: string[], port: number, { kind, size, count }: Load): Promise<Rates> {
  const [file = "", ...args] = [...enter, process.execPath, LOAD, String(port), kind, String(size), String(count)];
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const chunk of child.stdout) text += chunk;
  return JSON.parse(text) as Rates;
}

/** The load itself: 16 clients against the registry at a port. Requests or megabytes a second. */
export async function load(port: number, what: { kind: string; size: number; count: number }): Promise<Rates> {
  const base = `http://127.0.0.1:${port}/v2/bench/${randomBytes(4).toString("hex")}`;
  return what.kind === "manifests" ? manifests(base, what.count) : blobs(base, what);
}

async function manifests(base: string, count: number): Promise<Rates> {
  const config = Buffer.from("{}");
  await push(base, config);
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const descriptor = {
    mediaType: "application/vnd.oci.image.config.v1+json",
    digest: digestOf(config),
    size: config.length,
  };
  const body = JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers: [] });
  await wanted(
    await fetch(`${base}/manifests/1`, { method: "PUT", body, headers: { "Content-Type": mediaType } }),
    201,
  );
  const seconds = await pool(
    count,
    async () =>
      void (await wanted(await fetch(`${base}/manifests/1`, { headers: { Accept: mediaType } }), 200).then((r) =>
        r.arrayBuffer(),
      )),
  );
  return { "a second": count / seconds };
}

async function blobs(base: string, { size, count }: { size: number; count: number }): Promise<Rates> {
  const bytes = randomBytes(size);
  const all = Array.from({ length: count }, (_, i) => {
    const one = Buffer.from(bytes);
    one.writeUInt32LE(i, 0);
    return { one, digest: digestOf(one) };
  });
  const megabytes = (size * count) / 1e6;
  const pushing = await pool(count, async (i) => push(base, all[i]?.one ?? bytes, all[i]?.digest));
  const pulling = await pool(count, async (i) => {
    const answer = await wanted(await fetch(`${base}/blobs/${all[i]?.digest}`), 200);
    let got = 0;
    for await (const chunk of answer.body ?? []) got += chunk.byteLength;
    if (got !== size) throw new Error(`${got} bytes of ${size}`);
  });
  return { "MB/s pushed": megabytes / pushing, "MB/s pulled": megabytes / pulling };
}

async function push(base: string, bytes: Buffer, digest: string = digestOf(bytes)): Promise<void> {
  const begun = await wanted(await fetch(`${base}/blobs/uploads/`, { method: "POST" }), 202);
  const session = new URL(begun.headers.get("location") ?? "", base).href;
  const sent = await wanted(await fetch(session, { method: "PATCH", body: new Uint8Array(bytes) }), 202);
  const last = new URL(sent.headers.get("location") ?? "", base).href;
  await wanted(await fetch(`${last}${last.includes("?") ? "&" : "?"}digest=${digest}`, { method: "PUT" }), 201);
}

/** Seconds that the calls take, 16 at once. */
async function pool(count: number, work: (i: number) => Promise<void>): Promise<number> {
  const begun = performance.now();
  let next = 0;
  const client = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) await work(i);
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return (performance.now() - begun) / 1000;
}

async function wanted(answer: Response, status: number): Promise<Response> {
  if (answer.status !== status) throw new Error(`${answer.url}: ${answer.status} ${await answer.text()}`);
  return answer;
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
