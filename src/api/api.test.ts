import { describe, expect, test } from "bun:test";
import { BerthError, type ErrorKind } from "../spec/errors.ts";
import { bodyText, type RequestOptions, testRequest } from "../testing/api-request.ts";
import { type FakeBackend, fakeBackend } from "../testing/fake-backend.ts";
import { createApi } from "./api.ts";

type Api = ReturnType<typeof createApi>;

async function call(api: Api, method: string, target: string, options?: RequestOptions) {
  const answer = await api(testRequest(method, target, options).request);
  return { status: answer.status, headers: answer.headers, text: await bodyText(answer) };
}

function setup(): { api: Api; backend: FakeBackend } {
  const backend = fakeBackend();
  return { api: createApi(backend), backend };
}

async function withContainer(): Promise<{ api: Api; backend: FakeBackend }> {
  const made = setup();
  await call(made.api, "POST", "/containers/create?name=c1", { json: { Image: "busybox", Cmd: ["cat"] } });
  return made;
}

describe("routing", () => {
  test("an unknown path and a wrong method are Docker's 404", async () => {
    const { api } = setup();
    for (const [method, path] of [
      ["GET", "/nope"],
      ["PUT", "/containers/json"],
      ["HEAD", "/info"],
      ["GET", "/"],
    ] as const) {
      const answer = await call(api, method, path);
      expect([answer.status, answer.text]).toEqual([404, '{"message":"page not found"}']);
    }
  });

  test("names with slashes, a registry's port or percent-encoding reach the backend whole", async () => {
    const { api, backend } = setup();
    const name = "host:5000/a/b";
    for (const path of [name, encodeURIComponent(name)]) {
      expect((await call(api, "GET", `/v1.44/images/${path}/json`)).status).toBe(200);
      expect((await call(api, "GET", `/images/${path}/history`)).status).toBe(200);
      expect((await call(api, "POST", `/images/${path}/tag?repo=x&tag=y`)).status).toBe(201);
      expect((await call(api, "DELETE", `/images/${path}`)).status).toBe(200);
    }
    expect(new Set(backend.state.calls.map(([, first]) => first))).toEqual(new Set([name]));
  });

  test("fixed paths win over names, and an image may be called like one", async () => {
    const { api, backend } = setup();
    await call(api, "GET", "/images/json");
    await call(api, "GET", "/images/json/json");
    expect(backend.state.calls.map(([method]) => method)).toEqual(["image.list", "image.inspect"]);
  });

  test("a version out of range is a 400 in Docker's words", async () => {
    const { api } = setup();
    const old = await call(api, "GET", "/v1.23/info");
    expect(old.status).toBe(400);
    expect(old.text).toContain("client version 1.23 is too old. Minimum supported API version is 1.24");
  });

  test("every answer carries the engine's headers, the ping tells the builder", async () => {
    const { api } = setup();
    const ping = await call(api, "GET", "/v1.24/_ping");
    expect(ping.text).toBe("OK");
    expect(ping.headers).toMatchObject({
      "Api-Version": "1.51",
      Ostype: "linux",
      "Docker-Experimental": "false",
      "Builder-Version": "1",
      Swarm: "inactive",
      "Cache-Control": "no-cache, no-store, must-revalidate",
    });
    expect((await call(api, "HEAD", "/_ping")).headers["Api-Version"]).toBe("1.51");
    expect((await call(api, "GET", "/nope")).headers["Api-Version"]).toBe("1.51");
  });
});

describe("errors", () => {
  test("each kind has its status, a foreign error is 500", async () => {
    const statuses: [ErrorKind, number][] = [
      ["invalid-argument", 400],
      ["unauthorized", 401],
      ["forbidden", 403],
      ["not-found", 404],
      ["conflict", 409],
      ["not-modified", 304],
      ["unavailable", 503],
      ["not-implemented", 501],
      ["no-space", 500],
      ["internal", 500],
    ];
    for (const [kind, status] of statuses) {
      const { api, backend } = setup();
      backend.system.info = () => Promise.reject(new BerthError(kind, "the cause", { hint: "the way out" }));
      const answer = await call(api, "GET", "/info");
      expect([answer.status, answer.text]).toEqual([
        status,
        status === 304 ? "" : '{"message":"the cause (the way out)"}',
      ]);
    }
    const { api, backend } = setup();
    backend.system.info = () => Promise.reject(new TypeError("oops"));
    expect(await call(api, "GET", "/info")).toMatchObject({ status: 500, text: '{"message":"oops"}' });
  });

  test("swarm is 503 in one line, the rest of the specification 501 by name", async () => {
    const { api } = setup();
    for (const path of ["/swarm", "/nodes", "/services/x", "/tasks/a/logs", "/secrets", "/configs"]) {
      const answer = await call(api, "GET", path);
      expect(answer.status).toBe(503);
      expect(answer.text).toContain("This node is not a swarm manager");
    }
    const absent: [string, string, string][] = [["POST", "/plugins/pull", "installing a plugin"]];
    for (const [method, path, word] of absent) {
      const answer = await call(api, method, path);
      expect([answer.status, answer.text.includes(word)]).toEqual([501, true]);
    }
  });
});

