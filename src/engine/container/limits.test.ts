import { afterAll, beforeAll, expect, test } from "bun:test";
import { cgroupMode } from "../../host/cgroup.ts";
import type { ContainerStatsResponse, HostConfig } from "../../spec/engine-api.ts";
import { EngineHarness, never } from "../../testing/engine-harness.ts";

// update, top and stats: what they change and tell of a container's resources.

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

const MIB = 2 ** 20;
const remove = (id: string): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes: true, link: false });
const host = async (id: string): Promise<HostConfig> =>
  (await h.backend.container.inspect(id, { size: false })).HostConfig ?? {};
async function samples(id: string, options: { stream: boolean; oneShot: boolean; signal?: AbortSignal }) {
  const all = await h.backend.container.stats(id, { signal: never(), ...options });
  return Array.fromAsync(all as AsyncIterable<ContainerStatsResponse>);
}
const sample = async (id: string): Promise<ContainerStatsResponse> =>
  (await samples(id, { stream: false, oneShot: true }))[0] ?? {};

test.each<[string, HostConfig, HostConfig, HostConfig]>([
  [
    "memory with its swap",
    { Memory: 32 * MIB },
    { Memory: 64 * MIB, MemorySwap: 128 * MIB },
    { Memory: 64 * MIB, MemorySwap: 128 * MIB },
  ],
  [
    "memory below the swap it has",
    { Memory: 32 * MIB },
    { Memory: 16 * MIB },
    { Memory: 16 * MIB, MemorySwap: 64 * MIB },
  ],
  [
    "a reservation",
    { Memory: 64 * MIB },
    { MemoryReservation: 32 * MIB },
    { MemoryReservation: 32 * MIB, Memory: 64 * MIB },
  ],
  ["shares", {}, { CpuShares: 512 }, { CpuShares: 512 }],
  [
    "shares and a policy where swap has no limit",
    { Memory: 32 * MIB, MemorySwap: -1 },
    { CpuShares: 512, RestartPolicy: { Name: "always" } },
    { CpuShares: 512, Memory: 32 * MIB, MemorySwap: -1 },
  ],
  ["cpus", {}, { NanoCpus: 5e8 }, { NanoCpus: 5e8 }],
  ["quota and period", {}, { CpuQuota: 20_000, CpuPeriod: 50_000 }, { CpuQuota: 20_000, CpuPeriod: 50_000 }],
  ["pids", { PidsLimit: 10 }, { PidsLimit: 20 }, { PidsLimit: 20 }],
  ["no limit of pids", { PidsLimit: 10 }, { PidsLimit: -1 }, { PidsLimit: 0 }],
  ["no limit of pids, by zero", { PidsLimit: 10 }, { PidsLimit: 0 }, { PidsLimit: 0 }],
  [
    "a reservation above the limit",
    { Memory: 32 * MIB },
    { MemoryReservation: 64 * MIB },
    { MemoryReservation: 64 * MIB, Memory: 32 * MIB },
  ],
  ["a cpu set", {}, { CpusetCpus: "0" }, { CpusetCpus: "0" }],
  [
    "a policy",
    {},
    { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 } },
    { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 } },
  ],
  ["nothing", { Memory: 32 * MIB, CpuShares: 7 }, {}, { Memory: 32 * MIB, CpuShares: 7 }],
  [
    "zeros, which mean nothing",
    { Memory: 32 * MIB, CpuShares: 7 },
    { Memory: 0, CpuShares: 0 },
    { Memory: 32 * MIB, CpuShares: 7 },
  ],
  [
    "an empty policy, which means nothing",
    { RestartPolicy: { Name: "always" } },
    { RestartPolicy: { Name: "" as "no" } },
    { RestartPolicy: { Name: "always", MaximumRetryCount: 0 } },
  ],
])("update: %s, running and at rest", async (_, before, changes, after) => {
  for (const running of [false, true]) {
    const id = await h.create(["sleep", "1000"], { HostConfig: before });
    if (running) await h.backend.container.start(id, {});
    expect(await h.backend.container.update(id, changes)).toEqual({ Warnings: null });
    expect(await host(id)).toMatchObject(after);
    await remove(id);
  }
});

