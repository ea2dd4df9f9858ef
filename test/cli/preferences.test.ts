import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CreateBody } from "../../src/client/containers.ts";
import { type FakeEngine, fakeEngine } from "./fake-engine.ts";
import { berth, type CliResult } from "./harness.ts";

// What a person prefers, by ~/.docker/config.json and the environment; as docker 28 does it.

const ID = "3".repeat(64);
let folder = "";
let engine: FakeEngine;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "preferences-"));
  engine = await fakeEngine({
    "GET /containers/json": [{ Id: ID, Names: ["/web"], Image: "nginx" }],
    "GET /images/json": [{ Id: `sha256:${ID}`, RepoTags: ["busybox:latest"], Created: 0, Size: 1, SharedSize: -1 }],
    "GET /networks": [{ Id: ID, Name: "bridge", Driver: "bridge" }],
    "GET /volumes": { Volumes: [{ Name: "data", Driver: "local" }] },
    "GET /plugins": [{ Id: ID, Name: "plug:latest", Enabled: true, Config: { Description: "" }, Settings: {} }],
    "POST /containers/create": { Id: ID, Warnings: [] },
    "POST /build": (_, r) => r.end('{"stream":"built"}\n'),
    "POST /containers/prune": {},
    "POST /networks/prune": {},
    "POST /volumes/prune": {},
    "POST /images/prune": {},
    "POST /build/prune": {},
  });
});
afterEach(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function configured(config: object | string, argv: string[], env: NodeJS.ProcessEnv = {}): Promise<CliResult> {
  writeFileSync(join(folder, "config.json"), typeof config === "string" ? config : JSON.stringify(config));
  return berth(argv, { host: engine.host, env: { DOCKER_CONFIG: folder, ...env } });
}

const LISTS: [key: string, argv: string[], template: string, shown: string, quiet: string][] = [
  ["psFormat", ["ps"], "table {{.Names}}", "NAMES\nweb\n", "333333333333\n"],
  ["imagesFormat", ["images"], "{{.Repository}}", "busybox\n", "333333333333\n"],
  ["networksFormat", ["network", "ls"], "{{.Driver}}", "bridge\n", "333333333333\n"],
  ["volumesFormat", ["volume", "ls"], "<{{.Name}}>", "<data>\n", "data\n"],
  ["pluginsFormat", ["plugin", "ls"], "{{.Name}}", "plug:latest\n", "333333333333\n"],
];

test.each(LISTS)(
  "%s is the list's format, unless -q or --format say otherwise",
  async (key, argv, template, shown, quiet) => {
    const config = { [key]: template };
    expect(await configured(config, argv)).toEqual({ code: 0, out: shown, err: "" });
    expect((await configured(config, [...argv, "-q"])).out).toBe(quiet);
    expect((await configured(config, [...argv, "--format", "x"])).out).toBe("x\n");
    expect((await configured({ [key]: 7 }, argv)).code).toBe(0);
  },
);

async function envOf(config: object, ...argv: string[]): Promise<string[] | undefined> {
  expect((await configured(config, ["create", ...argv, "busybox"])).code).toBe(0);
  const body = JSON.parse(engine.seen.at(-1)?.body.toString() ?? "") as CreateBody;
  return body.Env ?? [];
}

test("proxies are variables of containers in both spellings, those of the host before the default ones", async () => {
  const proxies = { default: { httpProxy: "http://p:1", noProxy: "x" }, [engine.host]: { allProxy: "socks://q:2" } };
  expect(await envOf({ proxies: { default: proxies.default } })).toEqual([
    "HTTP_PROXY=http://p:1",
    "http_proxy=http://p:1",
    "NO_PROXY=x",
    "no_proxy=x",
  ]);
  expect(await envOf({ proxies })).toEqual(["ALL_PROXY=socks://q:2", "all_proxy=socks://q:2"]);
  const own = ["-e", "HTTP_PROXY=mine", "-e", "no_proxy"];
  expect(await envOf({ proxies: { default: proxies.default } }, ...own)).toEqual([
    "HTTP_PROXY=mine",
    "no_proxy",
    "http_proxy=http://p:1",
    "NO_PROXY=x",
  ]);
});

test("proxies are arguments of builds", async () => {
  const config = { proxies: { default: { httpsProxy: "http://p:1" } } };
  writeFileSync(join(folder, "Dockerfile"), "FROM scratch\n");
  await configured(config, ["build", "--build-arg", "A=b", "--build-arg", "https_proxy=mine", folder]);
  const args = engine.seen.find((s) => s.path === "/build")?.query.get("buildargs");
  expect(JSON.parse(args ?? "")).toEqual({ A: "b", https_proxy: "mine", HTTPS_PROXY: "http://p:1" });
});

test("pruneFilters join those of the command line, which win where both contradict", async () => {
  const config = { pruneFilters: ["label!=keep=yes", "label=old", "nonsense", "until=24h"] };
  const filters = async (...argv: string[]): Promise<unknown> => {
    expect((await configured(config, argv)).code).toBe(0);
    return JSON.parse(engine.seen.findLast((s) => s.path.endsWith("/prune"))?.query.get("filters") ?? "null");
  };
  const all = { "label!": ["keep=yes"], label: ["old"], until: ["24h"] };
  expect(await filters("container", "prune", "-f")).toEqual(all);
  expect(await filters("network", "prune", "-f")).toEqual(all);
  expect(await filters("volume", "prune", "-f")).toEqual(all);
  expect(await filters("image", "prune", "-f")).toEqual({ ...all, dangling: ["true"] });
  expect(await filters("builder", "prune", "-f")).toEqual(all);
  expect(await filters("container", "prune", "-f", "--filter", "label=keep=yes", "--filter", "label!=old")).toEqual({
    label: ["keep=yes"],
    "label!": ["old"],
    until: ["24h"],
  });
});

test("HttpHeaders go with every request, DOCKER_CUSTOM_HEADERS instead of them", async () => {
  const config = { HttpHeaders: { "X-Meta": "a" } };
  await configured(config, ["ps"]);
  expect(engine.seen.at(-1)?.headers).toMatchObject({ "x-meta": "a" });
  await configured(config, ["ps"], { DOCKER_CUSTOM_HEADERS: 'X-Own=b,"X-Two=c,d"' });
  expect(engine.seen.at(-1)?.headers).toMatchObject({ "x-own": "b", "x-two": "c,d" });
  expect(engine.seen.at(-1)?.headers).not.toHaveProperty("x-meta");
  for (const bad of ["novalue", "=b", "a b=c", "a=b\r\nx: y"]) {
    const done = await configured(config, ["ps"], { DOCKER_CUSTOM_HEADERS: bad });
    expect([bad, done.code, done.err.trim().split("\n").length]).toEqual([bad, 1, 1]);
  }
});
