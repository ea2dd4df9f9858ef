// Berth beside any Engine API socket, in one run, with the same docker command line. Speeds are ratios of medians; nothing is asserted.
// usage: npm run bench -- [--peer unix:///path/docker.sock] [--rounds 20] [--only commands,verbs,streams,crowd,networks,registries]
// for networks and registries: [--peer-pid PID] of a process in the peer's network namespace, [--podman unix:///path/podman.sock] in the same one
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { DOCKER, TestDaemon } from "../src/testing/daemon.ts";
import { crowd } from "./bench/crowd.ts";
import { median } from "./bench/measure.ts";
import { networks } from "./bench/networks.ts";
import { registries } from "./bench/registries.ts";
import { Socket } from "./bench/socket.ts";
import { streams } from "./bench/streams.ts";
import { verbs } from "./bench/verbs.ts";

const { values } = parseArgs({
  options: {
    peer: { type: "string" },
    rounds: { type: "string", default: "20" },
    "peer-pid": { type: "string" },
    podman: { type: "string" },
    only: { type: "string", default: "commands,verbs,streams,crowd,networks,registries" },
  },
});
const parts = values.only.split(",");
const rounds = Number(values.rounds);
const HUNDRED = 100;
const MIB = 1024;

/** Milliseconds of one call; throws where it fails. */
function time(argv: string[]): number {
  const [file = "", ...args] = argv;
  const begin = process.hrtime.bigint();
  const done = spawnSync(file, args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${argv.join(" ")}: ${done.stderr}`);
  return Number(process.hrtime.bigint() - begin) / 1e6;
}

/** Takes the two in turns, so that a busy moment of the machine hits both. */
function compare(name: string, berth: string[], peer: string[] | undefined, goal: string): void {
  const ours: number[] = [];
  const theirs: number[] = [];
  time(berth);
  if (peer) time(peer);
  for (let i = 0; i < rounds; i++) {
    ours.push(time(berth));
    if (peer) theirs.push(time(peer));
  }
  const ratio = peer
    ? `${median(theirs).toFixed(1).padStart(8)} ms   ratio ${(median(ours) / median(theirs)).toFixed(2)} (goal ${goal})`
    : "";
  console.log(`${name.padEnd(44)} ${median(ours).toFixed(1).padStart(8)} ms ${ratio}`);
}

function residentKiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
}

/** Private and proportional memory of the helper processes below `root`, in KiB each. */
function monitors(root: string): number[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      if (!line.includes(root) || !line.includes("monitor")) return [];
      return [Number(/^Rss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0)];
    } catch {
      return []; // It ended meanwhile.
    }
  });
}

function ensurePeerImage(peer: string): void {
  if (spawnSync(DOCKER, ["-H", peer, "image", "inspect", "busybox"], { stdio: "ignore" }).status === 0) return;
  const packed = spawnSync(
    "sh",
    [
      "-c",
      "d=$(mktemp -d); mkdir -p $d/bin; cp /bin/busybox $d/bin/; for a in true sh sleep echo; do ln -s busybox $d/bin/$a; done; tar -C $d -c .; rm -rf $d",
    ],
    { maxBuffer: 1 << 26 },
  );
  const done = spawnSync(DOCKER, ["-H", peer, "import", "-c", "CMD sh", "-", "busybox"], { input: packed.stdout });
  if (done.status !== 0) throw new Error(`cannot make busybox on ${peer}: ${done.stderr}`);
}

await using daemon = await TestDaemon.start();
const own = [DOCKER, "-H", `unix://${daemon.socket}`];
const peer = values.peer ? [DOCKER, "-H", values.peer] : undefined;
const onPeer = (...args: string[]): string[] | undefined => (peer ? [...peer, ...args] : undefined);
if (values.peer) ensurePeerImage(values.peer);

console.log(`${"".padEnd(44)} ${"Berth".padStart(11)} ${peer ? "peer".padStart(11) : ""}`);
console.log(`daemon at start, resident: ${(residentKiB(daemon.pid) / MIB).toFixed(1)} MiB`);
const engines = {
  own: new Socket(daemon.socket),
  peer: values.peer ? new Socket(values.peer.replace(/^unix:\/\//, "")) : undefined,
};
if (parts.includes("commands")) commands();
if (parts.includes("verbs")) await verbs(engines, rounds);
if (parts.includes("streams")) await streams(engines);
if (parts.includes("crowd")) await crowd(engines, rounds);
if (parts.includes("networks")) await allNetworks();
if (parts.includes("registries")) await allRegistries();
engines.own.close();
engines.peer?.close();
for (let i = 0; i < HUNDRED; i++) time([...own, "run", "--rm", "busybox", "true"]);
console.log(`daemon after ${HUNDRED} more runs, resident: ${(residentKiB(daemon.pid) / MIB).toFixed(1)} MiB (goal 80)`);
await Promise.all(Array.from({ length: 10 }, () => daemon.ok("run", "-d", "busybox", "sleep", "1000")));
const each = monitors(daemon.root);
console.log(
  `a running container's monitor, resident: ${(median(each) / MIB).toFixed(2)} MiB (goal 2), of ${each.length}`,
);

/** Beside dockerd, and then beside podman. */
async function allNetworks(): Promise<void> {
  const enter = (...target: string[]): string[] => ["nsenter", ...target];
  const own = { engine: engines.own, host: enter(`--net=/run/netns/${daemon.name}`) };
  const pid = values["peer-pid"];
  const host = pid === undefined ? undefined : enter("-t", pid, "-n");
  const beside = (engine: Socket | undefined) => ({ own, ...(engine ? { peer: { engine, host } } : {}) });
  await networks(beside(engines.peer), rounds);
  if (values.podman === undefined) return;
  const podman = new Socket(values.podman.replace(/^unix:\/\//, ""));
  console.log("beside podman:");
  await networks(beside(podman), rounds);
  podman.close();
}

/** The peer is left out where nobody says which network it is in. */
async function allRegistries(): Promise<void> {
  const pid = values["peer-pid"];
  const beside = peer && pid !== undefined ? { docker: peer, host: ["nsenter", "-t", pid, "-n"] } : undefined;
  await registries(
    { own: { docker: own, host: ["nsenter", `--net=/run/netns/${daemon.name}`] }, peer: beside },
    rounds,
  );
}

/** The unmodified docker command line, and Berth's own. */
function commands(): void {
  compare(
    "docker run --rm busybox true",
    [...own, "run", "--rm", "busybox", "true"],
    onPeer("run", "--rm", "busybox", "true"),
    "0.25",
  );
  compare(
    "docker run --rm --network none busybox true",
    [...own, "run", "--rm", "--network", "none", "busybox", "true"],
    onPeer("run", "--rm", "--network", "none", "busybox", "true"),
    "0.25",
  );
  const berth = ["dist/berth", "-H", `unix://${daemon.socket}`];
  compare(
    "berth run --rm busybox true",
    [...berth, "run", "--rm", "busybox", "true"],
    onPeer("run", "--rm", "busybox", "true"),
    "0.25",
  );
  compare("berth ps / docker ps", [...berth, "ps"], onPeer("ps"), "1.00");
  for (const argv of [own, ...(peer ? [peer] : [])])
    spawnSync(argv[0] ?? "", [...argv.slice(1), "run", "-d", "--name", "bench-exec", "busybox", "sleep", "1000"]);
  compare(
    "docker exec bench-exec true",
    [...own, "exec", "bench-exec", "true"],
    onPeer("exec", "bench-exec", "true"),
    "0.50",
  );
  compare("docker ps", [...own, "ps"], onPeer("ps"), "1.00");
  for (const argv of [own, ...(peer ? [peer] : [])])
    spawnSync(argv[0] ?? "", [...argv.slice(1), "rm", "-f", "bench-exec"]);
}
