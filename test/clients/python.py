"""A job with Debian's python3-docker, against DOCKER_HOST."""
import io
import tarfile

import docker

client = docker.from_env()
assert client.ping()
assert client.version()["Os"] == "linux"
image, lines = client.images.build(fileobj=io.BytesIO(b"FROM busybox\nLABEL job=python\nRUN echo built >/built\n"), tag="python:1", rm=True)
assert any("Successfully built" in line.get("stream", "") for line in lines)
assert client.containers.run("python:1", "cat /built", remove=True) == b"built\n"
try:
    client.containers.run("busybox", ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
    raise AssertionError("no error")
except docker.errors.ContainerError as error:
    assert error.exit_status == 3 and error.stderr == b"bad\n", error

network = client.networks.create("python-net", driver="bridge", labels={"job": "python"})
volume = client.volumes.create("python-vol", labels={"job": "python"})
box = client.containers.run(
    "busybox", "sleep 1000", detach=True, name="python", network="python-net", volumes={"python-vol": {"bind": "/v", "mode": "rw"}},
    environment={"A": "b"}, labels={"job": "python"}, mem_limit="64m", ports={"80/tcp": None}, healthcheck={"test": ["CMD", "true"], "interval": 100000000},
)
code, output = box.exec_run(["sh", "-c", "echo $A; exit 4"])
assert (code, output) == (4, b"b\n"), (code, output)
_, (out, err) = box.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
assert (out, err) == (b"out\n", b"err\n")
socket = box.exec_run(["cat"], stdin=True, socket=True).output
socket._sock.sendall(b"through the socket\n")
assert b"through the socket" in socket._sock.recv(4096)
socket.close()

archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w") as tar:
    info = tarfile.TarInfo("put")
    info.size = 4
    tar.addfile(info, io.BytesIO(b"data"))
assert box.put_archive("/v", archive.getvalue())
bits, stat = box.get_archive("/v/put")
assert stat["name"] == "put" and stat["size"] == 4, stat
with tarfile.open(fileobj=io.BytesIO(b"".join(bits))) as tar:
    assert tar.extractfile("put").read() == b"data"

box.reload()
assert box.status == "running" and box.attrs["HostConfig"]["Memory"] == 64 << 20
assert box.attrs["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
network.reload()
assert [c.name for c in network.containers] == ["python"]
assert box.stats(stream=False)["pids_stats"]["current"] >= 1
assert box.top()["Processes"]
box.pause()
box.reload()
assert box.status == "paused"
box.unpause()
box.rename("python-renamed")
network.disconnect(box)
network.connect(box, aliases=["again"])
committed = box.commit("python", "2", message="by python")
assert client.images.get("python:2").attrs["Comment"] == "by python"
saved = b"".join(committed.save(named=True))
client.images.remove("python:2")
assert client.images.load(saved)[0].tags == ["python:2"]
box.restart(timeout=0)
box.kill()
assert box.wait()["StatusCode"] == 137
assert isinstance(box.diff(), (list, type(None)))
tail = list(client.events(since=0, until=1, decode=True))
assert tail == [] or tail
exported = b"".join(box.export())
assert tarfile.open(fileobj=io.BytesIO(exported)).getmember("bin/busybox")
box.remove(v=True)
volume.remove()
network.remove()
for tag in ("python:1", "python:2"):
    client.images.remove(tag)
assert client.df()["LayersSize"] >= 0
assert client.containers.list(all=True, filters={"label": "job=python"}) == []
for missing in (client.containers.get, client.images.get, client.networks.get, client.volumes.get):
    try:
        missing("nosuch")
        raise AssertionError("no error")
    except docker.errors.NotFound:
        pass
print("done")
