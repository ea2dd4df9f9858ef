import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { run } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// Many containers on many networks, up and down twice, every name right throughout, nothing left. BERTH_CROWD=500x50 makes it as large as one likes.

const [CONTAINERS = 12, NETWORKS = 4] = (process.env["BERTH_CROWD"] ?? "12x4").split("x").map(Number);
const EACH = Math.floor(CONTAINERS / NETWORKS);
const AT_ONCE = 6;
const SECONDS_EACH = 5;
/** Ready namespaces of the two kinds, which come and go by themselves. */
const READY = 8;
/** What the daemon may have open more than before: requests under way, and what is put away in the background. */
const SPARE_FILES = 16;

let daemon: TestDaemon;
let before: string[];
let filesBefore = 0;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  before = (await traces()).lasting;
  filesBefore = openFiles();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const nets = Array.from({ length: NETWORKS }, (_, i) => `crowd${i}`);
const names = (net: string): string[] => Array.from({ length: EACH }, (_, i) => `${net}-c${i}`);
/** The half of a network's containers that comes and goes; the others stay. */
const guests = (net: string): string[] => names(net).filter((_, i) => i % 2 === 1);
const hosts = (net: string): string[] => names(net).filter((_, i) => i % 2 === 0);
/** The first one of a network asks for the names of all, as long as it runs. */
const watcher = (net: string): string => hosts(net)[0] ?? "";

/** All of them, a few at a time. */
async function each<T, R>(all: readonly T[], body: (one: T) => Promise<R>): Promise<R[]> {
  const found: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < all.length; i = next++) found[i] = await body(all[i] as T);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return found;
}

/**
 * What the kernel has in the daemon's network namespace, and which of the machine's mounts, cgroups and processes are this daemon's: not asked
 * of Berth. Apart: the links and mounts of namespaces, of containers or ready.
 */
async function traces(): Promise<{ lasting: string[]; places: string[] }> {
  const ask = async (...argv: string[]): Promise<string[]> =>
    (await run(daemon.inNet(...argv))).stdout.split("\n").filter(Boolean);
  const { mounts, cgroups, namespaces, processes } = await daemon.leftovers();
  const all = [
    ...(await ask("ip", "-o", "link")).map((line) => `link ${line.split(":")[1]?.trim()}`),
    ...(await ask("ip", "-o", "addr")).map((line) => `address ${line.split(/\s+/).slice(1, 4).join(" ")}`),
    ...(await ask("ip", "route", "show", "table", "all")).map((line) => `route ${line}`),
    ...(await ask("nft", "list", "ruleset")).map((line) => `rule ${line.trim()}`),
    ...[...mounts, ...cgroups, ...namespaces, ...processes],
  ];
  const isPlace = (line: string): boolean => /^link bth|^nsfs /.test(line);
  return {
    places: all.filter(isPlace),
    // The daemon's own cgroup comes with the first container.
    lasting: all
      .filter((l) => !isPlace(l) && !/\bbth[0-9a-f]{8}\b|fe80::|multicast/.test(l) && !l.endsWith(`/${daemon.name}`))
      .sort(),
  };
}

const openFiles = (): number => readdirSync(`/proc/${daemon.pid}/fd`).length;

/** Used namespaces are removed in the background. */
async function expectNothingLeft(): Promise<void> {
  const begun = performance.now();
  let now = await traces();
  const most = (): number =>
    Math.max(...["link ", "nsfs "].map((k) => now.places.filter((l) => l.startsWith(k)).length));
  while (now.lasting.join("\n") !== before.join("\n") || most() > READY) {
    if (performance.now() - begun > 30_000 + CONTAINERS * 100) break;
    await Bun.sleep(50);
    now = await traces();
  }
  expect(now.lasting).toEqual(before);
  expect(most()).toBeLessThanOrEqual(READY);
  expect(openFiles()).toBeLessThanOrEqual(filesBefore + SPARE_FILES);
}

/** Asks for each name in turn, and prints `name address` whenever the answer is another one than before; without an address where there is none. */
const WATCH = `while :; do
  i=0
  for n in "$@"; do
    i=$((i + 1)); said=$(nslookup -type=a $n)
    case "$said" in *"Address: "*|*"can't find"*) ;; *) continue ;; esac
    now=$(echo "$said" | sed -n 's/^Address: //p'); eval "last=\\$last$i"
    [ "$now" = "$last" ] || { echo $n $now; eval "last$i=\\$now"; }
  done
  usleep ${NETWORKS * 20_000}
done`;

async function up(net: string, name: string): Promise<string> {
  const program = name === watcher(net) ? ["sh", "-c", WATCH, "sh", ...names(net)] : ["sleep", "10000"];
  await daemon.ok("run", "-d", "--name", name, "--network", net, "--network-alias", "all", "busybox", ...program);
  return name;
}

