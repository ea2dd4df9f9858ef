import { expect, test } from "bun:test";
import { text } from "node:stream/consumers";
import { BerthError } from "../spec/errors.ts";
import { bodyText, testRequest } from "../testing/api-request.ts";
import { type FakeBackend, fakeBackend } from "../testing/fake-backend.ts";
import { createApi } from "./api.ts";
import { jsonLines } from "./stream.ts";

async function withContainer(body: object = {}): Promise<{ api: ReturnType<typeof createApi>; backend: FakeBackend }> {
  const backend = fakeBackend();
  await backend.container.create("c1", { Image: "busybox", ...body }, {});
  return { api: createApi(backend), backend };
}

test("what fails before the first line has a status, what fails later is the last line", async () => {
  const { api } = await withContainer();
  const early = await api(testRequest("POST", "/build", { body: "" }).request);
  expect([early.status, await bodyText(early)]).toEqual([400, '{"message":"the build context is empty"}']);
  const late = await api(testRequest("POST", "/build", { body: "bad archive" }).request);
  expect(late.status).toBe(200);
  const message = "the build context is no archive";
  const lines = (await bodyText(late)).trim().split("\r\n");
  expect(JSON.parse(lines.at(-1) ?? "")).toEqual({ errorDetail: { message }, error: message });
  const pull = await api(testRequest("POST", "/images/create?fromImage=a&tag=sha256:1").request);
  expect(pull.status).toBe(501);
  expect(await bodyText(pull)).toContain("a@sha256:1");
});

test("a stream's source is released when its reader leaves", async () => {
  let released = false;
  const source = (async function* () {
    try {
      for (;;) yield { a: 1 };
    } finally {
      released = true;
    }
  })();
  for await (const line of jsonLines(source)) {
    expect(Buffer.from(line).toString()).toBe('{"a":1}\n');
    break;
  }
  expect(released).toBe(true);
});

test("wait answers when it is registered, and its body when the container has ended", async () => {
  const { api, backend } = await withContainer();
  const answer = await api(testRequest("POST", "/containers/c1/wait?condition=next-exit").request);
  expect(answer.status).toBe(200);
  const body = bodyText(answer);
  await backend.container.start("c1", {});
  await backend.container.stop("c1", {});
  expect(await body).toBe('{"StatusCode":0}\n');
});

test("wait of an unknown container is 404; before 1.30 the answer is whole", async () => {
  const { api } = await withContainer();
  expect((await api(testRequest("POST", "/containers/nope/wait").request)).status).toBe(404);
  const old = await api(testRequest("POST", "/v1.24/containers/c1/wait").request);
  expect(old.body).toEqual({ kind: "json", value: { StatusCode: 0 } });
});

test("a wait that fails after its registration says so in its body", async () => {
  const { api, backend } = await withContainer();
  backend.container.wait = async (_id, { ready }) => {
    ready();
    await Promise.resolve();
    throw new BerthError("internal", "the monitor is gone");
  };
  const answer = await api(testRequest("POST", "/containers/c1/wait").request);
  expect(JSON.parse(await bodyText(answer))).toEqual({ StatusCode: -1, Error: { Message: "the monitor is gone" } });
});

test("attach: the upgrade answer, stdin until half-close, the echo in frames", async () => {
  const { api } = await withContainer();
  const headers = { connection: "Upgrade", upgrade: "tcp" };
  const target = "/containers/c1/attach?stream=1&stdin=1&stdout=1";
  const { request, hijacked } = testRequest("POST", target, { headers });
  const answer = api(request);
  const { head, client } = await hijacked;
  expect(head).toEqual({
    status: 101,
    reason: "UPGRADED",
    headers: {
      "Content-Type": "application/vnd.docker.multiplexed-stream",
      Connection: "Upgrade",
      Upgrade: "tcp",
    },
  });
  client.end("hi");
  expect(await text(client)).toBe("\x01\0\0\0\0\0\0\x02hi");
  expect((await answer).body.kind).toBe("hijacked");
});

