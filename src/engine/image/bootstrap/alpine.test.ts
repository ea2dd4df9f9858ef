import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ApkKey, type ApkSource, apkRepo, buildApk, indexOf } from "../../../testing/apk-repo.ts";
import { drain, EngineHarness, never } from "../../../testing/engine-harness.ts";
import { type MirrorServer, mirrorServer } from "../../../testing/mirror-server.ts";

// A mirror of our own in apk's real formats, signed by a key of our own.

/** A small alpine: the names, dependencies and scripts of the distribution's base, around this host's busybox; and some of what a larger repository has. */
const PACKAGES: { main: ApkSource[]; community: ApkSource[] } = JSON.parse(
  readFileSync(join(import.meta.dir, "testdata/alpine.json"), "utf8"),
);

let h: EngineHarness;
let key: ApkKey;
let folder = "";
let server: MirrorServer;
beforeAll(async () => {
  h = await EngineHarness.open({ busybox: false });
  key = await ApkKey.make("joe@example.org-12345678.rsa.pub");
  folder = mkdtempSync("/var/tmp/berth-alpine.");
  await apkRepo(folder, { part: "v3.20/main", key, packages: PACKAGES.main });
  await apkRepo(folder, { part: "v3.20/community", key, packages: PACKAGES.community });
  server = mirrorServer(folder);
}, 300_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await h[Symbol.asyncDispose]();
  key[Symbol.dispose]();
  rmSync(folder, { recursive: true });
}, 300_000);
afterEach(() => {
  server.intercept = () => undefined;
  server.asked.length = 0;
  expect(readdirSync(`${h.root}/data/tmp`).filter((name) => name.startsWith("bootstrap"))).toEqual([]);
}, 300_000);

const keyFile = (k: ApkKey, name = k.name) => ({ name, data: Buffer.from(k.publicKey).toString("base64") });
const bootstrap = async (
  options: {
    include?: string[];
    keys?: { name: string; data: string }[];
    mirror?: string;
    signal?: AbortSignal;
    name?: string;
  } = {},
): Promise<string> => {
  const { name = "alpine:3.20", ...rest } = options;
  const given = { include: [], keys: [keyFile(key)], mirror: server.url, signal: never(), ...rest };
  return (await drain(h.backend.image.bootstrap(name, given))).map((m) => String(m["stream"])).join("");
};
const output = async (image: string, script: string): Promise<string> => {
  const { Id: id } = await h.backend.container.create(undefined, { Image: image, Cmd: ["sh", "-c", script] }, {});
  await h.backend.container.start(id, {});
  await h.wait(id);
  const text = (await h.logs(id)).trimEnd();
  await h.backend.container.remove(id, { force: true, volumes: true, link: false });
  return text;
};
const none = async (): Promise<void> => expect(await h.backend.image.list({ all: true, filters: {} })).toEqual([]);
const index = () => join(folder, "v3.20/main/x86_64/APKINDEX.tar.gz");

