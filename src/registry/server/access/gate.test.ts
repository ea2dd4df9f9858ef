import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashBcrypt } from "../../../host/password.ts";
import { pushImage, type RegistryKit, registryKit } from "../../../testing/registry-kit.ts";
import type { AccessConfig } from "./config.ts";
import { openGate } from "./gate.ts";

let folder = "";
let htpasswd = "";
const log: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "berth-gate-"));
  htpasswd = join(folder, "users");
  const users = { alice: "wonderland", bob: "builder", carol: "a:b: c" };
  const lines = await Promise.all(Object.entries(users).map(async ([n, p]) => `${n}:${await hashBcrypt(p, 4)}\n`));
  writeFileSync(htpasswd, lines.join(""));
});
afterAll(() => rmSync(folder, { recursive: true }));

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const ALICE = basic("alice", "wonderland");
const BOB = basic("bob", "builder");

async function kitWith(config: AccessConfig): Promise<RegistryKit> {
  return registryKit({ gate: await openGate(config, { folder, log: (line) => log.push(line) }) });
}

/** `STATUS CODE` of the answer. */
async function outcome(kit: RegistryKit, method: string, path: string, authorization = ""): Promise<string> {
  const answer = await kit.ask(method, path, { headers: authorization ? { Authorization: authorization } : {} });
  const text = await answer.text();
  const code = (text.startsWith('{"errors"') ? JSON.parse(text) : {}).errors?.[0]?.code ?? "";
  return `${answer.status} ${code}`.trim();
}

describe("none", () => {
  test("everything is open", async () => {
    await using kit = await kitWith({});
    expect(await outcome(kit, "GET", "")).toBe("200");
    expect(await outcome(kit, "POST", "a/blobs/uploads/")).toBe("202");
    expect(await outcome(kit, "GET", "_catalog")).toBe("200");
  });
  test("or only to be read", async () => {
    await using kit = await kitWith({ anonymous: ["pull"] });
    expect(await outcome(kit, "GET", "")).toBe("200");
    expect(await outcome(kit, "GET", "a/manifests/1")).toBe("404 MANIFEST_UNKNOWN");
    expect(await outcome(kit, "POST", "a/blobs/uploads/")).toBe("403 DENIED");
    expect(await outcome(kit, "POST", "a/blobs/uploads/", ALICE)).toBe("403 DENIED");
  });
});

