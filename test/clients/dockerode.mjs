// A job as an application with dockerode has it: everything through the library, against DOCKER_HOST.
import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import Docker from "dockerode";

const docker = new Docker({ socketPath: process.env.DOCKER_HOST.replace("unix://", "") });
const finished = (stream) =>
  new Promise((ok, no) => docker.modem.followProgress(stream, (e, out) => (e ? no(e) : ok(out))));

assert.equal((await docker.ping()).toString(), "OK");
assert.match((await docker.version()).ApiVersion, /^1\.\d+$/);
assert.equal((await docker.info()).OSType, "linux");

const events = await docker.getEvents({ filters: { label: ["job=dockerode"] } });
const heard = [];
events.on("data", (chunk) =>
  heard.push(
    ...chunk
      .toString()
      .trim()
      .split("\n")
      .map((l) => JSON.parse(l).Action),
  ),
);

const built = await finished(
  await docker.buildImage(
    { context: new URL("context", import.meta.url).pathname, src: ["Dockerfile", "file"] },
    { t: "dockerode:1" },
  ),
);
assert.match(built.map((l) => l.stream ?? "").join(""), /Successfully tagged dockerode:1/);

const network = await docker.createNetwork({ Name: "dockerode-net", Labels: { job: "dockerode" } });
const volume = await docker.createVolume({ Name: "dockerode-vol", Labels: { job: "dockerode" } });
const container = await docker.createContainer({
  name: "dockerode",
  Image: "dockerode:1",
  Cmd: ["cat"],
  OpenStdin: true,
  StdinOnce: true,
  AttachStdin: true,
  AttachStdout: true,
  Labels: { job: "dockerode" },
  HostConfig: { NetworkMode: "dockerode-net", Binds: ["dockerode-vol:/data"] },
  NetworkingConfig: { EndpointsConfig: { "dockerode-net": { Aliases: ["other"] } } },
});
const attached = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
const out = new PassThrough();
container.modem.demuxStream(attached, out, out);
attached.on("end", () => out.end());
await container.start();
assert.ok((await network.inspect()).Containers[container.id].IPv4Address);

const exec = await container.exec({
  Cmd: ["sh", "-c", "cat /file; nslookup -type=a other. | tail -n 2; exit 3"],
  AttachStdout: true,
  AttachStderr: true,
});
const execStream = await exec.start({ hijack: true, stdin: false });
const execOut = new PassThrough();
docker.modem.demuxStream(execStream, execOut, execOut);
execStream.on("end", () => execOut.end());
assert.match(await text(execOut), /content[\s\S]*Address/);
assert.equal((await exec.inspect()).ExitCode, 3);

await container.putArchive(Readable.from([tar("put", "by dockerode\n")]), { path: "/data" });
assert.match((await buffer(await container.getArchive({ path: "/data/put" }))).toString(), /by dockerode/);
assert.match((await container.inspect()).State.Status, /running/);
assert.ok((await container.top()).Processes.length >= 1);
assert.ok((await container.stats({ stream: false })).memory_stats.usage > 0);
await container.pause();
await container.unpause();
await container.update({ PidsLimit: 50 });
await container.rename({ name: "dockerode-renamed" });

attached.write("hello from stdin\n");
attached.end();
assert.equal(await text(out), "hello from stdin\n");
assert.equal((await container.wait()).StatusCode, 0);
const logs = await container.logs({ stdout: true, stderr: true, follow: false });
assert.match(logs.toString(), /hello from stdin/);
assert.ok((await container.changes()) === null || true);

const { Id } = await container.commit({ repo: "dockerode", tag: "2", comment: "committed" });
assert.match(Id, /^sha256:/);
const saved = await buffer(await docker.getImage("dockerode:2").get());
await docker.getImage("dockerode:2").remove();
await finished(await docker.loadImage(Readable.from([saved])));
assert.equal((await docker.getImage("dockerode:2").inspect()).Comment, "committed");
assert.equal((await docker.listContainers({ all: true, filters: { label: ["job=dockerode"] } })).length, 1);

const [run] = await docker.run("busybox", ["sh", "-c", "exit 4"], new PassThrough(), {
  HostConfig: { AutoRemove: true },
});
assert.equal(run.StatusCode, 4);
await assert.rejects(docker.getContainer("nosuch").inspect(), { statusCode: 404 });
await assert.rejects(container.kill(), { statusCode: 409 });

await container.remove();
await volume.remove();
await network.remove();
for (const tag of ["dockerode:1", "dockerode:2"]) await docker.getImage(tag).remove();
while (!heard.includes("destroy") || heard.filter((a) => a === "destroy").length < 1)
  await new Promise((r) => setTimeout(r, 5));
for (const action of ["create", "start", "pause", "unpause", "update", "rename", "die", "commit", "destroy"])
  assert.ok(heard.includes(action), action);
events.destroy();
console.log("done");

function tar(name, body) {
  const head = Buffer.alloc(512);
  head.write(name, 0);
  head.write("0000644\0", 100);
  head.write("0000000\0", 108);
  head.write("0000000\0", 116);
  head.write(`${Buffer.byteLength(body).toString(8).padStart(11, "0")}\0`, 124);
  head.write("00000000000\0", 136);
  head.write("        0", 148);
  head.write("ustar\x0000", 257);
  head.write(
    `${[...head]
      .reduce((a, b) => a + b, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
  );
  const data = Buffer.alloc(512);
  data.write(body);
  return Buffer.concat([head, data, Buffer.alloc(1024)]);
}
