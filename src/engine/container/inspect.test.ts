import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import type { CreateBody } from "../../api/backend.ts";
import type { ContainerInspectResponse, HostConfig } from "../../spec/engine-api.ts";
import { EngineHarness } from "../../testing/engine-harness.ts";

// `docker inspect`, compared with what Docker 28.5 answers for the same body.

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

const remove = (id: string): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes: true, link: false });
const inspect = (id: string, size = false): Promise<ContainerInspectResponse> =>
  h.backend.container.inspect(id, { size });

const KEYS =
  "AppArmorProfile Args Config Created Driver ExecIDs GraphDriver HostConfig HostnamePath HostsPath Id Image LogPath MountLabel Mounts Name NetworkSettings Path Platform ProcessLabel ResolvConfPath RestartCount State";
const NETWORK_KEYS =
  "Bridge EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen HairpinMode IPAddress IPPrefixLen IPv6Gateway LinkLocalIPv6Address LinkLocalIPv6PrefixLen MacAddress Networks Ports SandboxID SandboxKey SecondaryIPAddresses SecondaryIPv6Addresses";
const ENDPOINT_KEYS =
  "Aliases DNSNames DriverOpts EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen GwPriority IPAMConfig IPAddress IPPrefixLen IPv6Gateway Links MacAddress NetworkID";
const HOST_KEYS =
  "AutoRemove Binds BlkioDeviceReadBps BlkioDeviceReadIOps BlkioDeviceWriteBps BlkioDeviceWriteIOps BlkioWeight BlkioWeightDevice CapAdd CapDrop Cgroup CgroupParent CgroupnsMode ConsoleSize ContainerIDFile CpuCount CpuPercent CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpuShares CpusetCpus CpusetMems DeviceCgroupRules DeviceRequests Devices Dns DnsOptions DnsSearch ExtraHosts GroupAdd IOMaximumBandwidth IOMaximumIOps IpcMode Isolation Links LogConfig MaskedPaths Memory MemoryReservation MemorySwap MemorySwappiness NanoCpus NetworkMode OomKillDisable OomScoreAdj PidMode PidsLimit PortBindings Privileged PublishAllPorts ReadonlyPaths ReadonlyRootfs RestartPolicy Runtime SecurityOpt ShmSize UTSMode Ulimits UsernsMode VolumeDriver VolumesFrom";
const CONFIG_KEYS =
  "AttachStderr AttachStdin AttachStdout Cmd Domainname Entrypoint Env Hostname Image Labels OnBuild OpenStdin StdinOnce Tty User Volumes WorkingDir";
const STATE_KEYS = "Dead Error ExitCode FinishedAt OOMKilled Paused Pid Restarting Running StartedAt Status";

test("all keys are there, and no others", async () => {
  const id = await h.start(["sleep", "1000"]);
  const shown = await inspect(id);
  const keys = (value: object | null | undefined): string =>
    Object.keys(value ?? {})
      .sort()
      .join(" ");
  expect(keys(shown)).toBe(KEYS);
  expect(keys(shown.State)).toBe(STATE_KEYS);
  expect(keys(shown.Config)).toBe(CONFIG_KEYS);
  expect(keys(shown.HostConfig)).toBe(HOST_KEYS);
  expect(keys(shown.NetworkSettings)).toBe(NETWORK_KEYS);
  expect(keys(shown.NetworkSettings?.Networks?.["none"])).toBe(ENDPOINT_KEYS);
  const sized = await inspect(id, true);
  expect(keys(sized)).toBe([...KEYS.split(" "), "SizeRootFs", "SizeRw"].sort().join(" "));
  await remove(id);
});