test.each<[string, HostConfig, HostConfig, string]>([
  ["little memory", {}, { Memory: 1000 }, "Minimum memory limit allowed is 6MB"],
  [
    "memory above the swap it has",
    { Memory: 32 * MIB },
    { Memory: 300 * MIB },
    "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
  ],
  [
    "swap alone",
    {},
    { MemorySwap: 64 * MIB },
    "You should always set the Memory limit when using Memoryswap limit, see usage",
  ],
  [
    "a quota beside cpus",
    { NanoCpus: 5e8 },
    { CpuQuota: 20_000 },
    "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
  ],
  [
    "a period beside cpus",
    { NanoCpus: 5e8 },
    { CpuPeriod: 20_000 },
    "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
  ],
  [
    "cpus beside a quota",
    { CpuQuota: 20_000 },
    { NanoCpus: 5e8 },
    "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
  ],
  [
    "memory where none is limited",
    {},
    { Memory: 64 * MIB },
    "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
  ],
  ["too many cpus", {}, { NanoCpus: 1e15 }, "range of CPUs is from 0.01 to"],
  ["an unknown policy", {}, { RestartPolicy: { Name: "foo" as "no" } }, "unknown policy 'foo'"],
  [
    "a policy for one that removes itself",
    { AutoRemove: true },
    { RestartPolicy: { Name: "always" } },
    "Restart policy cannot be updated because AutoRemove is enabled for the container",
  ],
])("update refuses %s, and changes nothing", async (_, before, changes, words) => {
  const id = await h.start(["sleep", "1000"], { HostConfig: before });
  const was = await host(id);
  await expect(h.backend.container.update(id, changes)).rejects.toThrow(words);
  expect(await host(id)).toEqual(was);
  await remove(id);
});

test("a new limit holds at once and after the next start", async () => {
  const id = await h.start(["sh", "-c", "sleep 1000"], { HostConfig: { Memory: 32 * MIB, PidsLimit: 30 } });
  await h.backend.container.update(id, { Memory: 16 * MIB, MemorySwap: 16 * MIB, PidsLimit: 12 });
  const now = await sample(id);
  expect([now.memory_stats?.limit, now.pids_stats?.limit]).toEqual([16 * MIB, 12]);
  await h.backend.container.update(id, { PidsLimit: -1 });
  expect((await sample(id)).pids_stats?.limit ?? 0).not.toBe(12);
  await h.backend.container.update(id, { PidsLimit: 12 });
  await h.backend.container.restart(id, { timeout: 0 });
  const then = await sample(id);
  expect([then.memory_stats?.limit, then.pids_stats?.limit]).toEqual([16 * MIB, 12]);
  await remove(id);
});

