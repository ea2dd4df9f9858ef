import { afterAll, beforeAll, expect, test } from "bun:test";
import { run } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// Many containers on many networks, up and down twice, every name right throughout, nothing left. BERTH_CROWD=500x50 makes it as large as one likes.

const [CONTAINERS = 24, NETWORKS = 6] = (process.env["BERTH_CROWD"] ?? "24x6").split("x").map(Number);
const EACH = Math.floor(CONTAINERS / NETWORKS);
const AT_ONCE = 6;
const SECONDS_EACH = 5;

let daemon: TestDaemon;
let before: string[];
beforeAll(async () => {
  daemon = await TestDaemon.start();
  before = await traces();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const nets = Array.from({ length: NETWORKS }, (_, i) => `crowd${i}`);
const names = (net: string): string[] => Array.from({ length: EACH }, (_, i) => `${net}-c${i}`);
/** The half of a network's containers that comes and goes; the others stay. */
const guests = (net: string): string[] => names(net).filter((_, i) => i % 2 === 1);
const hosts = (net: string): string[] => names(net).filter((_, i) => i % 2 === 0);

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

/** What the kernel has in the daemon's network namespace, and which of the machine's mounts and processes are this daemon's: not asked of Berth. */
async function traces(): Promise<string[]> {
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
  // Ready namespaces of the default bridge come and go by themselves; the daemon's own cgroup comes with the first container.
  return all
    .filter(
      (line) => !/\bbth[0-9a-f]{8}\b|\/run\/netns\/|fe80::|multicast/.test(line) && !line.endsWith(`/${daemon.name}`),
    )
    .sort();
}

const up = (net: string, name: string): Promise<string> =>
  daemon.ok("run", "-d", "--name", name, "--network", net, "--network-alias", "all", "busybox", "sleep", "10000");

/** What a network's first container is answered for each name, in one exec: `name: address address`. */
async function answers(net: string, asked: readonly string[]): Promise<string[]> {
  const script = `for n in "$@"; do echo "$n:" $(nslookup -type=a $n | sed -n 's/^Address: //p' | sort); done`;
  return (await daemon.ok("exec", hosts(net)[0] ?? "", "sh", "-c", script, "sh", ...asked)).split("\n");
}

async function addresses(of: readonly string[]): Promise<string[]> {
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
  return (await daemon.ok("inspect", "-f", format, ...of)).split("\n");
}

/** Every name of `present` leads to its container, their common one to all of them, the others to nobody. */
async function expectNames(net: string, present: readonly string[]): Promise<void> {
  const known = await addresses(present);
  const absent = names(net).filter((name) => !present.includes(name));
  const stranger = names(nets[(nets.indexOf(net) + 1) % nets.length] ?? "")[0] ?? "";
  const wanted = [
    ...present.map((name, i) => `${name}: ${known[i]}`),
    `all: ${[...known].sort().join(" ")}`,
    ...[...absent, stranger].map((name) => `${name}:`),
  ];
  expect(await answers(net, [...present, "all", ...absent, stranger])).toEqual(wanted);
}

/** Asks for one name again and again until `stop` is called; answers how often, and what was not as it should be. */
function watch(net: string, name: string): { stop: () => Promise<string> } {
  const script = `right=0; while [ ! -e /stop ]; do
    a=$(nslookup -type=a ${name} | sed -n 's/^Address: //p'); : "\${first:=$a}"
    if [ -n "$a" ] && [ "$a" = "$first" ]; then right=$((right + 1)); else echo "wrong: $a"; fi
  done; rm /stop; [ $right -gt 0 ] && echo "only $first"`;
  const by = hosts(net)[0] ?? "";
  const watching = daemon.ok("exec", by, "sh", "-c", script);
  return {
    stop: async () => {
      await daemon.ok("exec", by, "touch", "/stop");
      return await watching;
    },
  };
}

async function wave(): Promise<void> {
  await each(nets, (net) => daemon.ok("network", "create", net));
  const all = nets.flatMap((net) => names(net).map((name) => ({ net, name })));
  await each(all, ({ net, name }) => up(net, name));
  await each(nets, (net) => expectNames(net, names(net)));

  // Half of them go and come back, while a name that stays is asked for without a pause.
  const [net = ""] = nets;
  const kept = hosts(net).at(-1) ?? "";
  const watcher = watch(net, kept);
  await each(nets.flatMap(guests), (name) => daemon.ok("rm", "-f", name));
  await each(nets, (one) => expectNames(one, hosts(one)));
  await each(
    all.filter(({ name }) => guests(name.replace(/-c\d+$/, "")).includes(name)),
    (one) => up(one.net, one.name),
  );
  await each(nets, (one) => expectNames(one, names(one)));
  expect(await watcher.stop()).toBe(`only ${(await addresses([kept]))[0]}`);

  await each(all, ({ name }) => daemon.ok("rm", "-f", name));
  await each(nets, (one) => daemon.ok("network", "rm", one));
}

test.each(["first", "second"])(
  `${CONTAINERS} containers on ${NETWORKS} networks, the %s time: every name is right throughout`,
  wave,
  60_000 + CONTAINERS * SECONDS_EACH * 1000,
);

test("the kernel has what it had before, and nothing once the daemon is down", async () => {
  // Used namespaces are removed in the background.
  const begun = performance.now();
  while ((await traces()).join("\n") !== before.join("\n") && performance.now() - begun < 30_000) await Bun.sleep(50);
  expect(await traces()).toEqual(before);
  await daemon.down();
  const { mounts, namespaces, links, tables, processes } = await daemon.leftovers();
  expect({ mounts, namespaces, links, tables, processes }).toEqual({
    ...{ mounts: [], namespaces: [], links: [], tables: [], processes: [] },
  });
  expect((await run(daemon.inNet("nft", "list", "ruleset"))).stdout).toBe("");
}, 60_000);
