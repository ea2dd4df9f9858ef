import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BerthError } from "../spec/errors.ts";
import { connectError, EngineAnswer, errorFromAnswer, isUnreachable, statusOf } from "./errors.ts";
import { parseHost } from "./host.ts";

describe("answers", () => {
  test.each([
    [304, "not-modified"],
    [400, "invalid-argument"],
    [401, "unauthorized"],
    [403, "forbidden"],
    [404, "not-found"],
    [409, "conflict"],
    [500, "internal"],
    [501, "not-implemented"],
    [502, "internal"],
    [503, "unavailable"],
    [507, "no-space"],
    [599, "internal"],
    [301, "internal"],
  ] as const)("status %p is of kind %p, and is given back", (status, kind) => {
    const error = errorFromAnswer(status, '{"message":"why"}');
    expect(error).toMatchObject({ kind, message: "why" });
    expect(statusOf(error)).toBe(status);
    expect(isUnreachable(error)).toBe(false);
  });

  test.each([
    ['{"message":" spaces around \\n"}', "spaces around"],
    ['{"message":"é"}', "é"],
    ['{"message":5}', "5"],
    ['{"message":null}', "null"],
    ['{"other":"x"}', '{"other":"x"}'],
    ["plain words\n", "plain words"],
    ["<html>bad gateway</html>", "<html>bad gateway</html>"],
    ['{"message":"cut', '{"message":"cut'],
    ["null", "null"],
    ["[]", "[]"],
    ["", "the engine answered with status 500"],
    [" \n", "the engine answered with status 500"],
    ['{"message":""}', "the engine answered with status 500"],
  ])("the body %j reads %j", (body, message) => {
    expect(errorFromAnswer(500, body).message).toBe(message);
  });
});

test("only errors that the engine answered have a status", () => {
  expect(statusOf(new BerthError("not-found", "x"))).toBeUndefined();
  expect(statusOf(new Error("x", { cause: new EngineAnswer(404) }))).toBeUndefined();
  expect(statusOf(undefined)).toBeUndefined();
  expect(statusOf("text")).toBeUndefined();
});

describe("a host that cannot be reached", () => {
  let dir = "";
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "berth-connect-"));
    chmodSync(dir, 0o755);
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  test("a socket that is not there, or where nobody listens, is unavailable, and says how to start", () => {
    const gone = parseHost(`unix://${dir}/none.sock`);
    const stale = parseHost(`unix://${dir}/stale.sock`);
    writeFileSync(join(dir, "stale.sock"), "");
    for (const host of [gone, stale]) {
      const cause = new Error("ECONNREFUSED");
      const error = connectError(host, cause);
      expect(error).toMatchObject({ kind: "unavailable", cause });
      expect(error.message).toBe(
        `cannot connect to the Berth daemon at ${host.text}: is it running? (start it with 'berth daemon')`,
      );
      expect([isUnreachable(error), statusOf(error)]).toEqual([true, undefined]);
    }
  });

  test("a host of the network says what was wrong", () => {
    const error = connectError(parseHost("tcp://127.0.0.1:1"), new Error("connection refused"));
    expect(error.message).toBe(
      "cannot connect to the Berth daemon at tcp://127.0.0.1:1: is it running? (connection refused)",
    );
    expect(isUnreachable(error)).toBe(true);
  });

  test("an engine that answers 503 is there: its error is not taken for an absent one", () => {
    expect(isUnreachable(errorFromAnswer(503, "busy"))).toBe(false);
    expect(isUnreachable(new BerthError("internal", "x"))).toBe(false);
  });
});

test.each([
  ["unix://", { path: "/run/berth/berth.sock" }],
  ["unix:///a b.sock", { path: "/a b.sock" }],
  ["unix://relative.sock", { path: "relative.sock" }],
  ["tcp://h", { host: "h", port: 2375 }],
  ["tcp://h:1/", { host: "h", port: 1 }],
  ["http://h:80", { host: "h", port: 80 }],
  ["tcp://:99", { host: "127.0.0.1", port: 99 }],
  ["h:1", { host: "h", port: 1 }],
  ["[::1]:5", { host: "::1", port: 5 }],
  [" tcp://h ", { host: "h", port: 2375 }],
])("the host %j is reached at %j", (text, options) => {
  const host = parseHost(text);
  const reached = host.kind === "tcp" ? { host: host.hostname, port: host.port } : { path: host.path };
  expect<object>(reached).toEqual(options);
});

test.each(["", "npipe://x", "fd://", "tcp://", "tcp://a/b", "tcp://a:b", "tcp://a:123456", "a b", "tcp://[::1"])(
  "the host %j is refused",
  (text) => {
    expect(() => parseHost(text)).toThrow(`unable to parse docker host \`${text}\``);
  },
);
