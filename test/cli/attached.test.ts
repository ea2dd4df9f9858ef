import { expect, test } from "bun:test";
import { type Answer, fakeEngine, frame, json, readHalf, type Upgrade } from "./fake-engine.ts";
import { berth } from "./harness.ts";

const ID = "1".repeat(64);

/** An engine with one container that echoes its input, says something on stderr, and ends with `code` once started. */
function container(code: number, more: Record<string, Answer> = {}) {
  let started: () => void = () => undefined;
  let ended: () => void = () => undefined;
  const start = new Promise<void>((resolve) => (started = resolve));
  const end = new Promise<void>((resolve) => (ended = resolve));
  const routes: Record<string, Answer> = {
    "POST /containers/create": { Id: ID, Warnings: [] },
    [`POST /containers/${ID}/start`]: (_, r) => {
      r.writeHead(204).end();
      started();
    },
    [`POST /containers/${ID}/wait`]: async (_, r) => {
      r.writeHead(200, { "content-type": "application/json" }).flushHeaders();
      await end;
      r.end(JSON.stringify({ StatusCode: code }));
    },
    ...more,
  };
  const attach: Upgrade = async (_, socket) => {
    await start;
    socket.write(frame(2, "to stderr\n"));
    await readHalf(socket, (chunk) => socket.write(frame(1, chunk.toString())));
    socket.end();
    ended();
  };
  return { routes, upgrades: { [`POST /containers/${ID}/attach`]: attach } };
}

test("run creates, attaches, waits and starts in this order, and ends with the container's code", async () => {
  const { routes, upgrades } = container(7);
  await using engine = await fakeEngine(routes, upgrades);
  const result = await berth(["run", "--rm", "-i", "busybox", "cat"], { ...engine, stdin: "hello\n" });
  expect(result).toEqual({ code: 7, out: "hello\n", err: "to stderr\n" });
  expect(engine.calls()).toEqual([
    "POST /containers/create",
    `POST /containers/${ID}/attach`,
    `POST /containers/${ID}/wait`,
    `POST /containers/${ID}/start`,
  ]);
  expect(engine.seen[2]?.query.get("condition")).toBe("removed");
  expect(Object.fromEntries(engine.seen[1]?.query ?? [])).toEqual({
    stream: "1",
    stdin: "1",
    stdout: "1",
    stderr: "1",
  });
});

test("a large output arrives whole and in order", async () => {
  const { routes, upgrades } = container(0);
  await using engine = await fakeEngine(routes, upgrades);
  const text = Array.from({ length: 60_000 }, (_, i) => `line ${i}\n`).join("");
  const { out, code } = await berth(["run", "-i", "busybox", "cat"], { ...engine, stdin: text });
  expect(code).toBe(0);
  expect(out === text).toBe(true);
});

test("run -d prints the id and attaches nothing", async () => {
  const { routes } = container(0);
  await using engine = await fakeEngine(routes);
  expect(await berth(["run", "-d", "--name", "x", "busybox"], engine)).toEqual({ code: 0, out: `${ID}\n`, err: "" });
  expect(engine.calls()).toEqual(["POST /containers/create", `POST /containers/${ID}/start`]);
  expect(engine.seen[0]?.query.get("name")).toBe("x");
});

test.each([
  ['exec: "nosuch": executable file not found in $PATH', 127],
  ['exec: "/x": permission denied', 126],
  ["driver failed programming external connectivity", 125],
])("a start that fails with %p ends run with %p", async (message, code) => {
  const { routes, upgrades } = container(0, { [`POST /containers/${ID}/start`]: (_, r) => json(r, 400, { message }) });
  await using engine = await fakeEngine(routes, upgrades);
  const result = await berth(["run", "busybox", "x"], engine);
  expect(result.code).toBe(code);
  expect(result.err).toBe(
    `berth: Error response from daemon: ${message}\n\nRun 'berth run --help' for more information\n`,
  );
});

test("a missing image is pulled, and what the engine says of that ends run with 125", async () => {
  const missing: Answer = (_, r) => json(r, 404, { message: "No such image: app:latest" });
  const { routes } = container(0, {
    "POST /containers/create": missing,
    "POST /images/create": (_, r) => json(r, 501, { message: "no registries here" }),
  });
  await using engine = await fakeEngine(routes);
  const result = await berth(["run", "app"], engine);
  expect(result.code).toBe(125);
  expect(result.err).toStartWith(
    "Unable to find image 'app:latest' locally\nberth: Error response from daemon: no registries here\n",
  );
  expect(Object.fromEntries(engine.seen[1]?.query ?? [])).toEqual({ fromImage: "app", tag: "latest" });
  expect((await berth(["run", "--pull", "never", "app"], engine)).err).toContain("No such image: app:latest");
});

