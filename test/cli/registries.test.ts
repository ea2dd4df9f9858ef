import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeEngine } from "./fake-engine.ts";
import { berth } from "./harness.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "registries-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const HUB = "https://index.docker.io/v1/";
const SECRET = { auth: Buffer.from("u:p").toString("base64") };

function keep(servers: string[]): void {
  const auths = Object.fromEntries(servers.map((server) => [server, SECRET]));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ auths, psFormat: "x" }));
}

const kept = (): unknown => JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));

const LOGOUTS: [servers: string[], argv: string[], said: string, left: string[]][] = [
  [[HUB, "reg.example"], [], HUB, ["reg.example"]],
  [[HUB, "reg.example"], ["reg.example"], "reg.example", [HUB]],
  [["https://r2.example/v1/", HUB], ["https://r2.example/v1/"], "r2.example", [HUB]],
  [["reg.example:5000"], ["reg.example:5000"], "reg.example:5000", []],
  [["https://reg.example"], ["reg.example"], "reg.example", []],
  [[HUB], ["nosuch.example"], "nosuch.example", [HUB]],
];

test.each(LOGOUTS)("of %p, logout %p", async (servers, argv, said, left) => {
  keep(servers);
  const env = { DOCKER_CONFIG: folder };
  const done = await berth(["logout", ...argv], { env });
  expect(done).toEqual({ code: 0, out: `Removing login credentials for ${said}\n`, err: "" });
  expect(kept()).toEqual({ auths: Object.fromEntries(left.map((server) => [server, SECRET])), psFormat: "x" });
  if (left.length < servers.length) expect(statSync(join(folder, "config.json")).mode & 0o777).toBe(0o600);
});

test.each([
  [["reg.example:5000", HUB], [HUB]],
  [[HUB], [HUB]],
])("of %p, logout without a server where the engine has a default registry leaves %p", async (servers, left) => {
  keep(servers);
  await using engine = await fakeEngine({
    "GET /info": { RegistryConfig: { DefaultRegistry: "reg.example:5000/hub" } },
  });
  const done = await berth(["logout"], { host: engine.host, env: { DOCKER_CONFIG: folder } });
  expect(done).toEqual({ code: 0, out: "Removing login credentials for reg.example:5000\n", err: "" });
  expect(kept()).toEqual({ auths: Object.fromEntries(left.map((server) => [server, SECRET])), psFormat: "x" });
});

test("logout where nobody ever logged in leaves nothing behind", async () => {
  const missing = join(folder, "none");
  expect((await berth(["logout"], { env: { DOCKER_CONFIG: missing } })).code).toBe(0);
  expect(statSync(missing, { throwIfNoEntry: false })).toBeUndefined();
});

const FOUND = [
  { name: "small", description: "few stars", star_count: 2, is_official: false },
  { name: "busybox", description: `Busybox base image.${" and more".repeat(6)}`, star_count: 3400, is_official: true },
  { name: "bare" },
];

async function search(argv: string[], answer: object = FOUND) {
  await using engine = await fakeEngine({ "GET /images/search": answer });
  const done = await berth(["search", ...argv], { host: engine.host, env: { DOCKER_CONFIG: folder } });
  return { ...done, seen: engine.seen[0] };
}

test("search lists what has most stars first", async () => {
  const { code, out, seen } = await search(["busy"]);
  expect(code).toBe(0);
  expect(out.split("\n")).toEqual([
    "NAME      DESCRIPTION                                     STARS     OFFICIAL",
    "busybox   Busybox base image. and more and more and mo…   3400      [OK]",
    "small     few stars                                       2         ",
    "bare                                                      0         ",
    "",
  ]);
  expect(Object.fromEntries(seen?.query ?? [])).toEqual({ term: "busy" });
});

test("search asks for filters and a limit, with the credentials of the term's registry", async () => {
  keep(["reg.example:5000"]);
  const line = ["-f", "is-official=true", "-f", "stars=3", "--limit", "7", "reg.example:5000/busy", "--no-trunc"];
  const { out, seen } = await search([...line, "--format", "{{.Name}}|{{.Description}}|{{.IsOfficial}}"]);
  expect(out.split("\n")[0]).toBe(`busybox|${FOUND[1]?.description}|[OK]`);
  const filters = '{"is-official":["true"],"stars":["3"]}';
  expect(Object.fromEntries(seen?.query ?? [])).toEqual({ term: "reg.example:5000/busy", limit: "7", filters });
  const auth = JSON.parse(Buffer.from(String(seen?.headers["x-registry-auth"]), "base64url").toString());
  expect(auth).toEqual({ username: "u", password: "p", serveraddress: "reg.example:5000" });
});

test("search: formats, and what goes wrong", async () => {
  expect((await search(["--format", "{{json .}}", "x"], [FOUND[0] ?? {}])).out).toBe(
    '{"Description":"few stars","IsAutomated":"","IsOfficial":"","Name":"small","StarCount":"2"}\n',
  );
  expect((await search(["--format", "{{.Nope}}", "x"])).err).toBe(
    `template parsing error: template: :1:2: executing "" at <.Nope>: can't evaluate field Nope in type *registry.searchContext\n`,
  );
  expect(await berth(["search"])).toMatchObject({ code: 1 });
  const none = await search(["x"], []);
  expect(none.out).toBe("NAME      DESCRIPTION   STARS     OFFICIAL\n");
});
