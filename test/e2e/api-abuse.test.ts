import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { TestDaemon } from "../../src/testing/daemon.ts";

// What a client may do wrong, by mistake or on purpose: it gets an answer, others go on, the daemon stays and does not grow.
setDefaultTimeout(300_000);

const MIB = 1024 * 1024;
let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

interface Answer {
  status: number;
  text: string;
}

async function call(method: string, path: string, body?: string | Buffer, type = "application/json"): Promise<Answer> {
  const headers = body === undefined || type === "" ? {} : { "Content-Type": type };
  const init = { method, unix: daemon.socket, headers, ...(body === undefined ? {} : { body }) };
  const answer = await fetch(`http://d${path}`, init);
  return { status: answer.status, text: await answer.text() };
}

const create = (body: unknown, name = "") => call("POST", `/containers/create${name}`, JSON.stringify(body));

/** Sends bytes as they are and collects what comes back until the other side closes, or `done` says enough. */
function raw(bytes: string | Uint8Array, done: (text: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(daemon.socket);
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (done(text)) socket.destroy();
    });
    socket.on("error", () => undefined); // A connection that is cut is what some tests are about; `close` follows.
    socket.on("close", () => resolve(text));
    socket.write(bytes);
  });
}

async function isWell(): Promise<void> {
  expect(await call("GET", "/_ping")).toEqual({ status: 200, text: "OK" });
  expect(daemon.log).not.toContain("internal error");
}

function rssOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
}

