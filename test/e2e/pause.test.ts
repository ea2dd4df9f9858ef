import { afterAll, beforeAll, expect, test } from "bun:test";
import { TestDaemon } from "../../src/testing/daemon.ts";

let d: TestDaemon;
beforeAll(async () => {
  d = await TestDaemon.start();
});
afterAll(() => d[Symbol.asyncDispose]());

/** A container that counts in /count as fast as it can. */
async function counting(name: string, ...flags: string[]): Promise<void> {
  const script = "i=0; trap 'exit 7' TERM; while :; do i=$((i+1)); echo $i >/tmp/count; done";
  await d.ok("run", "-d", "--name", name, "--net", "none", ...flags, "busybox", "sh", "-c", script);
}
const state = (name: string): Promise<string> => d.ok("inspect", "-f", "{{.State.Status}} {{.State.Paused}}", name);
const ticks = async (name: string): Promise<number> => {
  const pid = await d.ok("inspect", "-f", "{{.State.Pid}}", name);
  const fields = (await Bun.file(`/proc/${pid}/stat`).text()).split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
};
const events = async (name: string): Promise<string[]> =>
  (
    await d.ok(
      "events",
      "--since",
      "0",
      "--until",
      String(Date.now() / 1000),
      "--filter",
      `container=${name}`,
      "--format",
      "{{.Action}}",
    )
  ).split("\n");

test("paused: nothing runs, each command has Docker's words, unpause goes on", async () => {
  await counting("still");
  expect(await d.ok("pause", "still")).toBe("still");
  expect(await state("still")).toBe("paused true");
  const before = await ticks("still");
  expect(await d.ok("ps", "--filter", "status=paused", "--format", "{{.Status}}")).toMatch(/^Up .* \(Paused\)$/);
  const words = async (...argv: string[]): Promise<[number, string]> => {
    const { code, stderr } = await d.berth(...argv);
    return [code, stderr.split("\n")[0] ?? ""];
  };
  const id = await d.ok("inspect", "-f", "{{.Id}}", "still");
  const daemon = "Error response from daemon:";
  expect(await words("pause", "still")).toEqual([1, `${daemon} Container ${id} is already paused`]);
  expect(await words("exec", "still", "true")).toEqual([
    1,
    `${daemon} Container still is paused, unpause the container before exec`,
  ]);
  expect(await words("start", "still")).toEqual([1, `${daemon} cannot start a paused container, try unpause instead`]);
  expect(await words("attach", "still")).toEqual([1, "You cannot attach to a paused container, unpause it first"]);
  expect(await words("rm", "still")).toEqual([
    1,
    `${daemon} cannot remove container "still": container is paused and must be unpaused first`,
  ]);
  expect(await d.ok("top", "still")).toContain("while :");
  expect(await d.ok("stats", "--no-stream", "--format", "{{.CPUPerc}}", "still")).toBe("0.00%");
  expect(await ticks("still")).toBe(before);
  expect(await d.ok("container", "unpause", "still")).toBe("still");
  expect(await state("still")).toBe("running false");
  while ((await ticks("still")) === before);
  expect(await words("unpause", "still")).toEqual([1, `${daemon} Container ${id} is not paused`]);
  expect(await events("still")).toEqual(["create", "start", "pause", "top", "unpause"]);
  await d.ok("rm", "-f", "still");
});

test.each([
  ["stop", 7],
  ["kill", 137],
])("%s of a paused container ends it", async (verb, code) => {
  const held = `held-${verb}`;
  await counting(held);
  await d.ok("exec", held, "sh", "-c", "until test -s /tmp/count; do :; done");
  await d.ok("pause", held);
  await d.ok(verb, held);
  expect(await d.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Paused}}", held)).toBe(
    `exited ${code} false`,
  );
  expect((await events(held)).filter((e) => e === "unpause")).toHaveLength(1);
  await d.ok("rm", held);
});

test("rm -f of a paused container, with --rm too, leaves nothing", async () => {
  await counting("gone");
  await counting("gone-too", "--rm");
  await d.ok("pause", "gone", "gone-too");
  await d.ok("rm", "-f", "gone", "gone-too");
  expect(await d.ok("ps", "-aq")).toBe("");
});

test("a signal that is not the configured stop signal leaves it paused", async () => {
  await counting("deaf", "--stop-signal", "TERM");
  await d.ok("pause", "deaf");
  await d.ok("kill", "-s", "USR1", "deaf");
  expect(await state("deaf")).toBe("paused true");
  await d.ok("rm", "-f", "deaf");
});

test("the docker command line pauses, shows and unpauses", async () => {
  await counting("whale");
  expect((await d.docker("pause", "whale")).stdout).toBe("whale\n");
  expect((await d.docker("ps", "--filter", "name=whale", "--format", "{{.State}}")).stdout).toBe("paused\n");
  expect((await d.docker("exec", "whale", "true")).stderr).toContain("is paused, unpause the container before exec");
  expect((await d.docker("container", "unpause", "whale")).code).toBe(0);
  expect((await d.docker("unpause", "whale")).stderr).toContain("is not paused");
  expect((await d.docker("restart", "-t", "0", "whale")).code).toBe(0);
  await d.ok("rm", "-f", "whale");
});

test("pause of what does not run", async () => {
  await d.ok("create", "--name", "fresh", "busybox", "true");
  const id = await d.ok("inspect", "-f", "{{.Id}}", "fresh");
  expect((await d.berth("pause", "fresh", "nosuch")).stderr).toBe(
    `Error response from daemon: container ${id} is not running\nError response from daemon: No such container: nosuch\n`,
  );
  await d.ok("rm", "fresh");
});

test("a daemon that was killed finds it paused, --rm or not", async () => {
  await counting("across");
  await counting("across-rm", "--rm");
  await d.ok("pause", "across", "across-rm");
  await d.crash();
  await d.up();
  expect(await state("across")).toBe("paused true");
  expect(await state("across-rm")).toBe("paused true");
  await d.ok("unpause", "across-rm");
  await d.ok("rm", "-f", "across", "across-rm");
});

test("a paused container whose monitor was killed is ended at the next start-up", async () => {
  await counting("lost");
  await d.ok("pause", "lost");
  await d.crash();
  const monitors = (await d.leftovers()).processes.filter((p) => p.includes("monitor"));
  for (const line of monitors) process.kill(Number.parseInt(line, 10), "SIGKILL");
  await d.up();
  expect(await state("lost")).toBe("exited false");
  await d.ok("rm", "lost");
  expect((await d.leftovers()).cgroups.filter((c) => !c.endsWith(d.name))).toEqual([]);
});