test("attach: content types by version, tty and upgrade", async () => {
  const cases: [target: string, tty: boolean, upgrade: boolean, status: 101 | 200, type: string][] = [
    ["/v1.41/containers/c1/attach", false, true, 101, "raw"],
    ["/v1.42/containers/c1/attach", false, true, 101, "multiplexed"],
    ["/v1.51/containers/c1/attach", true, true, 101, "raw"],
    ["/v1.51/containers/c1/attach", false, false, 200, "raw"],
  ];
  for (const [target, tty, upgrade, status, type] of cases) {
    const { api } = await withContainer({ Tty: tty });
    const headers: Record<string, string> = upgrade ? { upgrade: "tcp" } : {};
    const { request, hijacked } = testRequest("POST", target, { headers });
    await api(request);
    const { head } = await hijacked;
    expect([head.status as number, head.headers["Content-Type"]]).toEqual([
      status,
      `application/vnd.docker.${type}-stream`,
    ]);
  }
});

test("attach to an unknown container is an ordinary 404, nothing is taken over", async () => {
  const { api } = await withContainer();
  const answer = await api(testRequest("POST", "/containers/nope/attach?stream=1").request);
  expect([answer.status, await bodyText(answer)]).toEqual([404, '{"message":"No such container: nope"}']);
});

test("exec: a command that cannot start is a line in the taken-over stream", async () => {
  const { api, backend } = await withContainer();
  const { Id } = await backend.exec.create("c1", { Cmd: ["missing"] });
  const { request, hijacked } = testRequest("POST", `/exec/${Id}/start`, { json: {}, headers: { upgrade: "tcp" } });
  const answer = api(request);
  const { client } = await hijacked;
  const line = 'exec: "missing": not found\r\n';
  expect(await text(client)).toBe(`\x01\0\0\0\0\0\0${String.fromCharCode(line.length)}${line}`);
  expect((await answer).body.kind).toBe("hijacked");
});

test("exec: detached is 200 without a body, options are checked", async () => {
  const { api, backend } = await withContainer();
  const create = (json: unknown) => api(testRequest("POST", "/containers/c1/exec", { json }).request);
  expect((await create({ Cmd: [] })).status).toBe(400);
  expect((await create({ Cmd: ["a"], ConsoleSize: [1] })).status).toBe(400);
  expect((await create({ Cmd: ["a"] })).status).toBe(201);
  const id = [...backend.state.execs.keys()][0];
  const start = (json: unknown) => api(testRequest("POST", `/exec/${id}/start`, { json }).request);
  expect(await start({ Detach: true })).toMatchObject({ status: 200, body: { kind: "empty" } });
  expect(await bodyText(await start({ ConsoleSize: [1, 2] }))).toContain("only supported when TTY is enabled");
  expect((await start({ Tty: true, ConsoleSize: [1, -2] })).status).toBe(400);
});

test("logs: frames as they are, a failure in the middle as a line in the stream", async () => {
  const { api, backend } = await withContainer();
  backend.container.logs = async () => ({
    tty: true,
    stream: (async function* () {
      yield Buffer.from("one\r\n");
      throw new BerthError("internal", "disk error");
    })(),
  });
  const answer = await api(testRequest("GET", "/containers/c1/logs?stdout=1&tail=5&since=1.5").request);
  expect(answer.headers["Content-Type"]).toBe("application/vnd.docker.raw-stream");
  expect(await bodyText(answer)).toBe("one\r\nError grabbing logs: disk error\r\n");
});

test("stats: a stream of lines, or one document", async () => {
  const { api } = await withContainer();
  const lines = (await bodyText(await api(testRequest("GET", "/containers/c1/stats").request))).trim().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { num_procs: number }).num_procs)).toEqual([0, 1, 2]);
  const once = await api(testRequest("GET", "/containers/c1/stats?stream=false&one-shot=1").request);
  expect(once.body.kind).toBe("json");
});

test("events: past ones first, then live ones, until the client goes", async () => {
  const { api, backend } = await withContainer();
  await backend.container.start("c1", {});
  const gone = new AbortController();
  const answer = await api(testRequest("GET", "/events?since=1", { signal: gone.signal }).request);
  if (answer.body.kind !== "stream") throw new Error("events must be a stream");
  const actions: unknown[] = [];
  for await (const line of answer.body.stream) {
    actions.push((JSON.parse(Buffer.from(line).toString()) as { Action: string }).Action);
    if (actions.length === 1) await backend.container.stop("c1", {});
    else gone.abort();
  }
  expect(actions).toEqual(["start", "die"]);
});
