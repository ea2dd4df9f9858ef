import { expect, test } from "bun:test";
import { createApi } from "../../src/api/api.ts";
import { bodyText, type RequestOptions, testRequest } from "../../src/testing/api-request.ts";
import { fakeBackend } from "../../src/testing/fake-backend.ts";
import { HAVE_SPEC, loadSpecValidator } from "../../src/testing/spec-validator.ts";

/** Every JSON route, good and bad, in the order in which the objects come to be and go. */
const EXCHANGES: [method: string, target: string, status: number, options?: RequestOptions][] = [
  ["POST", "/containers/create?name=c1", 201, { json: { Image: "b", Cmd: ["cat"], HostConfig: { Memory: 5 } } }],
  ["POST", "/containers/create?name=c1", 409, { json: { Image: "b" } }],
  ["POST", "/containers/create", 400, { json: {} }],
  ["GET", "/containers/json?all=1", 200],
  ["GET", "/containers/c1/json", 200],
  ["GET", "/containers/nope/json", 404],
  ["POST", "/containers/c1/start", 204],
  ["POST", "/containers/c1/start", 304],
  ["GET", "/containers/c1/top", 200],
  ["GET", "/containers/c1/stats?stream=0", 200],
  ["POST", "/containers/c1/update", 200, { json: { Memory: 6 } }],
  ["POST", "/containers/c1/resize?h=1&w=2", 200],
  ["POST", "/containers/c1/rename?name=c2", 204],
  ["POST", "/containers/c2/exec", 201, { json: { Cmd: ["ls"] } }],
  ["POST", "/containers/nope/exec", 404, { json: { Cmd: ["ls"] } }],
  ["GET", `/exec/${"1".padStart(64, "e")}/json`, 200],
  ["GET", "/exec/nope/json", 404],
  ["DELETE", "/containers/c2", 409],
  ["POST", "/containers/c2/kill", 204],
  ["POST", "/containers/c2/wait", 200],
  ["DELETE", "/containers/c2", 204],
  ["POST", "/containers/prune", 200],
  ["GET", "/images/json", 200],
  ["GET", "/images/host:5000/a/b/json", 200],
  ["GET", "/images/nope/json", 404],
  ["GET", "/images/b/history", 200],
  ["DELETE", "/images/b", 200],
  ["POST", "/images/prune", 200],
  ["POST", "/build/prune", 200],
  ["GET", "/networks", 200],
  ["GET", "/networks/bridge", 200],
  ["GET", "/networks/nope", 404],
  ["POST", "/volumes/create", 201, { json: { Name: "v" } }],
  ["GET", "/volumes", 200],
  ["GET", "/volumes/v", 200],
  ["DELETE", "/volumes/v", 204],
  ["GET", "/volumes/v", 404],
  ["POST", "/volumes/prune", 200],
  ["GET", "/info", 200],
  ["GET", "/version", 200],
  ["GET", "/system/df", 200],
];

test.skipIf(!HAVE_SPEC)("every answer has the status and the shape that the specification gives it", async () => {
  const validator = loadSpecValidator();
  const api = createApi(fakeBackend());
  const findings: string[] = [];
  for (const [method, target, status, options] of EXCHANGES) {
    const answer = await api(testRequest(method, `/v1.51${target}`, options).request);
    const text = await bodyText(answer);
    if (answer.status !== status) findings.push(`${method} ${target}: ${answer.status} ${text}, expected ${status}`);
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    const wrong = validator.validateResponse(method, `/v1.51${target}`, answer.status, body);
    findings.push(...wrong.map((line) => `${method} ${target}: ${line}`));
  }
  expect(findings).toEqual([]);
});

test.skipIf(!HAVE_SPEC)("the validator finds what is wrong", () => {
  const validator = loadSpecValidator();
  const volume = { Name: "v", Driver: "local", Mountpoint: "/v", Labels: {}, Scope: "local", Options: {} };
  const of = (body: unknown): string[] => validator.validateResponse("GET", "/v1.51/volumes/v?x=1", 200, body);
  expect(of(volume)).toEqual([]);
  expect(of({ ...volume, Scope: "moon" })[0]).toContain("/Scope must be equal to one of the allowed values");
  expect(of({ ...volume, Name: undefined })[0]).toContain("must have required property 'Name'");
  expect(of({ ...volume, Labels: { a: 1 } })[0]).toContain("/Labels/a must be string");
  expect(of({ ...volume, Options: null })[0]).toContain("/Options must be object");
  const lenient = loadSpecValidator({ goNulls: true });
  expect(lenient.validateResponse("GET", "/volumes/v", 200, { ...volume, Options: null })).toEqual([]);
  expect(validator.validateResponse("GET", "/volumes/v", 201, volume)[0]).toContain("has no answer 201");
  expect(validator.validateResponse("GET", "/berth", 200, {})[0]).toContain("is not in the specification");
  expect(validator.validateRequest("POST", "/containers/create", { Image: "a", HostConfig: { Memory: 1 } })).toEqual(
    [],
  );
  expect(validator.validateRequest("POST", "/containers/create", { Image: 1 })[0]).toContain("/Image must be string");
});

test.skipIf(!HAVE_SPEC)("every path of the specification is answered: by a route, 501 by name, or 503", async () => {
  const { parse } = await import("yaml");
  const { SPEC_PATH } = await import("../../src/testing/spec-validator.ts");
  const spec = parse(await Bun.file(SPEC_PATH).text()) as { paths: Record<string, Record<string, unknown>> };
  const api = createApi(fakeBackend());
  const lost: string[] = [];
  for (const [template, operations] of Object.entries(spec.paths)) {
    const path = template.replace(/\{[^}]+\}/g, "x");
    for (const method of Object.keys(operations).filter((m) => m !== "parameters")) {
      const { request } = testRequest(method.toUpperCase(), path, { signal: AbortSignal.abort() });
      const answer = await api(request);
      if (answer.body.kind !== "stream" && (await bodyText(answer)).includes("page not found")) {
        lost.push(`${method} ${template}`);
      }
    }
  }
  expect(lost).toEqual([]);
});
