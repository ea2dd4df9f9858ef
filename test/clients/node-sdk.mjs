// A job with Docker's own Node SDK, against DOCKER_HOST.
import assert from "node:assert/strict";
import { DockerClient } from "@docker/node-sdk";

const docker = await DockerClient.fromDockerHost(process.env.DOCKER_HOST);
assert.equal((await docker.systemInfo()).OSType, "linux");
assert.ok((await docker.systemVersion()).ApiVersion);

const network = await docker.networkCreate({ Name: "sdk-net", Labels: { job: "sdk" } });
await docker.volumeCreate({ Name: "sdk-vol", Labels: { job: "sdk" } });
const { Id } = await docker.containerCreate(
  {
    Image: "busybox",
    Cmd: ["sh", "-c", "echo out; echo err >&2; sleep 1000"],
    Labels: { job: "sdk" },
    HostConfig: { Binds: ["sdk-vol:/v"], NetworkMode: "sdk-net" },
  },
  { name: "sdk" },
);
await docker.containerStart(Id);
const inspected = await docker.containerInspect(Id);
assert.equal(inspected.State.Status, "running");
assert.ok(inspected.NetworkSettings.Networks["sdk-net"].IPAddress);
assert.equal((await docker.networkInspect(network.Id)).Name, "sdk-net");
assert.ok((await docker.containerTop(Id)).Processes.length > 0);
const exec = await docker.containerExec(Id, { Cmd: ["sh", "-c", "exit 6"], AttachStdout: true, AttachStderr: true });
await docker.execStart(exec.Id, { Detach: true });
let seen = await docker.execInspect(exec.Id);
while (seen.Running) seen = await docker.execInspect(exec.Id);
assert.equal(seen.ExitCode, 6);
await docker.containerPause(Id);
assert.equal((await docker.containerInspect(Id)).State.Paused, true);
await docker.containerUnpause(Id);
await docker.containerRename(Id, "sdk-renamed");
const listed = await docker.containerList({ all: true });
assert.deepEqual(listed.find((c) => c.Id === Id).Names, ["/sdk-renamed"]);
await docker.containerStop(Id, { timeout: 0 });
const changes = await docker.containerChanges(Id);
assert.ok(changes === null || Array.isArray(changes));
await docker.containerDelete(Id, { volumes: true });
await docker.networkDelete("sdk-net");
await docker.volumeDelete("sdk-vol");
assert.ok((await docker.imageInspect("busybox")).Id.startsWith("sha256:"));
assert.ok((await docker.imageList({ all: true })).length > 0);
await docker.imageTag("busybox", "sdk-tagged", "1");
await docker.imageDelete("sdk-tagged:1");
await assert.rejects(docker.containerInspect("nosuch"), ({ name }) => name === "NotFoundError");
await docker.close?.();
console.log("done");
