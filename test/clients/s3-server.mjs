// An S3 server on 127.0.0.1 for tests: `s3-server.mjs BUCKET` prints its port, and ends with its standard input. Protocol and signatures are s3rver's. Its folder of files lists in
// no order and shows half-written objects, which S3 does not: objects are kept in memory here. Conditional writes (If-None-Match: *), which it lacks, are added.
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import S3rver from "@20minutes/s3rver";
import S3Object from "@20minutes/s3rver/lib/models/object.js";
import FilesystemStore from "@20minutes/s3rver/lib/stores/filesystem.js";

const [, , bucket] = process.argv;

class MemoryStore extends FilesystemStore {
  objects = new Map();

  async getBucket(name) {
    return name === bucket ? { name, creationDate: new Date(0) } : null;
  }

  async putBucket() {}

  async getSubresource() {
    return null;
  }

  async listObjects(_bucket, { startAfter = "", prefix = "", maxKeys = 1000 }) {
    const fits = (key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), Buffer.from(startAfter)) > 0;
    const keys = [...this.objects.keys()].filter(fits).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const objects = keys.slice(0, maxKeys).map((key) => this.#object(key));
    // Its token for the next page needs a cipher (DES) that OpenSSL 3 has not; ours asks by start-after.
    return { objects, commonPrefixes: [], isTruncated: false };
  }

  async existsObject(_bucket, key) {
    return this.objects.has(key);
  }

  async getMetadata(_bucket, key) {
    return this.objects.get(key)?.metadata;
  }

  async getObject(_bucket, key, options) {
    return this.objects.has(key) ? this.#object(key, options) : null;
  }

  async putObject({ key, content, metadata }) {
    const bytes = Buffer.isBuffer(content) ? content : await buffer(content);
    const md5 = createHash("md5").update(bytes).digest("hex");
    const own = {
      "content-length": bytes.length,
      "last-modified": new Date().toUTCString(),
      etag: JSON.stringify(md5),
    };
    this.objects.set(key, { bytes, metadata: { ...metadata, ...own } });
    return { size: bytes.length, md5 };
  }

  async deleteObject(_bucket, key) {
    this.objects.delete(key);
  }

  #object(key, options) {
    const { bytes, metadata } = this.objects.get(key);
    const start = options?.start ?? 0;
    const end = Math.min(options?.end ?? Number.POSITIVE_INFINITY, bytes.length - 1);
    const object = new S3Object(bucket, key, Readable.from([bytes.subarray(start, end + 1)]), metadata);
    if (options && (options.start !== undefined || options.end)) object.range = { start, end };
    return object;
  }
}

const server = new S3rver({
  address: "127.0.0.1",
  port: 0,
  silent: true,
  directory: "/nonexistent",
  configureBuckets: [],
});
const store = new MemoryStore("/nonexistent");
server.store = server.context.store = store;
let turn = Promise.resolve();
server.middleware.unshift(async (ctx, next) => {
  if (ctx.method !== "PUT" || ctx.get("if-none-match") !== "*") return next();
  const before = turn;
  let resolve = () => undefined;
  turn = new Promise((done) => (resolve = done));
  await before;
  try {
    const key = decodeURIComponent(ctx.path.split("/").slice(2).join("/"));
    if (!store.objects.has(key)) return await next();
    ctx.status = 412;
    ctx.body = "<Error><Code>PreconditionFailed</Code></Error>";
  } finally {
    resolve();
  }
});
const { port } = await server.run();
console.log(port);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