test("an index that is not signed, changed, or signed by others is refused; nothing is left", async () => {
  const good = readFileSync(index());
  const answer = (bytes: Buffer): void => {
    server.intercept = (path) => (path.endsWith("main/x86_64/APKINDEX.tar.gz") ? new Response(bytes) : undefined);
  };
  const bare = await indexOf(["C:Q1x=\nP:a\nV:1\nS:1"], "x");
  answer(bare);
  await expect(bootstrap()).rejects.toThrow("the index is not signed");
  const changed = Buffer.from(good);
  changed[good.length - 300] = (changed[good.length - 300] ?? 0) ^ 1;
  answer(changed);
  await expect(bootstrap()).rejects.toThrow('the signature by "joe@example.org-12345678.rsa.pub" is not good');
  answer(Buffer.concat([good, bare]));
  await expect(bootstrap()).rejects.toThrow("is not good");
  using other = await ApkKey.make("eve@example.org-666.rsa.pub");
  answer(await other.sign(bare));
  await expect(bootstrap()).rejects.toThrow("is not good");
  await expect(bootstrap({ keys: [] })).rejects.toThrow(
    /it is signed by "eve@example.org-666.rsa.pub", which is not trusted here \(name the mirror's key with --key/,
  );
  answer(good.subarray(0, good.length - 20));
  await expect(bootstrap()).rejects.toThrow(/APKINDEX.tar.gz: .*not good/);
  answer(Buffer.from("<html>no mirror here</html>"));
  await expect(bootstrap()).rejects.toThrow("not compressed with gzip");
  await none();
}, 300_000);

test("a package that is not the one that the index means is refused, whichever part of it differs", async () => {
  const path = join(folder, "v3.20/main/x86_64/alpine-keys-2.4-r1.apk");
  const good = readFileSync(path);
  const serve = (bytes: Buffer | undefined): void => {
    server.intercept = (p) =>
      p.endsWith("/alpine-keys-2.4-r1.apk") ? new Response(bytes ?? "", { status: bytes ? 200 : 404 }) : undefined;
  };
  const flip = (at: number): Buffer => {
    const bytes = Buffer.from(good);
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    return bytes;
  };
  serve(flip(good.length - 30));
  await expect(bootstrap()).rejects.toThrow(/alpine-keys-2.4-r1.apk: .*its files are not what its control data says/);
  const other = await buildApk({ name: "alpine-keys", version: "2.4-r1", files: { "usr/share/evil": "x" } }, key);
  serve(other.file.subarray(0, good.length));
  await expect(bootstrap()).rejects.toThrow(/alpine-keys-2.4-r1.apk: /);
  serve(Buffer.concat([good, Buffer.alloc(10)]));
  await expect(bootstrap()).rejects.toThrow(`it has more than ${good.length} bytes`);
  serve(good.subarray(0, good.length - 1));
  await expect(bootstrap()).rejects.toThrow("its files are not what");
  serve(undefined);
  await expect(bootstrap()).rejects.toThrow("the mirror's index names it, and it is not there");
  await none();
}, 300_000);

test("what is not there, or does not fit together, is named with who needs it", async () => {
  await expect(bootstrap({ include: ["nosuch"] })).rejects.toThrow("no package for nosuch, which the image needs");
  await expect(bootstrap({ include: ["orphan"] })).rejects.toThrow(
    "no package for so:libnosuch.so.9, which orphan needs",
  );
  await expect(bootstrap({ include: ["uclibc-utils"] })).rejects.toThrow(
    "musl-utils cannot be together with uclibc-utils",
  );
  await expect(bootstrap({ include: ["broken"] })).rejects.toThrow("broken-1-r0.post-install failed: no luck");
  await expect(bootstrap({ name: "alpine:3.19" })).rejects.toThrow(/has no v3.19\/main for x86_64/);
  await expect(bootstrap({ name: "alpine:jessie" })).rejects.toThrow('"jessie" is no branch of alpine');
  await expect(bootstrap({ mirror: "http://127.0.0.1:1" })).rejects.toThrow(/127\.0\.0\.1:1\/v3.20\/main.*--mirror/);
  await none();
}, 300_000);

test("the base runs: its links, scripts, triggers, owners and apk's own database are there", async () => {
  const said = await bootstrap();
  expect(said).toContain("v3.20.3-1-g0123abc, 13 packages");
  expect(server.asked.filter((path) => path.includes("community"))).toEqual([]);
  const image = await h.backend.image.inspect("alpine:3.20");
  expect(image.Config?.Cmd).toEqual(["/bin/sh"]);
  expect(
    await output("alpine:3.20", "cat /etc/alpine-release /etc/made-by-script; ls -l /bin/ls | grep -o '/bin/busybox$'"),
  ).toBe("3.20.3\nalpine-baselayout-3.6.5-r0.post-install 3.6.5-r0\n/bin/busybox");
  expect(
    await output(
      "alpine:3.20",
      "cat /var/log/triggers; stat -c '%a %u:%g' /tmp /root /etc/shadow; head -1 /etc/shadow",
    ),
  ).toBe(
    "trigger /bin\ntrigger /sbin\ntrigger /usr/bin\ntrigger /usr/sbin\n1777 0:0\n700 0:0\n640 0:42\nroot:*::0:::::",
  );
  const apk = await output(
    "alpine:3.20",
    "cd /etc/apk; cat arch world repositories; ls keys; cat /lib/apk/db/triggers; tar tf /lib/apk/db/scripts.tar",
  );
  expect(apk).toStartWith(
    `x86_64\nalpine-baselayout\nalpine-keys\nalpine-release\napk-tools\nbusybox\nlibc-utils\n${server.url}/v3.20/main\n${server.url}/v3.20/community\n${key.name}\nQ1`,
  );
  expect(apk).toMatch(
    /Q1\S+ \/bin \/usr\/bin \/sbin \/usr\/sbin \/lib\/modules\/\*\nbusybox-1.36.1-r29.Q1\S+.post-install\n/,
  );
  const installed = await output("alpine:3.20", "cat /lib/apk/db/installed");
  expect(installed.match(/^P:.*/gm)?.map((line) => line.slice(2))).toEqual([
    ...[
      "alpine-baselayout-data",
      "musl",
      "busybox",
      "busybox-binsh",
      "alpine-baselayout",
      "alpine-keys",
      "apk-tools",
      "musl-utils",
    ],
    ...["libc-utils", "alpine-release", "ssl_client"],
  ]);
  expect(installed).toContain("F:etc\nR:group\nZ:Q1");
  expect(installed).toContain("R:shadow\na:0:42:640\nZ:Q1");
  expect(installed).toContain("F:tmp\nM:0:0:1777\n");
  const sha1 = createHash("sha1").update("libc").digest("base64");
  expect(installed).toContain(`F:lib\nR:libc.musl-x86_64.so.1\nZ:Q1${sha1}\n`);
  expect(installed).toContain("R:sh\na:0:0:777\nZ:Q1");
  // What came by itself is there, the older of two versions is not, and devices are the container's own.
  expect(
    await output("alpine:3.20", "ls /usr/bin/ssl_client /lib; rmdir /dev/shm; ls -A /dev | grep -c zero"),
  ).toContain("/usr/bin/ssl_client\n\n/lib:\napk\nlibc.musl-x86_64.so.1\n");
}, 300_000);

test("further packages come from community too, with their scripts; the same packages give the same bytes", async () => {
  await bootstrap({ name: "alpine:3.20", include: ["hello"], keys: [keyFile(key, "other-name.pub")] });
  expect(
    await output("alpine:3.20", "hello; cat /etc/apk/world | tr '\\n' ' '; cat /lib/apk/db/installed | grep -c '^P:'"),
  ).toBe(
    "hello from 2.12-r1\nfull null random urandom zero alpine-baselayout alpine-keys alpine-release apk-tools busybox hello libc-utils 13",
  );
  const first = await h.backend.image.inspect("alpine:3.20");
  await bootstrap({
    name: "again:1",
    include: ["hello"],
    keys: [keyFile(key, "other-name.pub")],
    ...{ from: "alpine:3.20" },
  });
  expect((await h.backend.image.inspect("again:1")).RootFS).toEqual(first.RootFS ?? { Type: "" });
}, 300_000);

test("from a folder, and by https with a certificate that nobody knows", async () => {
  await bootstrap({ mirror: folder });
  expect(await output("alpine:3.20", "cat /etc/apk/repositories")).toBe(
    `${folder}/v3.20/main\n${folder}/v3.20/community`,
  );
  const tls = await selfSigned(folder);
  await using https = mirrorServer(folder, tls);
  await expect(bootstrap({ mirror: https.url })).rejects.toThrow(
    /https:\/\/127\.0\.0\.1:\d+\/v3.20\/main.*(self.signed|certificate)/i,
  );
}, 300_000);

test("a transfer that is cut is tried again; a redirect is followed, to a file it is not", async () => {
  let cuts = 0;
  await using target = mirrorServer(folder);
  server.intercept = (path) => {
    if (path.includes("/musl-1.2.5") && cuts++ === 0) return new Response("", { status: 503 });
    return new Response("", { status: 302, headers: { location: `${target.url}${path}` } });
  };
  expect(await bootstrap()).toContain("HTTP status 503; trying again");
  server.intercept = () => new Response("", { status: 302, headers: { location: "file:///etc/passwd" } });
  await expect(bootstrap()).rejects.toThrow("it leads to file:///etc/passwd");
}, 300_000);

test("cancelled in the middle of a script, the script is killed too", async () => {
  const stop = new AbortController();
  const options = {
    include: ["stuck"],
    keys: [keyFile(key)],
    mirror: folder,
    signal: stop.signal,
    from: "alpine:3.20",
  };
  const reading = (async () => {
    for await (const { stream } of h.backend.image.bootstrap("cut:1", options))
      if (stream === "waiting\n") stop.abort();
  })();
  await expect(reading).rejects.toThrow("the bootstrap was cancelled");
  const running = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && environOf(pid).includes(h.root));
  expect(running).toEqual([]);
}, 300_000);

function environOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1") + readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return ""; // It ended meanwhile.
  }
}

async function selfSigned(dir: string): Promise<{ key: string; cert: string }> {
  const { runOk } = await import("../../../host/spawn.ts");
  const [keyPath, certPath] = [join(dir, "tls.key"), join(dir, "tls.crt")];
  await runOk([
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-subj",
    "/CN=127.0.0.1",
    "-keyout",
    keyPath,
    "-out",
    certPath,
  ]);
  return { key: readFileSync(keyPath, "utf8"), cert: readFileSync(certPath, "utf8") };
}
