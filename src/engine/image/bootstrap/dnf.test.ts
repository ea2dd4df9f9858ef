import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drain, EngineHarness, never } from "../../../testing/engine-harness.ts";
import { mirrorServer } from "../../../testing/mirror-server.ts";
import { PgpKey } from "../../../testing/pgp-key.ts";
import { buildRpms, rpmRepo } from "../../../testing/rpm-repo.ts";

// Real packages and indexes of our own making, signed by keys of our own: the distributions' mirrors are not in reach of the tests.

let h: EngineHarness;
let key: PgpKey;
let built = "";
let folder = "";
let mirror = "";

beforeAll(async () => {
  h = await EngineHarness.open({ busybox: false });
  key = await PgpKey.make("Mirror <mirror@example.org>");
  built = await buildRpms();
  folder = mkdtempSync("/var/tmp/berth-dnf.");
  mirror = join(folder, "good");
  for (const place of [
    "releases/43/Everything/x86_64/os",
    "updates/43/Everything/x86_64",
    "9/BaseOS/x86_64/os",
    "9/AppStream/x86_64/os",
  ])
    await rpmRepo(join(mirror, place), { built, key });
}, 300_000);
afterAll(async () => {
  await h[Symbol.asyncDispose]();
  await key[Symbol.asyncDispose]();
  for (const dir of [folder, built]) rmSync(dir, { recursive: true });
}, 300_000);
afterEach(() => {
  expect(readdirSync(`${h.root}/data/tmp`).filter((name) => name.startsWith("bootstrap"))).toEqual([]);
});

const keysOf = (...keys: PgpKey[]) =>
  keys.map((k) => ({ name: "key.asc", data: Buffer.from(k.publicKey).toString("base64") }));
const bootstrap = async (name: string, from: string, keys = [key]): Promise<string[]> =>
  (
    await drain(h.backend.image.bootstrap(name, { include: [], signal: never(), keys: keysOf(...keys), mirror: from }))
  ).map((m) => String(m["stream"]));

/** A copy of the good mirror that may be spoilt; gone with the test's folder. */
function copyOf(name: string): string {
  const to = join(folder, name);
  cpSync(mirror, to, { recursive: true });
  return to;
}

test("fedora by HTTP, rockylinux from a folder: the images run, scripts had devices, dnf's traces are gone", async () => {
  await using server = mirrorServer(mirror);
  expect((await bootstrap("fedora:43", server.url)).at(-1)).toContain("Successfully tagged fedora:43");
  expect((await bootstrap("rockylinux:9", mirror)).at(-1)).toContain("Successfully tagged rockylinux:9");
  for (const [image, release] of [
    ["fedora:43", "fedora-release-container"],
    ["rockylinux:9", "rocky-release"],
  ] as const) {
    const script = `cat /usr/share/${release}/name /made-by-a-script && [ ! -e /var/cache/dnf ] && [ ! -e /var/lib/dnf ]`;
    const { Id: id } = await h.backend.container.create(undefined, { Image: image, Cmd: ["sh", "-c", script] }, {});
    await h.backend.container.start(id, {});
    expect(await h.wait(id)).toBe(0);
    expect(await h.logs(id)).toBe(`${release}\n`);
    await h.backend.container.remove(id, { force: true, volumes: true, link: false });
  }
}, 300_000);

test("another key, a package without a signature, a changed package and a changed index are refused; nothing is left", async () => {
  const before = (await h.backend.image.list({ all: true, filters: {} })).length;
  await using other = await PgpKey.make("Other <other@example.org>");
  await expect(bootstrap("fedora:43", mirror, [other])).rejects.toThrow(/bootstrap: dnf: /);
  const unsigned = join(folder, "unsigned");
  for (const place of ["releases/43/Everything/x86_64/os", "updates/43/Everything/x86_64"])
    await rpmRepo(join(unsigned, place), { built, key, unsigned: ["bash"] });
  await expect(bootstrap("fedora:43", unsigned)).rejects.toThrow(/GPG check FAILED/);
  const changed = copyOf("changed");
  for (const place of ["releases/43/Everything/x86_64/os", "updates/43/Everything/x86_64"]) {
    const path = join(changed, place, "bash-1-1.noarch.rpm");
    const bytes = readFileSync(path);
    bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  }
  await expect(bootstrap("fedora:43", changed)).rejects.toThrow(/bootstrap: dnf: /);
  const index = copyOf("index");
  for (const place of ["9/BaseOS/x86_64/os", "9/AppStream/x86_64/os"])
    appendFileSync(join(index, place, "repodata/repomd.xml"), "<!-- more -->\n");
  await expect(bootstrap("rockylinux:9", index)).rejects.toThrow(/bootstrap: dnf: /);
  expect((await h.backend.image.list({ all: true, filters: {} })).length).toBe(before);
}, 300_000);

test("what cannot be is refused before anything is fetched", async () => {
  await expect(bootstrap("fedora:rawhide", mirror)).rejects.toThrow('"rawhide" is no version of fedora');
  await expect(bootstrap("almalinux:9", mirror, [])).rejects.toThrow(
    /no keys to verify almalinux: no .*RPM-GPG-KEY-\* is there \(name the distribution's public key with --key\)/,
  );
  await expect(bootstrap("fedora:44", mirror)).rejects.toThrow(/bootstrap: dnf: /);
}, 300_000);
