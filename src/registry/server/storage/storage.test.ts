import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type S3Server, s3Server } from "../../../testing/s3-server.ts";
import { storageContract } from "../../../testing/storage-contract.ts";
import { openFolderStorage } from "./folder.ts";
import { openS3Storage, type S3StorageOptions, s3Options } from "./s3.ts";

const small = (server: S3Server): S3StorageOptions => ({
  ...server.options,
  prefix: "below/here/",
  ...{ settleMs: 50, partBytes: 1500, bufferBytes: 1_000_000 },
});

storageContract("folder", async () => {
  const root = mkdtempSync(join(tmpdir(), "berth-storage-"));
  const storage = openFolderStorage(root);
  const close = async (): Promise<void> => {
    await storage[Symbol.asyncDispose]();
    rmSync(root, { recursive: true });
  };
  return { storage, close };
});

storageContract("object store", async () => {
  const server = await s3Server();
  const storage = await openS3Storage(small(server));
  const close = async (): Promise<void> => {
    await storage[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  };
  return { storage, close };
});

test("a folder is one registry's at a time", async () => {
  const root = mkdtempSync(join(tmpdir(), "berth-storage-"));
  await using first = openFolderStorage(root);
  expect(first.exclusive).toBe(true);
  expect(() => openFolderStorage(root)).toThrow(`${root} is in use by another registry (stop that one`);
  rmSync(root, { recursive: true });
});

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

test("two machines write one upload: what is sealed is one of the two, told as not its own, and stays", async () => {
  await using server = await s3Server();
  const [a, b] = [await openS3Storage(small(server)), await openS3Storage(small(server))];
  const id = "01234567-89ab-cdef-0123-456789abcdef";
  await a.data.append(id, 0, once("aaaa"));
  await b.data.append(id, 0, once("bbbb"));
  const [byA, byB] = [await a.data.seal(id, 4), await b.data.seal(id, 4)];
  expect(byA.data).toBe(byB.data);
  expect([byA.own, byB.own].sort()).toEqual([false, true]);
  const read = async (): Promise<string> => {
    let text = "";
    for await (const chunk of a.data.read(byA.data, { start: 0, end: 4 })) text += Buffer.from(chunk).toString();
    return text;
  };
  const before = await read();
  for (let i = 0; i < 8; i++) await b.data.append(id, 0, once("zzzz"));
  expect(await read()).toBe(before);
});

test("a store that is not there, and keys that are wrong, are one line without a secret", async () => {
  await using server = await s3Server();
  const wrong = { ...small(server), secretAccessKey: "not-the-secret" };
  const refused = await openS3Storage(wrong).then(
    () => "",
    (error: Error) => error.message,
  );
  expect(refused).toMatch(/^bucket registry at 127\.0\.0\.1:\d+: SignatureDoesNotMatch$/);
  const noBucket = await openS3Storage({ ...small(server), bucket: "none" }).then(
    () => "",
    (error: Error) => error.message,
  );
  expect(noBucket).toContain("bucket none at");
});

test("settings come from the file, credentials from the environment", () => {
  const env = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "eu-1" };
  expect(s3Options({ bucket: "b", prefix: "/p/" }, env)).toMatchObject({
    ...{ bucket: "b", prefix: "p/", region: "eu-1", pathStyle: false, settleMs: 30_000 },
  });
  expect(s3Options({ bucket: "b" }, { ...env, AWS_ENDPOINT_URL: "http://store:9000" })).toMatchObject({
    ...{ endpoint: "http://store:9000", pathStyle: true },
  });
  expect(() => s3Options({ bucket: "b" }, {})).toThrow("no credentials for the object store (set AWS_ACCESS_KEY_ID");
  expect(() => s3Options({}, env)).toThrow("s3.bucket is missing");
  expect(() => s3Options({ bucket: "b", secretAccessKey: "x" }, env)).toThrow('unknown key "s3.secretAccessKey"');
});