describe("bodies", () => {
  test("content type, broken JSON, trailing content, emptiness and size are 400", async () => {
    const { api } = setup();
    const create = (options: RequestOptions) => call(api, "POST", "/containers/create", options);
    const headers = { "content-type": "application/json" };
    const cases: [RequestOptions, string][] = [
      [
        { body: "{}", headers: { "content-type": "text/plain" } },
        "unsupported Content-Type header (text/plain): must be 'application/json'",
      ],
      [{ body: "{}" }, "malformed Content-Type header"],
      [{ body: "{", headers }, "invalid JSON: unexpected EOF"],
      [{ body: "{}{}", headers }, "unexpected content after JSON"],
      [{ json: {} }, "config cannot be empty in order to create a container"],
      [{ json: null }, "config cannot be empty in order to create a container"],
      [{ body: "", headers }, "invalid JSON: got EOF while reading request body"],
      [{ json: { Image: 5 } }, "cannot unmarshal number into Go struct field .Image of type string"],
      [
        { json: { Image: "a", HostConfig: { Memory: "1g" } } },
        "cannot unmarshal string into Go struct field .HostConfig.Memory of type int64",
      ],
      [{ json: { Image: "a".repeat(17_000_000) } }, "request body too large"],
    ];
    for (const [options, message] of cases) {
      const answer = await create(options);
      expect(answer.status).toBe(400);
      expect(answer.text).toContain(message);
    }
    const charset = await create({
      body: '{"Image":"a"}',
      headers: { "content-type": "application/json; charset=utf-8" },
    });
    expect(charset.status).toBe(201);
  });

  test("before 1.44 a container is made on one network", async () => {
    const { api } = setup();
    const json = { Image: "a", NetworkingConfig: { EndpointsConfig: { one: {}, two: {} } } };
    const old = await call(api, "POST", "/v1.43/containers/create", { json });
    expect([old.status, old.text]).toEqual([
      400,
      expect.stringContaining("Container cannot be created with multiple network endpoints: one, two"),
    ]);
    expect((await call(api, "POST", "/v1.44/containers/create", { json })).status).toBe(201);
  });

  test("up to 1.24 AutoRemove belongs to the client", async () => {
    const { api, backend } = setup();
    const json = { Image: "a", HostConfig: { AutoRemove: true } };
    await call(api, "POST", "/v1.24/containers/create", { json });
    await call(api, "POST", "/v1.25/containers/create", { json });
    const removes = [...backend.state.containers.values()].map((c) => c.body.HostConfig?.AutoRemove);
    expect(removes).toEqual([false, true]);
  });
});

describe("parameters", () => {
  test("what clients send reaches the backend in its own types", async () => {
    const { api, backend } = await withContainer();
    backend.state.calls.length = 0;
    await call(api, "GET", '/containers/json?all=1&limit=3&size=0&filters={"status":{"exited":true}}');
    await call(api, "POST", "/containers/c1/stop?t=-1&signal=SIGINT");
    await call(api, "POST", "/v1.41/containers/c1/stop?signal=SIGINT");
    await call(api, "DELETE", "/containers/c1?v=1&force=true");
    await call(api, "POST", "/v1.41/volumes/prune");
    expect(backend.state.calls.slice(0, 5)).toEqual([
      ["container.list", { all: true, size: false, limit: 3, filters: { status: ["exited"] } }],
      ["container.listWarning"],
      ["container.stop", "c1", { signal: "SIGINT", timeout: -1 }],
      ["container.stop", "c1", {}],
      ["container.remove", "c1", { force: true, volumes: true, link: false }],
    ]);
    expect(backend.state.calls.at(-1)).toEqual(["volume.prune", { all: ["true"] }]);
  });

  test("build parameters", async () => {
    const { api, backend } = setup();
    const args = encodeURIComponent('{"A":"1","B":null}');
    const target = `/build?t=a&t=b:1&dockerfile=D&buildargs=${args}&labels={"l":"m"}&nocache=1&target=s&networkmode=host`;
    const answer = await call(api, "POST", target, { body: "context" });
    expect(answer.text).toEndWith('{"stream":"Successfully built 111111111111\\n"}\r\n');
    expect(backend.state.calls[0]?.[2]).toMatchObject({
      dockerfile: "D",
      tags: ["a", "b:1"],
      buildArgs: { A: "1", B: null },
      labels: { l: "m" },
      noCache: true,
      target: "s",
      network: "host",
      quiet: false,
    });
    for (const query of ["version=2", "outputs=x"]) {
      expect((await call(api, "POST", `/build?${query}`)).status).toBe(501);
    }
  });

  test("bad ones are named", async () => {
    const { api } = await withContainer();
    const cases: [string, string, string][] = [
      ["POST", "/containers/c1/resize?h=a&w=1", 'invalid resize height \\"a\\": invalid syntax'],
      ["POST", "/containers/c1/resize?h=1&w=4294967296", 'invalid resize width \\"4294967296\\": value out of range'],
      ["POST", "/containers/c1/resize?h=-1&w=1", 'invalid resize height \\"-1\\": value out of range'],
      ["POST", "/containers/c1/wait?condition=zz", 'invalid condition: \\"zz\\"'],
      ["POST", "/containers/c1/rename", "Neither old nor new names may be empty"],
      ["GET", "/containers/c1/logs", "Bad parameters: you must choose at least one stream"],
      ["GET", "/containers/c1/stats?one-shot=1", "cannot have stream=true and one-shot=true"],
      ["GET", "/events?since=20&until=10", "cannot be after"],
      ["GET", "/system/df?type=x", "unknown object type: x"],
      ["POST", "/images/create", "fromImage"],
      ["POST", "/images/b/tag", "repo is missing"],
    ];
    for (const [method, target, message] of cases) {
      const answer = await call(api, method, target);
      expect(answer.status).toBe(400);
      expect(answer.text).toContain(message);
    }
  });
});
