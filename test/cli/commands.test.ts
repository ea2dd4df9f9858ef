import { expect, test } from "bun:test";
import { fakeEngine, json } from "./fake-engine.ts";
import { berth } from "./harness.ts";

const NOW = Math.floor(Date.now() / 1000);
const CONTAINER = {
  Id: "a".repeat(64),
  Names: ["/web"],
  Image: "nginx:1.29",
  ImageID: `sha256:${"b".repeat(64)}`,
  Command: "nginx -g 'daemon off;'",
  Created: NOW - 7200,
  Ports: [{ IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" }],
  Labels: { a: "b", tier: "web" },
  State: "running",
  Status: "Up 2 hours",
  NetworkSettings: { Networks: { bridge: {} } },
  Mounts: [{ Type: "volume", Name: "data", Driver: "local" }],
};

test("ps asks for what its flags say and prints Docker's table", async () => {
  await using engine = await fakeEngine({ "GET /containers/json": [CONTAINER] });
  const { out, code } = await berth(["ps", "-a", "-n", "3", "-f", "status=running", "-f", "label=a"], engine);
  expect(code).toBe(0);
  expect(out).toBe(
    [
      "CONTAINER ID   IMAGE        COMMAND                  CREATED       STATUS       PORTS                  NAMES\n",
      'aaaaaaaaaaaa   nginx:1.29   "nginx -g \'daemon of…"   2 hours ago   Up 2 hours   0.0.0.0:8080->80/tcp   web\n',
    ].join(""),
  );
  const query = engine.seen[0]?.query;
  expect(query?.get("all")).toBe("1");
  expect(query?.get("limit")).toBe("3");
  expect(query?.get("size")).toBeNull();
  expect(JSON.parse(query?.get("filters") ?? "")).toEqual({ status: ["running"], label: ["a"] });
});

test("ps formats", async () => {
  await using engine = await fakeEngine({ "GET /containers/json": [CONTAINER] });
  const print = async (format: string) => (await berth(["ps", "--format", format], engine)).out;
  expect(await print('{{.Names}} {{.Label "tier"}} {{.Mounts}} {{.Networks}}')).toBe("web web data bridge\n");
  expect(await print("table {{.Names}}\\t{{.State}}")).toBe("NAMES     STATE\nweb       running\n");
  expect(JSON.parse(await print("json"))).toMatchObject({ Names: "web", Labels: "a=b,tier=web", LocalVolumes: "1" });
  await print("{{.Size}}");
  expect(engine.seen.at(-1)?.query.get("size")).toBe("1");
  expect((await berth(["ps", "-q", "--no-trunc"], engine)).out).toBe(`${"a".repeat(64)}\n`);
});

test("images have a line a tag, a digest where asked, and <none> without names", async () => {
  const image = {
    Id: `sha256:${"c".repeat(64)}`,
    Created: NOW - 60,
    Size: 2_065_123,
    SharedSize: -1,
    Containers: -1,
    RepoTags: ["busybox:latest", "host:5000/app:v1"],
    RepoDigests: [`busybox@sha256:${"d".repeat(64)}`],
  };
  const bare = { ...image, Id: `sha256:${"e".repeat(64)}`, RepoTags: [], RepoDigests: [] };
  await using engine = await fakeEngine({ "GET /images/json": [image, bare] });
  const { out } = await berth(["images"], engine);
  expect(out.split("\n").map((l) => l.split(/ {2,}/).join("|"))).toEqual([
    "REPOSITORY|TAG|IMAGE ID|CREATED|SIZE",
    "busybox|latest|cccccccccccc|About a minute ago|2.07MB",
    "host:5000/app|v1|cccccccccccc|About a minute ago|2.07MB",
    "<none>|<none>|eeeeeeeeeeee|About a minute ago|2.07MB",
    "",
  ]);
  expect((await berth(["images", "--digests", "--format", "{{.Digest}}"], engine)).out).toBe(
    `sha256:${"d".repeat(64)}\n<none>\n<none>\n`,
  );
  await berth(["image", "ls", "busybox"], engine);
  expect(JSON.parse(engine.seen.at(-1)?.query.get("filters") ?? "")).toEqual({ reference: ["busybox"] });
});

test("several names: what worked is printed, errors follow, the exit code is 1", async () => {
  await using engine = await fakeEngine({
    "POST /containers/a/stop": 204,
    "POST /containers/b/stop": (_, r) => json(r, 404, { message: "No such container: b" }),
    "POST /containers/c/stop": 304,
  });
  const result = await berth(["stop", "-t", "3", "a", "b", "c"], engine);
  expect(result).toEqual({ code: 1, out: "a\nc\n", err: "Error response from daemon: No such container: b\n" });
  expect(engine.seen[0]?.query.get("t")).toBe("3");
});

test("rm -f takes a container that is not there for removed", async () => {
  await using engine = await fakeEngine({
    "DELETE /containers/x": (_, r) => json(r, 404, { message: "No such container: x" }),
    "DELETE /containers/y": (_, r) => json(r, 409, { message: "busy" }),
  });
  expect((await berth(["rm", "-f", "x"], engine)).code).toBe(0);
  expect((await berth(["rm", "x"], engine)).code).toBe(1);
  expect((await berth(["rm", "-f", "x", "y"], engine)).code).toBe(1);
});

test("inspect looks for containers, then images, networks and volumes", async () => {
  await using engine = await fakeEngine({
    "GET /containers/c/json": { Id: "1", Name: "/c" },
    "GET /volumes/v": { Name: "v" },
  });
  const { out, err, code } = await berth(["inspect", "c", "v", "nope"], engine);
  expect(JSON.parse(out)).toEqual([{ Id: "1", Name: "/c" }, { Name: "v" }]);
  expect({ err, code }).toEqual({ err: "Error: No such object: nope\n", code: 1 });
  expect(await berth(["inspect", "-f", "{{.Name}}", "c"], engine)).toEqual({ code: 0, out: "/c\n", err: "" });
  expect((await berth(["inspect", "-f", "{{.Nope", "c"], engine)).code).toBe(64);
  expect((await berth(["inspect", "--type", "image", "c"], engine)).code).toBe(1);
});

test("port, top and rename", async () => {
  const Ports = {
    "80/tcp": [
      { HostIp: "0.0.0.0", HostPort: "8080" },
      { HostIp: "::", HostPort: "8080" },
    ],
    "9/udp": null,
  };
  await using engine = await fakeEngine({
    "GET /containers/c/json": { NetworkSettings: { Ports } },
    "GET /containers/c/top": { Titles: ["PID", "CMD"], Processes: [["1", "sh"]] },
    "POST /containers/c/rename": 204,
  });
  expect((await berth(["port", "c"], engine)).out).toBe("80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n");
  expect((await berth(["port", "c", "80/tcp"], engine)).out).toBe("0.0.0.0:8080\n[::]:8080\n");
  expect((await berth(["port", "c", "9/udp"], engine)).err).toBe("Error: No public port '9/udp' published for c\n");
  expect((await berth(["top", "c", "-o", "pid"], engine)).out).toBe(
    "PID                 CMD\n1                   sh\n",
  );
  expect(engine.seen.at(-1)?.query.get("ps_args")).toBe("-o pid");
  expect((await berth(["rename", "c", "d"], engine)).code).toBe(0);
});

test("prunes ask first, and take no for an answer", async () => {
  await using engine = await fakeEngine({
    "POST /containers/prune": { ContainersDeleted: ["x"], SpaceReclaimed: 1500 },
    "POST /images/prune": { ImagesDeleted: [{ Untagged: "a:b" }, { Deleted: "sha256:1" }], SpaceReclaimed: 0 },
    "POST /volumes/prune": { VolumesDeleted: null, SpaceReclaimed: 0 },
  });
  for (const stdin of ["", "n\n"]) expect((await berth(["container", "prune"], { ...engine, stdin })).code).toBe(0);
  expect(engine.calls()).toEqual([]);
  const yes = await berth(["container", "prune"], { ...engine, stdin: "y\n" });
  expect(yes.out).toEndWith("[y/N] Deleted Containers:\nx\n\nTotal reclaimed space: 1.5kB\n");
  const images = await berth(["image", "prune", "-af"], engine);
  expect(images.out).toBe("Deleted Images:\nuntagged: a:b\ndeleted: sha256:1\n\nTotal reclaimed space: 0B\n");
  expect(JSON.parse(engine.seen.at(-1)?.query.get("filters") ?? "")).toEqual({ dangling: ["false"] });
  expect((await berth(["volume", "prune", "-f"], engine)).out).toBe("Total reclaimed space: 0B\n");
});

test("events print their nanoseconds exactly", async () => {
  const event = `{"status":"die","Type":"container","Action":"die","Actor":{"ID":"x","Attributes":{"name":"n","exitCode":"0"}},"time":1764111701,"timeNano":1764111701535054708}\n`;
  await using engine = await fakeEngine({ "GET /events": (_, r) => void r.end(event + event) });
  const { out } = await berth(["events", "--since", "1764111000"], engine);
  expect(out.split("\n")[0]).toMatch(/^2025-11-2\dT.*\.535054708\S* container die x \(exitCode=0, name=n\)$/);
  expect((await berth(["events", "--format", "json"], engine)).out).toBe(
    (event + event).replaceAll(`"name":"n","exitCode":"0"`, `"exitCode":"0","name":"n"`),
  );
  expect((await berth(["events", "--format", "{{.Status}} {{.TimeNano}}"], engine)).out).toStartWith(
    "die 1764111701535054708\n",
  );
});

test("stats compute Docker's percentages", async () => {
  const sample = {
    id: "f".repeat(64),
    name: "/c",
    cpu_stats: { cpu_usage: { total_usage: 300 }, system_cpu_usage: 2000, online_cpus: 2 },
    precpu_stats: { cpu_usage: { total_usage: 100 }, system_cpu_usage: 1000 },
    memory_stats: { usage: 3 * 2 ** 20, limit: 2 ** 30, stats: { total_inactive_file: 2 ** 20 } },
    networks: { eth0: { rx_bytes: 1500, tx_bytes: 0 }, eth1: { rx_bytes: 500, tx_bytes: 10 } },
    blkio_stats: {
      io_service_bytes_recursive: [
        { op: "Read", value: 4096 },
        { op: "write", value: 1 },
      ],
    },
    pids_stats: { current: 4 },
  };
  await using engine = await fakeEngine({ "GET /containers/c/stats": sample });
  const { out } = await berth(["stats", "--no-stream", "c"], engine);
  expect(out.split("\n")[1]?.split(/ {2,}/)).toEqual([
    "ffffffffffff",
    "c",
    "40.00%",
    "2MiB / 1GiB",
    "0.20%",
    "2kB / 10B",
    "4.1kB / 1B",
    "4",
  ]);
});

test("version shows both sides, and the client's alone where no engine answers", async () => {
  await using engine = await fakeEngine({
    "GET /version": { Version: "0.1.0", ApiVersion: "1.51", MinAPIVersion: "1.24", Os: "linux", Arch: "amd64" },
  });
  const { out } = await berth(["version"], engine);
  expect(out).toContain("Client:\n Version:           1.2.3\n");
  expect(out).toContain(
    "Server:\n Engine:\n  Version:          0.1.0\n  API version:      1.51 (minimum version 1.24)\n",
  );
  const alone = await berth(["version"], { host: "unix:///nonexistent/berth.sock" });
  expect(alone.code).toBe(1);
  expect(alone.out).toContain("1.2.3");
  expect(alone.err).toContain("cannot connect to the Berth daemon at unix:///nonexistent/berth.sock");
  expect((await berth(["--version"])).out).toBe("Berth version 1.2.3\n");
});

test("import sends the archive, and each change as a parameter of its own", async () => {
  await using engine = await fakeEngine({ "POST /images/create": (_, r) => void r.end('{"status":"sha256:1"}\n') });
  const argv = ["import", "-c", "CMD a", "-c", "ENV b=c", "-m", "hi", "-", "me/app:v1"];
  expect((await berth(argv, { ...engine, stdin: "tar" })).out).toBe("sha256:1\n");
  const [request] = engine.seen;
  expect(request?.query.getAll("changes")).toEqual(["CMD a", "ENV b=c"]);
  expect(Object.fromEntries(request?.query ?? [])).toMatchObject({
    fromSrc: "-",
    repo: "me/app",
    tag: "v1",
    message: "hi",
  });
  expect(request?.body.toString()).toBe("tar");
});

test("a progress stream's error ends the command with it", async () => {
  await using engine = await fakeEngine({
    "POST /images/load": (_, r) =>
      void r.end('{"stream":"Loading\\n"}\n{"errorDetail":{"message":"bad archive"},"error":"bad archive"}\n'),
  });
  expect(await berth(["load"], { ...engine, stdin: "x" })).toEqual({ code: 1, out: "Loading\n", err: "bad archive\n" });
});