test("top: the container's processes alone, by the columns that were asked for", async () => {
  const id = await h.start(["sh", "-c", "sleep 1001 & sleep 1002; true"]);
  const other = await h.start(["sleep", "1003"]);
  const full = await h.backend.container.top(id, "");
  expect(full.Titles).toEqual(["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
  const commands = (rows: (string[] | null)[] | null | undefined): string[] => (rows ?? []).map((r) => r?.at(-1) ?? "");
  while (commands((await h.backend.container.top(id, "")).Processes).length < 3) await Bun.sleep(5);
  expect(commands((await h.backend.container.top(id, "")).Processes).sort()).toEqual([
    ...["sh -c sleep 1001 & sleep 1002; true", "sleep 1001", "sleep 1002"],
  ]);
  const few = await h.backend.container.top(id, "-o pid,args");
  expect(few.Titles).toEqual(["PID", "COMMAND"]);
  const pid = (await h.backend.container.inspect(id, { size: false })).State?.Pid;
  expect(few.Processes?.map((row) => row[0])).toContain(String(pid));
  expect(commands((await h.backend.container.top(other, "aux")).Processes)).toEqual(["sleep 1003"]);
  for (const one of [id, other]) await remove(one);
});

test("an exec's processes are the container's", async () => {
  const id = await h.start(["sleep", "1000"]);
  const { Id: exec } = await h.backend.exec.create(id, { Cmd: ["sleep", "1234"] });
  await h.backend.exec.start(exec, { detach: true, tty: false }, () => {
    throw new Error("nobody attaches");
  });
  const { Processes: rows } = await h.backend.container.top(id, "-o pid,args");
  expect(rows?.map((row) => row[1]).sort()).toEqual(["sleep 1000", "sleep 1234"]);
  await remove(id);
});

test("stats: one sample in Docker's shape", async () => {
  const id = await h.start(["sleep", "1000"], { HostConfig: { Memory: 32 * MIB } }, "sampled");
  const one = await sample(id);
  expect(Object.keys(one).sort()).toEqual([
    ...["blkio_stats", "cpu_stats", "id", "memory_stats", "name", "networks", "num_procs", "pids_stats"],
    ...["precpu_stats", "preread", "read", "storage_stats"],
  ]);
  expect(one).toMatchObject({
    ...{ id, name: "/sampled", num_procs: 0, storage_stats: {}, preread: "0001-01-01T00:00:00Z" },
    pids_stats: { current: 1 },
    memory_stats: { limit: 32 * MIB },
    precpu_stats: { cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 } },
    cpu_stats: {
      throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
    },
  });
  expect(one.memory_stats?.usage).toBeGreaterThan(0);
  expect(one.memory_stats?.stats).toBeObject();
  expect(one.cpu_stats?.cpu_usage?.total_usage).toBeGreaterThan(0);
  expect(one.cpu_stats?.system_cpu_usage ?? 0).toBeGreaterThan(one.cpu_stats?.cpu_usage?.total_usage ?? 0);
  expect(Object.keys(one.blkio_stats ?? {})).toHaveLength(8);
  const unlimited = cgroupMode() === "v2" ? '"limit":18446744073709551615' : '"pids_stats":{"current":1}';
  expect(JSON.stringify(one)).toContain(unlimited);
  await remove(id);
});

test("stats of one that does not run is Docker's empty sample", async () => {
  const id = await h.create(["true"], {}, "resting");
  const none = null as unknown as [];
  expect(await samples(id, { stream: false, oneShot: false })).toEqual([
    {
      ...{ name: "/resting", id, read: "0001-01-01T00:00:00Z", preread: "0001-01-01T00:00:00Z", num_procs: 0 },
      ...{ pids_stats: {}, storage_stats: {}, memory_stats: {} },
      blkio_stats: {
        ...{ io_service_bytes_recursive: none, io_serviced_recursive: none, io_queue_recursive: none },
        ...{ io_service_time_recursive: none, io_wait_time_recursive: none, io_merged_recursive: none },
        ...{ io_time_recursive: none, sectors_recursive: none },
      },
      ...Object.fromEntries(
        ["cpu_stats", "precpu_stats"].map((key) => [
          key,
          {
            cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
            throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
          },
        ]),
      ),
    },
  ]);
  await remove(id);
});

test("stats as a stream: each sample knows the one before, work is seen, and it ends with the container", async () => {
  const id = await h.start(["sh", "-c", "i=0; while :; do i=$((i+1)); done"]);
  const seen: ContainerStatsResponse[] = [];
  const stream = (await h.backend.container.stats(id, {
    ...{ stream: true, oneShot: false, signal: never() },
  })) as AsyncIterable<ContainerStatsResponse>;
  for await (const one of stream) {
    seen.push(one);
    if (seen.length === 2) await remove(id);
  }
  const [first, second] = seen;
  expect(second?.preread).toBe(first?.read ?? "");
  expect(second?.precpu_stats).toEqual(first?.cpu_stats ?? {});
  const used = (s?: ContainerStatsResponse): number => s?.cpu_stats?.cpu_usage?.total_usage ?? 0;
  expect(used(second)).toBeGreaterThan(used(first));
});

test("a client that leaves ends the stream", async () => {
  const id = await h.start(["sleep", "1000"]);
  const abort = new AbortController();
  const all = await h.backend.container.stats(id, { stream: true, oneShot: false, signal: abort.signal });
  let count = 0;
  for await (const _ of all) {
    count++;
    abort.abort();
  }
  expect(count).toBe(1);
  await remove(id);
});

test("memory that is used is counted, and what a limit refuses kills only the one that asked", async () => {
  const id = await h.start(["sh", "-c", "sleep 1000"], { HostConfig: { Memory: 64 * MIB, MemorySwap: 64 * MIB } });
  const before = (await sample(id)).memory_stats?.usage ?? 0;
  const { Id: exec } = await h.backend.exec.create(id, {
    Cmd: ["sh", "-c", "dd if=/dev/zero of=/dev/shm/f bs=1M count=20 2>/dev/null"],
  });
  await h.backend.exec.start(exec, { detach: true, tty: false }, () => {
    throw new Error("nobody attaches");
  });
  while (((await h.backend.exec.inspect(exec)) as { Running: boolean }).Running) await Bun.sleep(5);
  expect((await sample(id)).memory_stats?.usage ?? 0).toBeGreaterThan(before + 15 * MIB);
  await remove(id);
});
