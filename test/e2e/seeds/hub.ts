import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { run } from "../../../src/host/spawn.ts";
import { TestDaemon } from "../../../src/testing/daemon.ts";

/** What the tutorials pull. All stand on one Debian, which has bash, apt, python and ping's friends as the images of then had. */
const REPOSITORIES = ["learn/tutorial", "library/ubuntu", "library/centos", "training/sinatra", "library/nginx"];
const TAGS = ["latest", "14.04", "12.04"];
/** Free on the host, where one of the daemons is. */
const PORT = freePort();
/** Where the hub is for daemons that it serves. */
export const REGISTRY = `127.0.0.1:${PORT}`;
const BASE = "debian:bookworm-slim";
const BUILD = join(import.meta.dir, "../../../.build");

/** A hub that can be reached: Debian's registry with the tutorials' images, which daemons take as mirror. */
export interface Hub extends AsyncDisposable {
  /** Serves the images in a network namespace's loopback too; the flags of a daemon there. */
  flags: string[];
  serve(daemon: TestDaemon): Promise<AsyncDisposable>;
}

/** A hub with the images. Berth makes and pushes them once for what they are made from, which takes most of a minute; then they are kept below .build. */
export async function makeHub(): Promise<Hub> {
  const kept = join(BUILD, `hub-${origin()}`);
  if (!existsSync(kept)) await fill(kept);
  const folder = mkdtempSync("/var/tmp/berth-hub.");
  cpSync(kept, join(folder, "registry"), { recursive: true });
  return {
    flags: ["--registry-mirror", `http://${REGISTRY}`],
    serve: (daemon) => serve(daemon, folder),
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function freePort(): number {
  const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  taken.stop();
  return taken.port;
}

/** Names what the images are made from: this file, and the distribution's packages of the time of the set-up. */
function origin(): string {
  const hash = new Bun.CryptoHasher("sha256").update(readFileSync(import.meta.path));
  return hash
    .update(readdirSync(join(BUILD, "minbase")).sort().join("\n"))
    .digest("hex")
    .slice(0, 12);
}

/** The registry's folder is at `kept` when it is whole, and those of another origin are gone. */
async function fill(kept: string): Promise<void> {
  for (const name of readdirSync(BUILD).filter((n) => n.startsWith("hub-")))
    rmSync(join(BUILD, name), { recursive: true });
  const folder = mkdtempSync(join(BUILD, "hub-new."));
  {
    await using daemon = await TestDaemon.start({ isolated: false });
    await daemon.ok("bootstrap", BASE, "--include", "python3-minimal,procps,netcat-openbsd");
    await using _ = await serve(daemon, folder);
    await push(daemon, "busybox:latest", "library/busybox:latest");
    for (const repository of REPOSITORIES) {
      for (const tag of TAGS) await push(daemon, BASE, `${repository}:${tag}`);
    }
    await build(daemon, folder, "training/webapp", WEBAPP, { "app.py": APP });
    await build(daemon, folder, "training/postgres", POSTGRES, {});
  }
  renameSync(join(folder, "registry"), kept);
  rmSync(folder, { recursive: true });
}

const APP = `import os, socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", int(os.environ.get("PORT", 5000))))
server.listen()
while True:
    client, _ = server.accept()
    client.recv(4096)
    client.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 12\\r\\n\\r\\nHello world!")
    client.close()
`;
const WEBAPP = `FROM ${BASE}
RUN ln -s python3 /usr/bin/python
ADD app.py /opt/webapp/
WORKDIR /opt/webapp
EXPOSE 5000
CMD ["python", "app.py"]
`;
const POSTGRES = `FROM ${BASE}
EXPOSE 5432
CMD ["nc", "-lk", "-p", "5432"]
`;

async function push(daemon: TestDaemon, image: string, name: string): Promise<void> {
  await daemon.ok("tag", image, `${REGISTRY}/${name}`);
  await daemon.ok("push", "-q", `${REGISTRY}/${name}`);
}

async function build(
  daemon: TestDaemon,
  folder: string,
  name: string,
  dockerfile: string,
  files: Record<string, string>,
): Promise<void> {
  const context = join(folder, "contexts", name);
  mkdirSync(context, { recursive: true });
  for (const [file, text] of Object.entries({ Dockerfile: dockerfile, ...files }))
    writeFileSync(join(context, file), text);
  await daemon.ok("build", "-q", "-t", name, context);
  await push(daemon, name, `${name}:latest`);
}

/** Debian's registry over the folder, in the daemon's network. */
async function serve(daemon: TestDaemon, folder: string): Promise<AsyncDisposable> {
  const config = join(folder, "registry.yml");
  writeFileSync(
    config,
    `version: 0.1\nstorage: {filesystem: {rootdirectory: ${folder}/registry}}\nhttp: {addr: "${REGISTRY}"}\n`,
  );
  const [file = "", ...args] = daemon.inNet(join(BUILD, "registry/usr/bin/docker-registry"), "serve", config);
  const child = spawn(file, args, { stdio: "ignore" });
  while ((await run(daemon.inNet("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/${PORT}`))).code !== 0) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    await new Promise((done) => setTimeout(done, 20));
  }
  return {
    async [Symbol.asyncDispose]() {
      const gone = once(child, "exit");
      child.kill();
      await gone;
    },
  };
}