test("a state's whole life", async () => {
  const NEVER = "0001-01-01T00:00:00Z";
  const id = await h.create(["sh", "-c", "sleep 1000"]);
  const fresh = { Running: false, Paused: false, Restarting: false, Dead: false, OOMKilled: false, Error: "" };
  expect((await inspect(id)).State).toEqual({
    ...fresh,
    ...{ Status: "created", Pid: 0, ExitCode: 0, StartedAt: NEVER, FinishedAt: NEVER },
  });
  const created = Date.parse((await inspect(id)).Created ?? "");
  await h.backend.container.start(id, {});
  const running = (await inspect(id)).State;
  expect(running).toMatchObject({ ...fresh, Status: "running", Running: true, ExitCode: 0, FinishedAt: NEVER });
  expect(running?.Pid).toBeGreaterThan(1);
  expect(Date.parse(running?.StartedAt ?? "")).toBeGreaterThanOrEqual(created);
  await h.backend.container.kill(id, {});
  const ended = (await inspect(id)).State;
  expect(ended).toMatchObject({
    ...fresh,
    Status: "exited",
    Pid: 0,
    ExitCode: 137,
    StartedAt: running?.StartedAt ?? "",
  });
  expect(Date.parse(ended?.FinishedAt ?? "")).toBeGreaterThanOrEqual(Date.parse(ended?.StartedAt ?? ""));
  await h.backend.container.start(id, {});
  expect((await inspect(id)).State).toMatchObject({
    ...{ Status: "running", ExitCode: 0, FinishedAt: ended?.FinishedAt ?? "" },
  });
  await remove(id);
});

test("files and folders are where inspect says, once it has run", async () => {
  const id = await h.create(["sleep", "1000"]);
  const before = await inspect(id);
  expect([before.HostsPath, before.HostnamePath, before.ResolvConfPath, before.LogPath]).toEqual(["", "", "", ""]);
  await h.backend.container.start(id, {});
  const { HostsPath: hosts = "", HostnamePath: name = "", ResolvConfPath: resolv = "", ...shown } = await inspect(id);
  expect(await Bun.file(hosts).text()).toContain("127.0.0.1\tlocalhost\n");
  expect(await Bun.file(name).text()).toBe(`${id.slice(0, 12)}\n`);
  expect(await Bun.file(resolv).exists()).toBe(true);
  expect(shown.LogPath).toBe(`${h.root}/data/containers/${id}/${id}-json.log`);
  const { UpperDir: upper = "", MergedDir: merged = "", LowerDir: lower = "" } = shown.GraphDriver?.Data ?? {};
  expect(upper).toBe(`${h.root}/data/containers/${id}/upper`);
  expect(merged).toBe(`${h.root}/run/containers/${id}/rootfs`);
  expect(await Bun.file(`${lower.split(":")[0]}/bin/busybox`).exists()).toBe(true);
  await remove(id);
});

const host = (HostConfig: HostConfig): CreateBody => ({ HostConfig });

