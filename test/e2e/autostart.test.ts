import { expect, test } from "bun:test";
import { join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { LEAVE, onFreshMachine } from "./fresh-machine.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");

test("ten commands at once start one daemon, and each gets its answer", async () => {
  const done = await onFreshMachine(
    `for i in 1 2 3 4 5 6 7 8 9 10; do $B ps -q >/run/out.$i 2>&1 && echo ok & done; wait; grep -c listens /run/berth/daemon.log; ${LEAVE}`,
  );
  expect(done.stderr).toBe("");
  expect(done.stdout.trim().split("\n")).toEqual([...Array.from({ length: 10 }, () => "ok"), "1"]);
});

test("a stale lock of a starter that died does not stop the next one", async () => {
  const done = await onFreshMachine(
    `mkdir -p /run/berth; sh -c 'echo $$ >/run/berth/start.lock'; $B ps -q && echo ok; ${LEAVE}`,
  );
  expect(done.stdout).toBe("ok\n");
});

test("with an explicit host nothing is started: one line says what is wrong", async () => {
  const done = await onFreshMachine(`$B -H unix:///run/nowhere.sock ps; echo "code $?"; ls /run/berth 2>/dev/null`);
  expect(done.stdout).toBe("code 1\n");
  expect(done.stderr.trim().split("\n")).toHaveLength(1);
  expect(done.stderr).toContain("unix:///run/nowhere.sock");
});

test("a second daemon on the same data root is refused, naming the first", async () => {
  const done = await onFreshMachine(`$B ps -q; $B daemon -H unix:///run/other.sock; echo "code $?"; ${LEAVE}`);
  expect(done.stdout).toBe("code 1\n");
  expect(done.stderr).toMatch(/data root \/var\/lib\/berth is in use by another daemon, pid \d+/);
});

test("an idle daemon that was started by itself leaves; its containers' exit codes do not get lost", async () => {
  const done = await onFreshMachine(`
    mkdir -p /run/berth
    $B daemon --idle-exit 1 2>/run/log & first=$!
    while [ ! -S /run/berth/berth.sock ]; do sleep 0.05; done
    $B bootstrap busybox >/dev/null && $B run -d --name box busybox sh -c 'sleep 4; exit 6' >/dev/null
    wait $first; echo "left $?"
    $B wait box; $B rm box; ${LEAVE}`);
  expect(done.stdout).toBe("left 0\n6\nbox\n");
}, 300_000);

test("without root there is one line with the next step", async () => {
  const done = await run(["setpriv", "--reuid", "65534", "--clear-groups", BERTH, "ps"], {
    env: { PATH: process.env["PATH"] ?? "", BERTH_HOST: "" },
  });
  expect(done.code).toBe(1);
  expect(done.stderr.trim().split("\n")).toHaveLength(1);
  expect(done.stderr).toMatch(/sudo|root|docker/);
});
