import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { S3Options } from "../registry/server/storage/s3-client.ts";

const PROGRAM = join(import.meta.dir, "../../test/clients/s3-server.mjs");

/** An S3 server with one empty bucket. */
export interface S3Server extends AsyncDisposable {
  options: S3Options;
  /** For programs that take them from the environment. */
  env: Record<string, string>;
}

/** Starts one (s3rver of the npm registry), in a process of its own, objects in its memory. */
export async function s3Server(): Promise<S3Server> {
  const child = spawn("node", [PROGRAM, "registry"], { stdio: ["pipe", "pipe", "inherit"] });
  const [port] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };
  return {
    options: { ...credentials, endpoint, region: "us-east-1", bucket: "registry", prefix: "", pathStyle: true },
    env: { AWS_ACCESS_KEY_ID: "S3RVER", AWS_SECRET_ACCESS_KEY: "S3RVER", AWS_ENDPOINT_URL: endpoint },
    async [Symbol.asyncDispose]() {
      const gone = once(child, "exit");
      child.stdin.end();
      await gone;
    },
  };
}