test.each<[string, CreateBody, object]>([
  ["memory doubles for swap", host({ Memory: 2 ** 25 }), { Memory: 2 ** 25, MemorySwap: 2 ** 26 }],
  ["swap of its own", host({ Memory: 2 ** 25, MemorySwap: 2 ** 27 }), { MemorySwap: 2 ** 27 }],
  ["swap without limit", host({ Memory: 2 ** 25, MemorySwap: -1 }), { MemorySwap: -1 }],
  ["cpus", host({ NanoCpus: 5e8 }), { NanoCpus: 5e8, CpuQuota: 0, CpuPeriod: 0 }],
  ["pids", host({ PidsLimit: 50 }), { PidsLimit: 50 }],
  ["no pids limit", host({ PidsLimit: -1 }), { PidsLimit: null }],
  ["swappiness not given", host({ MemorySwappiness: -1 }), { MemorySwappiness: null }],
  [
    "policy",
    host({ RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 } }),
    {
      RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 },
    },
  ],
  [
    "an empty policy",
    host({ RestartPolicy: { Name: "" as "no" } }),
    { RestartPolicy: { Name: "no", MaximumRetryCount: 0 } },
  ],
  [
    "logs",
    host({ LogConfig: { Type: "json-file", Config: { "max-size": "1m" } } }),
    {
      LogConfig: { Type: "json-file", Config: { "max-size": "1m" } },
    },
  ],
  ["no log config", {}, { LogConfig: { Type: "json-file", Config: {} } }],
  [
    "defaults of namespaces",
    {},
    { IpcMode: "private", CgroupnsMode: "private", PidMode: "", UTSMode: "", UsernsMode: "" },
  ],
  [
    "host namespaces",
    host({ IpcMode: "host", PidMode: "host", UTSMode: "host" }),
    {
      ...{ IpcMode: "host", PidMode: "host", UTSMode: "host" },
    },
  ],
  ["shm", {}, { ShmSize: 64 * 2 ** 20 }],
  ["more shm", host({ ShmSize: 2 ** 20 }), { ShmSize: 2 ** 20 }],
  [
    "privileged shows no masks",
    host({ Privileged: true }),
    { MaskedPaths: null, ReadonlyPaths: null, Privileged: true },
  ],
  [
    "ulimits",
    host({ Ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }] }),
    { Ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }] },
  ],
  [
    "names",
    host({ Dns: ["192.0.2.1"], DnsSearch: ["x"], DnsOptions: ["ndots:2"], ExtraHosts: ["a:192.0.2.2"] }),
    {
      ...{ Dns: ["192.0.2.1"], DnsSearch: ["x"], DnsOptions: ["ndots:2"], ExtraHosts: ["a:192.0.2.2"] },
    },
  ],
  ["default network", host({ NetworkMode: "default" }), { NetworkMode: "none" }],
  ["read-only with init", host({ ReadonlyRootfs: true, Init: true }), { ReadonlyRootfs: true, Init: true }],
  ["annotations", host({ Annotations: { a: "b" } }), { Annotations: { a: "b" } }],
])("host configuration: %s", async (_, body, wanted) => {
  const id = await h.create(["true"], body);
  expect((await inspect(id)).HostConfig).toMatchObject(wanted);
  await remove(id);
});

test.each<[string, CreateBody, object]>([
  ["the image's path", {}, { Env: [expect.stringMatching(/^PATH=/)], Cmd: ["true"], Entrypoint: null }],
  ["own variables first", { Env: ["A=1", "PATH=/x"] }, { Env: ["A=1", "PATH=/x"] }],
  ["a variable without a value stays as it was written", { Env: ["NAME"] }, { Env: ["NAME", expect.any(String)] }],
  ["labels", { Labels: { a: "b" } }, { Labels: { a: "b" } }],
  ["user and folder", { User: "1:2", WorkingDir: "/tmp" }, { User: "1:2", WorkingDir: "/tmp" }],
  ["hostname and domain", { Hostname: "hh", Domainname: "dd" }, { Hostname: "hh", Domainname: "dd" }],
  [
    "ports and volumes",
    { ExposedPorts: { "80/tcp": {} }, Volumes: { "/v": {} } },
    {
      ...{ ExposedPorts: { "80/tcp": {} }, Volumes: { "/v": {} } },
    },
  ],
  [
    "streams",
    { Tty: true, OpenStdin: true, StdinOnce: true, AttachStdin: true },
    {
      ...{ Tty: true, OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: false },
    },
  ],
  ["stopping", { StopSignal: "SIGINT", StopTimeout: 3 }, { StopSignal: "SIGINT", StopTimeout: 3 }],
  ["entrypoint", { Entrypoint: ["/bin/echo", "a"], Cmd: ["b"] }, { Entrypoint: ["/bin/echo", "a"], Cmd: ["b"] }],
])("configuration: %s", async (_, body, wanted) => {
  const id = await h.create(["true"], body);
  expect((await inspect(id)).Config).toMatchObject(wanted);
  await remove(id);
});

test("path and arguments are entrypoint and command together", async () => {
  const id = await h.create(["x"], { Entrypoint: ["/bin/echo", "-n"], Cmd: ["one", "two words"] });
  expect(await inspect(id)).toMatchObject({ Path: "/bin/echo", Args: ["-n", "one", "two words"] });
  await remove(id);
});