describe("bodies", () => {
  const nested = (depth: number): string =>
    `${'{"Image":"busybox","HostConfig":{"Mounts":'}${"[".repeat(depth)}${"]".repeat(depth)}}}`;

  test.each([
    ["no JSON", "{", 400],
    ["two documents", "{}{}", 400],
    ["a list", "[]", 400],
    ["a number", "7", 400],
    ["nothing but spaces", "   ", 400],
    ["null", "null", 400],
    ["bytes that are no text", "\u0000\u0001", 400],
    ["deep nesting", nested(50_000), 400],
    ["a huge list", JSON.stringify({ Image: "busybox", Env: Array.from({ length: 200_000 }, () => 1) }), 400],
    ["a type that is wrong", JSON.stringify({ Image: 7 }), 400],
    [
      "a type that is wrong, deep",
      JSON.stringify({ Image: "busybox", HostConfig: { PortBindings: { "80/tcp": {} } } }),
      400,
    ],
    ["a number beyond 64 bits", JSON.stringify({ Image: "busybox", HostConfig: { Memory: 1e30 } }), 400],
    ["a fraction", JSON.stringify({ Image: "busybox", HostConfig: { Memory: 1.5 } }), 400],
    ["__proto__", '{"__proto__":{"Image":"busybox"},"constructor":{"prototype":{}}}', 400],
  ])("%s", async (_, body, status) => {
    const answer = await call("POST", "/containers/create", body);
    expect(answer.status).toBe(status);
    expect(Object.keys(JSON.parse(answer.text) as object)).toEqual(["message"]);
    await isWell();
  });

  test("unknown members are no error, however deep, and without effect", async () => {
    const deep = await call(
      "POST",
      "/volumes/create",
      `{"Name":"deep","X":${"[".repeat(50_000)}${"]".repeat(50_000)}}`,
    );
    expect([201, 400]).toContain(deep.status);
    await daemon.berth("volume", "rm", "-f", "deep");
    const made = await create({ Image: "busybox", Flavour: "odd", HostConfig: { Odd: { deep: [1, { x: null }] } } });
    expect(made.status).toBe(201);
    const { Id } = JSON.parse(made.text) as { Id: string };
    expect((await call("GET", `/containers/${Id}/json`)).text).not.toContain("odd");
    await daemon.ok("rm", Id);
  });

  test.each(["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])(
    "content type %j is refused",
    async (type) => {
      const answer = await call("POST", "/containers/create", Buffer.from(JSON.stringify({ Image: "busybox" })), type);
      expect(answer.status).toBe(400);
      expect(answer.text).toContain("Content-Type header");
    },
  );

  test("newlines, quotes and other odd characters in values come back as they were", async () => {
    const odd = "a\nb\t\"c\" 'd' \\ \u2028 \u{1f980} $(x) `y`";
    const made = await create({
      Image: "busybox",
      Env: [`ODD=${odd}`],
      Labels: { [odd]: odd },
      Cmd: ["sh", "-c", 'echo "$ODD"'],
    });
    const { Id } = JSON.parse(made.text) as { Id: string };
    const shown = JSON.parse((await call("GET", `/containers/${Id}/json`)).text) as {
      Config: { Env: string[]; Labels: Record<string, string> };
    };
    expect(shown.Config.Env).toContain(`ODD=${odd}`);
    expect(shown.Config.Labels[odd]).toBe(odd);
    expect((await daemon.docker("start", "-a", Id)).stdout).toBe(`${odd}\n`);
    await daemon.ok("rm", Id);
  });

  test("a NUL in what the kernel would cut off there is refused", async () => {
    for (const body of [{ Env: ["A=b\0c"] }, { Cmd: ["a\0b"] }, { WorkingDir: "/a\0b" }]) {
      expect((await create({ Image: "busybox", ...body })).status).toBe(400);
    }
  });

  test("100 MB are refused without being kept", async () => {
    const before = rssOf(daemon.pid);
    const chunk = Buffer.alloc(MIB, "x");
    const outcome = await new Promise<number | string>((resolve) => {
      const upload = request({
        socketPath: daemon.socket,
        path: "/containers/create",
        method: "POST",
        headers: { "Content-Type": "application/json", "Content-Length": 100 * MIB },
      });
      upload.on("response", (answer) => resolve(answer.statusCode ?? 0));
      upload.on("error", (error) => resolve(String((error as NodeJS.ErrnoException).code)));
      let sent = 0;
      const pump = (): void => {
        while (sent++ < 100) if (!upload.write(chunk)) return void upload.once("drain", pump);
        upload.end();
      };
      upload.write('{"Image":"');
      pump();
    });
    expect([400, 413, "EPIPE", "ECONNRESET"]).toContain(outcome);
    expect(rssOf(daemon.pid) - before).toBeLessThan(80 * MIB);
    await isWell();
  });
});

describe("connections", () => {
  test("requests that never end hold nobody up", async () => {
    const slow: Socket[] = [];
    for (let i = 0; i < 300; i++) {
      const socket = connect(daemon.socket);
      socket.on("error", () => undefined); // Closed below.
      socket.write(
        i % 2
          ? "GET /_ping HTTP/1.1\r\nHost: d\r\nX-Slow: "
          : "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
      );
      slow.push(socket);
    }
    await isWell();
    expect(await daemon.ok("run", "--rm", "busybox", "echo", "goes on")).toBe("goes on");
    for (const socket of slow) socket.destroy();
    await isWell();
  });

  test.each([
    ["garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS or worse\r\n\r\n"],
    ["a wrong version", "GET /_ping HTTP/9.9\r\nHost: d\r\n\r\n"],
    ["a bad length", "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: -5\r\n\r\n"],
    [
      "two lengths",
      "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    ],
    [
      "length and chunks",
      "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    [
      "a bad chunk",
      "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nxx\r\n",
    ],
    ["endless headers", `GET /_ping HTTP/1.1\r\nHost: d\r\n${"X-A: b\r\n".repeat(20_000)}\r\n`],
    ["a huge path", `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: d\r\n\r\n`],
    ["pipelined garbage", `GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n\0\0\0 garbage\r\n\r\n`],
  ])("%s is answered or cut, never with a 500", async (_, bytes) => {
    const text = await Promise.race([
      raw(bytes, (t) => /\r\n\r\n/.test(t)),
      isWell().then(() => raw("GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")),
    ]);
    expect(text).not.toMatch(/^HTTP\/1.1 5\d\d/m);
    await isWell();
  });

  test("requests in one go are answered in their order", async () => {
    const one = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: d\r\n\r\n`;
    const text = await raw(one("/_ping") + one("/nosuch") + one("/version"), (t) => t.includes("ApiVersion"));
    expect(text.match(/HTTP\/1.1 \d\d\d/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 404", "HTTP/1.1 200"]);
  });

  test("two thousand connections are open at once and all are served", async () => {
    const BURST = 200; // Well below the queue of connections that wait to be accepted; an answer means that it was.
    const open: Socket[] = [];
    for (let i = 0; i < 2000; i += BURST) {
      const more = Array.from({ length: BURST }, () => connect(daemon.socket));
      const answers = more.map(async (socket) => {
        socket.write("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n");
        const [first] = (await once(socket, "data")) as [Buffer];
        return first.toString("latin1", 0, 12);
      });
      expect(new Set(await Promise.all(answers))).toEqual(new Set(["HTTP/1.1 200"]));
      open.push(...more);
    }
    for (const socket of open) socket.destroy();
    await isWell();
  });

  test("clients that go in the middle of anything leave nothing open", async () => {
    const id = await daemon.ok("run", "-d", "busybox", "sh", "-c", "while echo x; do sleep 0.05; done");
    const before = fdCount();
    const streams = [
      `/containers/${id}/logs?follow=1&stdout=1`,
      `/containers/${id}/stats`,
      "/events",
      `/containers/${id}/attach?stream=1&stdout=1`,
      `/containers/${id}/wait`,
    ];
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        streams.map((path) =>
          raw(`${/attach|wait/.test(path) ? "POST" : "GET"} ${path} HTTP/1.1\r\nHost: d\r\n\r\n`, (t) =>
            t.includes("\r\n\r\n"),
          ),
        ),
      );
    }
    while (fdCount() > before + 3) await isWell();
    await daemon.ok("rm", "-f", id);
  });
});

function fdCount(): number {
  return readdirSync(`/proc/${daemon.pid}/fd`).length;
}

describe("readers that do not read", () => {
  const SCRIPT =
    "yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 60000000; echo end >&2; sleep 1000";

  test("of a followed log: the daemon keeps nothing for them, and others read on", async () => {
    const id = await daemon.ok("create", "busybox", "sh", "-c", SCRIPT);
    const stalled = Array.from({ length: 5 }, () => {
      const socket = connect(daemon.socket);
      socket.pause();
      socket.on("error", () => undefined); // Closed below.
      socket.write(`GET /containers/${id}/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\r\n`);
      return socket;
    });
    const before = rssOf(daemon.pid);
    await daemon.ok("start", id);
    while (!(await daemon.berth("logs", "--tail", "1", id)).stderr.includes("end")) await isWell();
    expect(rssOf(daemon.pid) - before).toBeLessThan(100 * MIB);
    for (const socket of stalled) socket.destroy();
    await daemon.ok("rm", "-f", id);
  });
});