test("usage errors of run are 125, a wrong number of arguments is 1, in Docker's words", async () => {
  const flag = await berth(["run", "--foo", "busybox"]);
  expect(flag.code).toBe(125);
  expect(flag.err).toBe(
    "unknown flag: --foo\n\nUsage:  berth run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'berth run --help' for more information\n",
  );
  const none = await berth(["container", "run"]);
  expect(none.code).toBe(1);
  expect(none.err).toStartWith(
    "berth: 'berth container run' requires at least 1 argument\n\nUsage:  berth container run ",
  );
  expect((await berth(["run", "-it", "busybox"])).err).toBe("the input device is not a TTY\n");
  expect((await berth(["ps", "x"])).err).toStartWith("berth: 'berth ps' accepts no arguments\n");
  expect((await berth(["frobnicate"])).err).toContain("unknown command: berth frobnicate");
});

test("exec forwards its streams and ends with the command's code", async () => {
  await using engine = await fakeEngine(
    {
      "POST /containers/c/exec": { Id: "e1" },
      "GET /exec/e1/json": { ID: "e1", ExitCode: 5, Running: false },
    },
    {
      "POST /exec/e1/start": async (_, socket) => {
        await readHalf(socket, (chunk) => socket.write(frame(1, chunk.toString())));
        socket.end(frame(2, "done\n"));
      },
    },
  );
  const argv = ["exec", "-i", "-e", "A=1", "-w", "/w", "-u", "2", "c", "cat", "-n"];
  expect(await berth(argv, { ...engine, stdin: "in\n" })).toEqual({ code: 5, out: "in\n", err: "done\n" });
  expect(JSON.parse(engine.seen[0]?.body.toString() ?? "")).toMatchObject({
    AttachStdin: true,
    Cmd: ["cat", "-n"],
    Env: ["A=1"],
    Tty: false,
    User: "2",
    WorkingDir: "/w",
  });
});

test("exec says what the engine says where there is no such container or command", async () => {
  await using engine = await fakeEngine({
    "POST /containers/c/exec": { Id: "e1" },
    "POST /exec/e1/start": (_, r) => json(r, 400, { message: 'exec: "x": executable file not found in $PATH' }),
    "POST /containers/gone/exec": (_, r) => json(r, 404, { message: "No such container: gone" }),
  });
  // Docker's CLI does not look at the words where it has not attached.
  expect((await berth(["exec", "-d", "c", "x"], engine)).code).toBe(1);
  expect(await berth(["exec", "gone", "x"], engine)).toEqual({
    code: 1,
    out: "",
    err: "Error response from daemon: No such container: gone\n",
  });
});

test("attach refuses what does not run", async () => {
  await using engine = await fakeEngine({ "GET /containers/c/json": { Id: ID, State: { Running: false } } });
  expect(await berth(["attach", "c"], engine)).toEqual({
    code: 1,
    out: "",
    err: "You cannot attach to a stopped container, start it first\n",
  });
});

test("start -ai attaches before it starts, and ends with the container's code", async () => {
  const inspect = { Id: ID, Config: { Tty: false, OpenStdin: true }, HostConfig: { AutoRemove: false } };
  const { routes, upgrades } = container(3, { "GET /containers/c/json": inspect });
  await using engine = await fakeEngine(routes, upgrades);
  const result = await berth(["start", "-ai", "c"], { ...engine, stdin: "again\n" });
  expect(result).toEqual({ code: 3, out: "again\n", err: "to stderr\n" });
  expect(engine.calls().slice(1)).toEqual([
    `POST /containers/${ID}/attach`,
    `POST /containers/${ID}/wait`,
    `POST /containers/${ID}/start`,
  ]);
  expect(engine.seen[2]?.query.get("condition")).toBe("next-exit");
});

test("logs are taken apart into both streams, and passed on raw for a terminal's", async () => {
  const framed = "application/vnd.docker.multiplexed-stream";
  const send =
    (type: string, ...parts: Buffer[]): Answer =>
    (_, r) =>
      void r.writeHead(200, { "content-type": type }).end(Buffer.concat(parts));
  await using engine = await fakeEngine({
    "GET /containers/c/logs": send(framed, frame(1, "a\n"), frame(2, "b\n"), frame(1, "")),
    "GET /containers/t/logs": send("application/vnd.docker.raw-stream", Buffer.from("raw\r\n")),
    "GET /containers/t/json": { Config: { Tty: true } },
  });
  expect(await berth(["logs", "-n", "5", "--since", "1", "c"], engine)).toEqual({ code: 0, out: "a\n", err: "b\n" });
  expect(engine.seen[0]?.query.get("tail")).toBe("5");
  expect((await berth(["logs", "t"], engine)).out).toBe("raw\r\n");
});

test("the hook starts a daemon where nothing answers on the default host, once, and never for a host that was named", async () => {
  let starts = 0;
  const startDaemon = async () => {
    starts++;
  };
  const absent = await berth(["ps"], { host: "unix:///nonexistent/x.sock", startDaemon });
  expect(absent.code).toBe(1);
  expect(absent.err).toContain("cannot connect to the Berth daemon at unix:///nonexistent/x.sock: is it running?");
  expect((await berth(["-H", "unix:///nonexistent/x.sock", "run", "a"], { startDaemon })).code).toBe(125);
  expect(starts).toBe(0);
});
