import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { openRegistryClient } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/types.ts";
import { type Digest, digestOf } from "../../src/spec/digest.ts";
import { isKind, messageOf } from "../../src/spec/errors.ts";
import { type Manifest, MediaType } from "../../src/spec/oci.ts";
import { parseReference } from "../../src/spec/reference.ts";
import { random } from "../../src/testing/random.ts";

// A client that pushes, pulls, verifies and deletes images of one repository without end, whatever happens to the registry.
// usage: registry-worker ADDRESS REPOSITORY OTHER SEED [TAG=DIGEST …]   (what it finds there, acknowledged to a worker before it)
// Lines: `acked TAG DIGEST`, `deleting TAG`, `violation …`. The end of its input ends it, once its last push has succeeded.

const [address = "", name = "", other = "", seed = "", ...known] = process.argv.slice(2);
const ATTEMPTS = 500;
const KEPT = 3;
const next = random(Number(seed));
const client = openRegistryClient({
  ...{ mirrors: [], insecure: [], certsDirs: [], userAgent: "test" },
  retry: { attempts: 3, waitMs: 10, stallMs: 5000 },
});
const repository = client.repository(parseReference(`${address}/${name}`), { push: true });
const say = (...words: string[]): void => console.log(words.join(" "));

let ending = false;
createInterface({ input: process.stdin }).once("close", () => {
  ending = true;
});
const acked = new Map(known.map((pair) => pair.split("=") as [string, Digest]));
await main();
process.exit(0);

async function main(): Promise<void> {
  for (let round = 0; !ending; round++) {
    const tag = `s${seed}-${round}`;
    const digest = await push(tag);
    acked.set(tag, digest);
    say("acked", tag, digest);
    const tags = [...acked.keys()];
    await verify(tags[Math.floor(next() * tags.length)] ?? tag);
    while (acked.size > KEPT) await remove([...acked.keys()][0] ?? "");
  }
}

/** Some hundred kilobytes, sometimes the very bytes that other workers push too. */
function layer(): Buffer {
  const shared = next() < 0.4;
  const number = shared ? Math.floor(next() * 6) : next();
  const size = shared ? 150_000 : 1000 + Math.floor(next() * 800_000);
  const block = createHash("sha512").update(String(number)).digest();
  return Buffer.alloc(size, block);
}

async function push(tag: string): Promise<Digest> {
  const layers = Array.from({ length: 1 + Math.floor(next() * 3) }, layer);
  const config = Buffer.from(JSON.stringify({ os: "linux", architecture: "amd64", config: { Labels: { name, tag } } }));
  const of = (bytes: Buffer, mediaType: string) => ({ mediaType, digest: digestOf(bytes), size: bytes.byteLength });
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: of(config, MediaType.config),
    layers: layers.map((bytes) => of(bytes, MediaType.layer)),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  await again(`push of ${tag}`, async () => {
    for (const blob of [...layers, config]) await pushBlob(blob);
    for (const target of [tag, "latest"])
      await repository.putManifest(target, { mediaType: MediaType.manifest, bytes });
  });
  return digestOf(bytes);
}

async function pushBlob(bytes: Buffer): Promise<void> {
  const digest = digestOf(bytes);
  if (await repository.hasBlob(digest)) return;
  if (await repository.mountBlob(digest, other)) return;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.byteLength; at += 65536) yield bytes.subarray(at, at + 65536);
  }
  await repository.uploadBlob(digest, pieces());
}

/** The tag stands for what was acknowledged, and all that the manifest names is there, byte by byte. */
async function verify(tag: string): Promise<void> {
  await again(`pull of ${tag}`, async () => {
    const { digest, bytes } = await repository
      .manifest(tag)
      .catch((error: unknown) => missing(error, `${tag} is lost`));
    if (digest !== acked.get(tag)) say("violation", `${tag} is ${digest}, not ${acked.get(tag)}`);
    const { config, layers } = JSON.parse(bytes.toString()) as Manifest;
    for (const blob of [config, ...layers]) await verifyBlob(repository, blob, tag);
  });
}

async function verifyBlob(
  from: Repository,
  { digest, size }: { digest: Digest; size: number },
  tag: string,
): Promise<void> {
  const hash = createHash("sha256");
  const source = await from
    .blob(digest, { size })
    .catch((error: unknown) => missing(error, `${digest} of ${tag} is lost`));
  for await (const chunk of source) hash.update(chunk);
  const actual = `sha256:${hash.digest("hex")}`;
  if (actual !== digest) say("violation", `${digest} of ${tag} has ${actual}`);
}

function missing(error: unknown, what: string): never {
  if (isKind(error, "not-found")) say("violation", `${what}: ${messageOf(error)}`);
  throw error;
}

async function remove(tag: string): Promise<void> {
  say("deleting", tag);
  const url = `http://${address}/v2/${name}/manifests/${acked.get(tag)}`;
  acked.delete(tag);
  await again(`delete of ${tag}`, async () => {
    const answer = await fetch(url, { method: "DELETE" });
    if (![202, 404].includes(answer.status)) throw new Error(`${answer.status} ${await answer.text()}`);
  });
}

/** Until it succeeds: the registry may be dead at the moment. */
async function again(what: string, work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS) {
        say("violation", `${what} does not succeed: ${messageOf(error)}`);
        process.exit(1);
      }
      await new Promise((done) => setTimeout(done, 20));
    }
  }
}
