import { randomUUID } from "node:crypto";
import { BerthError, messageOf } from "../../../spec/errors.ts";
import type { Storage } from "../types.ts";
import { S3Client, type S3Options } from "./s3-client.ts";
import { S3Data } from "./s3-data.ts";
import { S3Metadata } from "./s3-metadata.ts";

/** An object store as a registry uses it. Times in milliseconds, sizes in bytes. */
export interface S3StorageOptions extends S3Options {
  /** See `Storage.settleMs`. */
  settleMs: number;
  /** The largest object of an upload. */
  partBytes: number;
  /** What all uploads together hold in memory, about. */
  bufferBytes: number;
}

const DEFAULTS = { settleMs: 30_000, partBytes: 8 * 1024 * 1024, bufferBytes: 40 * 1024 * 1024 };
const KNOWN = ["bucket", "endpoint", "region", "prefix", "pathStyle", "settleMs", "partBytes"];

/**
 * A registry's storage in a bucket that any number of registries share. Throws where the bucket cannot be used. Whether the store has conditional writes is tried once;
 * without them immutable tags are safe within one registry only.
 */
export async function openS3Storage(options: S3StorageOptions): Promise<Storage> {
  const client = new S3Client(options);
  const atomicCreate = await hasConditionalWrites(client);
  return {
    metadata: new S3Metadata(client, atomicCreate),
    data: new S3Data(client, options),
    exclusive: false,
    atomicCreate,
    settleMs: options.settleMs,
    name: client.name,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** From the configuration's `s3` and from the environment as Amazon's programs have it: credentials come from there alone, so that no file of ours holds them. */
export function s3Options(settings: Record<string, unknown>, env: NodeJS.ProcessEnv = process.env): S3StorageOptions {
  const unknown = Object.keys(settings).find((key) => !KNOWN.includes(key));
  if (unknown !== undefined) throw invalid(`unknown key "s3.${unknown}"`, `known are ${KNOWN.join(", ")}`);
  const text = (key: string): string => (typeof settings[key] === "string" ? settings[key] : "");
  const number = (key: "settleMs" | "partBytes"): number => {
    const value = settings[key] ?? DEFAULTS[key];
    if (typeof value !== "number" || !(value >= 0)) throw invalid(`s3.${key} is no number`);
    return value;
  };
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: token } = env;
  if (!accessKeyId || !secretAccessKey) {
    throw invalid("no credentials for the object store", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  if (text("bucket") === "") throw invalid("s3.bucket is missing");
  const endpoint = text("endpoint") || env["AWS_ENDPOINT_URL_S3"] || env["AWS_ENDPOINT_URL"];
  const prefix = text("prefix").replace(/^\/+|\/+$/g, "");
  return {
    ...(endpoint ? { endpoint } : {}),
    region: text("region") || env["AWS_REGION"] || env["AWS_DEFAULT_REGION"] || "us-east-1",
    bucket: text("bucket"),
    prefix: prefix === "" ? "" : `${prefix}/`,
    accessKeyId,
    secretAccessKey,
    ...(token ? { sessionToken: token } : {}),
    // Stores of one's own have no names for each bucket, mostly.
    pathStyle: typeof settings["pathStyle"] === "boolean" ? settings["pathStyle"] : endpoint !== undefined,
    settleMs: number("settleMs"),
    partBytes: Math.max(number("partBytes"), 1024),
    bufferBytes: DEFAULTS.bufferBytes,
  };
}

async function hasConditionalWrites(client: S3Client): Promise<boolean> {
  const key = `probe/${randomUUID()}`;
  try {
    return (await client.putNew(key, Buffer.from("1"))) && !(await client.putNew(key, Buffer.from("2")));
  } catch (error) {
    if (!messageOf(error).includes("NotImplemented")) throw error;
    return false;
  } finally {
    await client.remove(key);
  }
}

function invalid(why: string, hint?: string): BerthError {
  return new BerthError("invalid-argument", `registry: ${why}`, hint ? { hint } : {});
}