describe("basic", () => {
  test("401 with a challenge for all that is not proved, at every endpoint", async () => {
    await using kit = await kitWith({ htpasswd });
    const digest = `sha256:${"0".repeat(64)}`;
    for (const [method, path] of [
      ["GET", ""],
      ["GET", "_catalog"],
      ["GET", "a/tags/list"],
      ["GET", "a/manifests/1"],
      ["HEAD", "a/manifests/1"],
      ["PUT", "a/manifests/1"],
      ["DELETE", "a/manifests/1"],
      ["GET", `a/blobs/${digest}`],
      ["DELETE", `a/blobs/${digest}`],
      ["POST", "a/blobs/uploads/"],
      ["PATCH", "a/blobs/uploads/00000000-0000-0000-0000-000000000000"],
      ["GET", `a/referrers/${digest}`],
    ] as const) {
      const answer = await kit.ask(method, path);
      expect(`${method} ${path} ${answer.status}`).toBe(`${method} ${path} 401`);
      expect(answer.headers.get("www-authenticate")).toBe('Basic realm="registry", charset="UTF-8"');
      expect(answer.headers.get("docker-distribution-api-version")).toBe("registry/2.0");
    }
  });

  test("users may do all; a password may have colons", async () => {
    await using kit = await kitWith({ htpasswd });
    expect(await outcome(kit, "GET", "", ALICE)).toBe("200");
    expect(await outcome(kit, "GET", "", ALICE.replace("Basic", "bAsIc"))).toBe("200");
    expect(await outcome(kit, "GET", "", basic("carol", "a:b: c"))).toBe("200");
    expect(await outcome(kit, "POST", "a/blobs/uploads/", BOB)).toBe("202");
    expect(await outcome(kit, "GET", "", basic("alice", "builder"))).toBe("401 UNAUTHORIZED");
    expect(await outcome(kit, "GET", "", basic("", ""))).toBe("401 UNAUTHORIZED");
  });

  test("only what a rule gives; lists show what one may pull; mounts need both", async () => {
    await using kit = await kitWith({
      htpasswd,
      rules: [
        { user: "alice", repository: "**", actions: ["*"] },
        { user: "bob", repository: "bob/**", actions: ["pull", "push"] },
        { user: "*", repository: "shared/*", actions: ["pull"] },
      ],
    });
    const asAlice = { ...kit, ask: withAuthorization(kit, ALICE) };
    const { config } = await pushImage(asAlice, { repository: "secret/app", tag: "1" }, { layers: ["x"] });
    await pushImage(asAlice, { repository: "shared/app", tag: "1" }, { layers: ["y"] });
    await pushImage(asAlice, { repository: "bob/app", tag: "1" }, { layers: ["z"] });
    const list = async (authorization: string): Promise<string[]> => {
      const answer = await kit.ask("GET", "_catalog", { headers: { Authorization: authorization } });
      return ((await answer.json()) as { repositories: string[] }).repositories;
    };
    expect(await list(ALICE)).toEqual(["bob/app", "secret/app", "shared/app"]);
    expect(await list(BOB)).toEqual(["bob/app", "shared/app"]);
    expect(await outcome(kit, "GET", "secret/app/manifests/1", BOB)).toBe("403 DENIED");
    expect(await outcome(kit, "GET", "shared/app/manifests/1", BOB)).toBe("200");
    expect(await outcome(kit, "DELETE", "bob/app/manifests/1", BOB)).toBe("403 DENIED");
    const mount = (from: string): string => `bob/new/blobs/uploads/?mount=${config}&from=${from}`;
    expect(await outcome(kit, "POST", mount("secret/app"), BOB)).toBe("202");
    expect(await outcome(kit, "POST", mount("secret/app"), ALICE)).toBe("201");
  });

  test("headers that are none, too large, or of another kind", async () => {
    await using kit = await kitWith({ htpasswd });
    const bad = [
      ...["Basic", "Basic ", "Basic !!!", "Basic YWxpY2U=", "Basic YWxpY2U6 d29uZGVybGFuZA==", "Bearer abc"],
      ...["Digest username=alice", "alice:wonderland", `Basic ${"A".repeat(20_000)}`, `${ALICE}, ${BOB}`],
      ...[basic("alice\n", "wonderland"), basic("alice", "wonder\0land"), basic("a".repeat(300), "x")],
      ...[basic("alice", "x".repeat(2000)), `Basic ${Buffer.from([0xff, 0x3a, 0xfe]).toString("base64")}`],
    ];
    for (const authorization of bad) {
      const told = await outcome(kit, "GET", "", authorization);
      expect(`${authorization.slice(0, 40)}: ${told}`).toBe(`${authorization.slice(0, 40)}: 401 UNAUTHORIZED`);
    }
  });

  test("guessing ends with 429, by address", async () => {
    const gate = await openGate({ htpasswd }, { folder, log: () => undefined });
    await using kit = registryKit({ gate });
    const ask = async (peer: string, password: string): Promise<Response> => {
      const request = new Request("http://registry/v2/", { headers: { Authorization: basic("alice", password) } });
      gate.seen(request, peer);
      return kit.registry.answer(request);
    };
    for (let i = 0; i < 10; i++) expect((await ask("192.0.2.1", `guess ${i}`)).status).toBe(401);
    const last = await ask("192.0.2.1", "guess 10");
    expect(last.status).toBe(429);
    expect(last.headers.get("retry-after")).toMatch(/^[1-6]$/);
    expect((await ask("192.0.2.2", "wonderland")).status).toBe(200);
  });

  test("the metrics are for administrators", async () => {
    const rules = [
      { user: "alice", repository: "**", actions: ["admin"] },
      { user: "bob", repository: "**", actions: ["pull", "push", "delete"] },
    ] as const;
    const gate = await openGate({ htpasswd, rules }, { folder, log: () => undefined });
    await using kit = registryKit({ gate, metrics: async () => "up 1\n" });
    const ask = async (authorization: string): Promise<number> => {
      const headers = { Authorization: authorization };
      return (await kit.registry.answer(new Request("http://registry/metrics", { headers }))).status;
    };
    expect([await ask(ALICE), await ask(BOB), await ask(basic("x", "y"))]).toEqual([200, 403, 401]);
  });

  test("nothing secret was said to the log", () => {
    expect(log.join("\n")).not.toMatch(/wonderland|builder|guess/);
  });
});

test("a file of users that is not sound ends the start", async () => {
  const file = join(folder, "bad");
  writeFileSync(file, "alice:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=\n");
  expect(openGate({ htpasswd: file }, { folder, log: () => undefined })).rejects.toThrow(/bad:1: a SHA-1 hash/);
});

function withAuthorization(kit: RegistryKit, authorization: string): RegistryKit["ask"] {
  return (method, path, init = {}) =>
    kit.ask(method, path, { ...init, headers: { ...init.headers, Authorization: authorization } });
}