/** What a network's first container is answered for each name, in one exec: `name: address address`. */
async function answers(net: string, asked: readonly string[]): Promise<string[]> {
  const script = `for n in "$@"; do echo "$n:" $(nslookup -type=a $n | sed -n 's/^Address: //p' | sort); done`;
  return (await daemon.ok("exec", watcher(net), "sh", "-c", script, "sh", ...asked)).split("\n");
}

async function addresses(of: readonly string[]): Promise<string[]> {
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
  return (await daemon.ok("inspect", "-f", format, ...of)).split("\n");
}

/** What each name was, from its first container to its last: an address, nothing, another address. */
type Lives = Map<string, string[]>;

/** Every name of `present` leads to its container, their common one to all of them, the others to nobody. Adds to `lives`. */
async function expectNames(net: string, present: readonly string[], lives: Lives): Promise<void> {
  const known = await addresses(present);
  const absent = names(net).filter((name) => !present.includes(name));
  const stranger = names(nets[(nets.indexOf(net) + 1) % nets.length] ?? "")[0] ?? "";
  const wanted = [
    ...present.map((name, i) => `${name}: ${known[i]}`),
    `all: ${[...known].sort().join(" ")}`,
    ...[...absent, stranger].map((name) => `${name}:`),
  ];
  expect(await answers(net, [...present, "all", ...absent, stranger])).toEqual(wanted);
  for (const name of names(net)) {
    const now = known[present.indexOf(name)] ?? "";
    const life = lives.get(name) ?? [];
    if (life.at(-1) !== now) lives.set(name, [...life, now]);
  }
}

/** Throughout, a network's first container was told of each name what it was then; of those that stayed without a gap. */
async function expectWatched(net: string, lives: Lives): Promise<void> {
  let seen: string[][] = [];
  const isWatched = (name: string): boolean => seen.some(([asked, address]) => asked === name && address !== undefined);
  // It comes to all of them in its own time.
  do seen = (await daemon.ok("logs", watcher(net))).split("\n").map((line) => line.trim().split(" "));
  while (!hosts(net).every(isWatched));
  for (const name of names(net)) {
    const told = seen.filter(([asked]) => asked === name).map(([, address = ""]) => address);
    // What was short may not have been seen.
    let at = 0;
    const life = lives.get(name) ?? [];
    const unknown = told.filter((address) => {
      const found = life.indexOf(address, at);
      if (found >= 0) at = found + 1;
      return found < 0;
    });
    expect({ name, life, told, unknown }).toEqual({ name, life, told, unknown: [] });
  }
}

async function wave(): Promise<void> {
  const lives: Lives = new Map();
  await each(nets, (net) => daemon.ok("network", "create", net));
  await each(nets, (net) => up(net, watcher(net)));
  const others = nets
    .flatMap((net) => names(net).map((name) => ({ net, name })))
    .filter((c) => c.name !== watcher(c.net));
  await each(others, ({ net, name }) => up(net, name));
  await each(nets, (net) => expectNames(net, names(net), lives));

  // Half of them go and come back.
  const coming = others.filter(({ net, name }) => guests(net).includes(name));
  await each(coming, ({ name }) => daemon.ok("rm", "-f", name));
  await each(nets, (net) => expectNames(net, hosts(net), lives));
  await each(coming, ({ net, name }) => up(net, name));
  await each(nets, (net) => expectNames(net, names(net), lives));

  await each(others, ({ name }) => daemon.ok("rm", "-f", name));
  await each(nets, (net) => expectNames(net, [watcher(net)], lives));
  await each(nets, (net) => expectWatched(net, lives));
  await each(nets, (net) => daemon.ok("rm", "-f", watcher(net)));
  await each(nets, (net) => daemon.ok("network", "rm", net));
  await expectNothingLeft();
}

test.each(["first", "second"])(
  `${CONTAINERS} containers on ${NETWORKS} networks, the %s time: every name is right throughout, and the kernel has what it had before`,
  wave,
  60_000 + CONTAINERS * SECONDS_EACH * 1000,
);

test("nothing once the daemon is down", async () => {
  await daemon.down();
  const { mounts, namespaces, links, tables, processes } = await daemon.leftovers();
  expect({ mounts, namespaces, links, tables, processes }).toEqual({
    ...{ mounts: [], namespaces: [], links: [], tables: [], processes: [] },
  });
  expect((await run(daemon.inNet("nft", "list", "ruleset"))).stdout).toBe("");
  expect((await run(daemon.inNet("ip", "-o", "addr"))).stdout.split("\n").filter((l) => l && !/ lo /.test(l))).toEqual(
    [],
  );
}, 300_000);