test("maps and mounts that are given empty are left out, as in Docker", async () => {
  const HostConfig = { Tmpfs: {}, Sysctls: {}, StorageOpt: {}, Annotations: {}, Mounts: [], Binds: [] };
  const id = await h.create(["true"], { HostConfig });
  const shown = (await inspect(id)).HostConfig ?? {};
  for (const key of ["Tmpfs", "Sysctls", "StorageOpt", "Annotations", "Mounts"]) expect(shown).not.toHaveProperty(key);
  expect(shown.Binds).toEqual([]);
  await remove(id);
});

test("mounts of every kind", async () => {
  mkdirSync(`${h.root}/shared`, { recursive: true });
  const id = await h.create(["true"], {
    Volumes: { "/anon": {} },
    HostConfig: {
      Binds: ["insp-named:/named:ro", `${h.root}/shared:/host`, `${h.root}/shared:/slave:ro,rslave`],
      Tmpfs: { "/scratch": "size=1m" },
      Mounts: [
        { Type: "tmpfs", Target: "/t2", TmpfsOptions: { SizeBytes: 100_000 } },
        { Type: "volume", Source: "insp-other", Target: "/other", ReadOnly: true },
      ],
    },
  });
  const mounts = (await inspect(id)).Mounts ?? [];
  const anonymous = mounts.find((m) => m.Destination === "/anon")?.Name ?? "";
  expect(anonymous).toMatch(/^[0-9a-f]{64}$/);
  const volume = (Name: string, Destination: string, Mode: string, RW: boolean) => ({
    ...{ Type: "volume", Name, Source: `${h.root}/data/volumes/${Name}/_data`, Destination },
    ...{ Driver: "local", Mode, RW, Propagation: "" },
  });
  const bind = (Destination: string, Mode: string, RW: boolean, Propagation: string) => ({
    ...{ Type: "bind", Source: `${h.root}/shared`, Destination, Mode, RW, Propagation },
  });
  // Docker shows the mounts of --tmpfs in the host configuration alone.
  expect(mounts.filter((m) => m.Type === "tmpfs").map((m) => m.Destination)).toEqual(["/t2"]);
  expect((await inspect(id)).HostConfig?.Tmpfs).toEqual({ "/scratch": "size=1m" });
  expect(mounts.filter((m) => m.Type !== "tmpfs")).toEqual([
    volume(anonymous, "/anon", "", true),
    bind("/host", "", true, "rprivate"),
    volume("insp-named", "/named", "ro", false),
    volume("insp-other", "/other", "z", false),
    bind("/slave", "ro,rslave", false, "rslave"),
  ] as unknown as typeof mounts);
  expect(mounts.find((m) => m.Destination === "/t2")).toMatchObject({ Type: "tmpfs", Source: "", RW: true });
  await remove(id);
});

test("running execs are listed, ended ones are not", async () => {
  const id = await h.start(["sleep", "1000"]);
  expect((await inspect(id)).ExecIDs).toBeNull();
  const { Id: exec } = await h.backend.exec.create(id, { Cmd: ["sleep", "1000"] });
  await h.backend.exec.start(exec, { detach: true, tty: false }, () => {
    throw new Error("nobody attaches");
  });
  expect((await inspect(id)).ExecIDs).toEqual([exec]);
  const shown = (await h.backend.exec.inspect(exec)) as { Pid: number; Running: boolean };
  expect(shown).toMatchObject({ Running: true, ExitCode: null, ContainerID: id, OpenStdin: false, CanRemove: false });
  process.kill(shown.Pid, "SIGKILL");
  while (((await h.backend.exec.inspect(exec)) as { Running: boolean }).Running) await Bun.sleep(5);
  expect(await h.backend.exec.inspect(exec)).toMatchObject({ Running: false, ExitCode: 137 });
  expect((await inspect(id)).ExecIDs).toBeNull();
  await remove(id);
});

test("the next daemon shows the same", async () => {
  const id = await h.create(["true"], {
    Labels: { a: "b" },
    HostConfig: { Memory: 2 ** 25, Binds: ["insp-kept:/v"], RestartPolicy: { Name: "on-failure" } },
  });
  await h.backend.container.start(id, {});
  await h.wait(id);
  const before = await inspect(id);
  await h.down();
  await h.up();
  expect(await inspect(id)).toEqual(before);
  await remove(id);
});
