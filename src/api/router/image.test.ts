import { expect, test } from "bun:test";
import { bodyText, testRequest } from "../../testing/api-request.ts";
import { fakeBackend } from "../../testing/fake-backend.ts";
import { createApi } from "../api.ts";

// What requests on images become, by the version of the API that they are made in.

const AMD64 = encodeURIComponent('{"os":"linux","architecture":"amd64"}');
const S390X = encodeURIComponent('{"os":"linux","architecture":"s390x"}');

/** The status, or the error's message, and the options that the backend got last. */
async function ask(line: string): Promise<{ answer: number | string; options: unknown }> {
  const backend = fakeBackend();
  const [method = "", target = ""] = line.split(" ");
  const answer = await createApi(backend)(testRequest(method, target).request);
  const text = await bodyText(answer);
  const { message } = answer.status >= 400 ? (JSON.parse(text) as { message: string }) : { message: answer.status };
  const args = backend.state.calls.at(-1) ?? [];
  return { answer: message, options: args.at(-1) };
}

test.each([
  ["GET /v1.51/images/json?shared-size=1&manifests=true", { sharedSize: true, manifests: true }],
  ["GET /v1.46/images/json?shared-size=1&manifests=true", { sharedSize: true, manifests: false }],
  ["GET /v1.41/images/json?shared-size=1&manifests=true", { sharedSize: false, manifests: false }],
  ["GET /v1.51/images/json", { sharedSize: false, manifests: false }],
  ["GET /v1.48/images/b/json?manifests=1", { manifests: true }],
  ["GET /v1.47/images/b/json?manifests=1", { manifests: false }],
  [`GET /v1.49/images/b/json?platform=${AMD64}`, { manifests: false, platform: "linux/amd64" }],
  [`GET /v1.48/images/b/json?platform=${AMD64}&manifests=1`, { manifests: true }],
  [`GET /v1.48/images/b/history?platform=${AMD64}`, { platform: "linux/amd64" }],
  [`GET /v1.47/images/b/history?platform=bad`, {}],
  [`DELETE /v1.50/images/b?platforms=${S390X}&force=1`, { force: true, noprune: false, platform: "linux/s390x" }],
  [`DELETE /v1.49/images/b?platforms=bad&noprune=1`, { force: false, noprune: true }],
])("%s", async (line, options) => {
  expect(await ask(line)).toMatchObject({ answer: 200, options });
});

test.each([
  [
    `GET /images/b/json?platform=${AMD64}&manifests=1`,
    "conflicting options: manifests and platform options cannot both be set",
  ],
  [`DELETE /images/b?platforms=${S390X}&platforms=${AMD64}`, "multiple platforms are not supported"],
  ["DELETE /images/b?platforms={}", "both OS and Architecture must be provided"],
  [`GET /images/b/get?platform=${S390X}&platform=${AMD64}`, "multiple platform parameters not supported"],
  [`POST /images/load?platform=${S390X}&platform=${AMD64}`, "multiple platform parameters not supported"],
  ["POST /images/load?platform=bad", "failed to parse platform: invalid character 'b' looking for beginning of value"],
  [
    "POST /images/b/push?platform=bad",
    "failed to parse platform: invalid character 'b' looking for beginning of value",
  ],
  ["POST /images/create?fromImage=b&platform=bad", '"bad": unknown operating system or architecture: invalid argument'],
  [
    "POST /images/create?fromImage=b&platform=linux/amd64,linux/arm64",
    '"amd64,linux" is an invalid component of "linux/amd64,linux/arm64": platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument',
  ],
  ["POST /v1.31/images/create?fromImage=b&platform=bad", "pulling b is not implemented by this fake"],
])("%s: %s", async (line, words) => {
  expect((await ask(line)).answer).toBe(words);
});
