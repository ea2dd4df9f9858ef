import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { TestDaemon } from "../../src/testing/daemon.ts";

// What Docker 28.5 answers to wrong bodies of `POST /containers/create`, word for word, and to the start of what it lets through.
setDefaultTimeout(300_000);

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

interface Answer {
  status: number;
  value: { message?: string; Id?: string; Warnings?: string[] };
}

function ask(method: string, path: string, body = "", type?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      "Content-Length": Buffer.byteLength(body),
      ...(type === undefined ? {} : { "Content-Type": type }),
    };
    const asked = request({ socketPath: daemon.socket, method, path, headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      resolve({ status: response.statusCode ?? 0, value: text ? (JSON.parse(text) as Answer["value"]) : {} });
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

function golden<T>(name: string): T[] {
  return JSON.parse(readFileSync(join(import.meta.dir, "golden", `${name}.json`), "utf8")) as T[];
}

interface Words {
  body: object;
  create?: number;
  start?: number;
  words?: string;
  warnings?: string[];
}

/** Docker answers some of its client's mistakes with 500. Here that says that the engine is at fault, so they are 400. */
const statusOf = (dockers: number): number => (dockers === 500 ? 400 : dockers);

test.each(golden<Words>("create-words").map((row): [string, Words] => [JSON.stringify(row.body).slice(0, 150), row]))(
  "%s",
  async (_, row) => {
    const body = JSON.stringify({ Image: "busybox", Cmd: ["true"], ...row.body });
    const made = await ask("POST", "/containers/create", body, "application/json");
    if (row.create !== undefined) {
      const words = made.value.message?.replace(/[0-9a-f]{64}/, "ID").trim();
      expect([made.status, words]).toEqual([statusOf(row.create), row.words]);
      return;
    }
    try {
      expect(made).toMatchObject({ status: 201, value: { Warnings: row.warnings ?? [] } });
      const { status, value } = await ask("POST", `/containers/${made.value.Id}/start`);
      expect([status, value.message]).toEqual([statusOf(row.start ?? 204), row.words]);
    } finally {
      await ask("DELETE", `/containers/${made.value.Id}?force=1&v=1`);
    }
  },
);

interface Body {
  body: string;
  type?: string;
  status: number;
  words?: string;
}

test.each(golden<Body>("create-bodies").map((row): [string, Body] => [`${row.type ?? ""} ${row.body}`, row]))(
  "body %s",
  async (_, row) => {
    const { status, value } = await ask("POST", "/containers/create", row.body, row.type ?? "application/json");
    expect([status, value.message]).toEqual([row.status, row.words]);
    if (value.Id) await ask("DELETE", `/containers/${value.Id}`);
  },
);

test("a name of 10 MiB is too long, not too much", async () => {
  const body = JSON.stringify({ Image: "a".repeat(10 * 2 ** 20) });
  expect(await ask("POST", "/containers/create", body, "application/json")).toEqual({
    status: 400,
    value: { message: "repository name must not be more than 255 characters" },
  });
});
