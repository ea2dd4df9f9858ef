import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { digestOf } from "../../../spec/digest.ts";
import { MediaType } from "../../../spec/oci.ts";
import {
  overSocket,
  pushBlob,
  pushImage,
  pushManifest,
  type RegistryKit,
  registryKit,
} from "../../../testing/registry-kit.ts";

// OCI distribution-spec 1.1, "Content Management": deletes of tags, manifests and blobs; and the form of every error.

const NONE = `sha256:${"0".repeat(64)}`;

describe.each(["call", "socket"])("%s:", (mode) => {
  let kit: RegistryKit;
  beforeEach(() => {
    kit = registryKit();
    if (mode === "socket") kit = overSocket(kit);
  });
  afterEach(() => kit[Symbol.asyncDispose]());

  const status = async (method: string, path: string): Promise<number> => (await kit.ask(method, path)).status;
  const code = async (answer: Response): Promise<unknown> => {
    const { errors } = (await answer.json()) as { errors: { code: string }[] };
    return [answer.status, errors[0]?.code];
  };

  test("a tag goes alone, at once; its manifest and its other tags stay", async () => {
    const { digest } = await pushImage(kit, { repository: "a", tag: "1" }, { layers: ["x"] });
    await pushImage(kit, { repository: "a", tag: "2" }, { layers: ["x"] });
    expect(await status("DELETE", "a/manifests/1")).toBe(202);
    expect(await status("HEAD", "a/manifests/1")).toBe(404);
    expect([await status("GET", "a/manifests/2"), await status("GET", `a/manifests/${digest}`)]).toEqual([200, 200]);
    expect(await code(await kit.ask("DELETE", "a/manifests/1"))).toEqual([404, "MANIFEST_UNKNOWN"]);
  });

  test("a manifest goes with all its tags, at once; its blobs stay until they are deleted", async () => {
    const image = await pushImage(kit, { repository: "a", tag: "1" }, { layers: ["x"] });
    await pushImage(kit, { repository: "a", tag: "2" }, { layers: ["x"] });
    await pushImage(kit, { repository: "a", tag: "other" }, { layers: ["y"] });
    expect(await status("DELETE", `a/manifests/${image.digest}`)).toBe(202);
    for (const target of ["1", "2", image.digest]) expect(await status("GET", `a/manifests/${target}`)).toBe(404);
    expect(await (await kit.ask("GET", "a/tags/list")).json()).toMatchObject({ tags: ["other"] });
    expect(await status("HEAD", `a/blobs/${image.layers[0]}`)).toBe(200);
    expect(await status("DELETE", `a/blobs/${image.layers[0]}`)).toBe(202);
    expect(await status("HEAD", `a/blobs/${image.layers[0]}`)).toBe(404);
    expect(await status("GET", `a/blobs/${image.layers[0]}`)).toBe(404);
    expect(await code(await kit.ask("DELETE", `a/blobs/${image.layers[0]}`))).toEqual([404, "BLOB_UNKNOWN"]);
    expect(await code(await kit.ask("DELETE", `a/manifests/${image.digest}`))).toEqual([404, "MANIFEST_UNKNOWN"]);
  });

  test("what is deleted can be pushed again", async () => {
    const image = await pushImage(kit, { repository: "a", tag: "1" }, { layers: ["x"] });
    await kit.ask("DELETE", `a/manifests/${image.digest}`);
    for (const digest of [image.config, ...image.layers]) await kit.ask("DELETE", `a/blobs/${digest}`);
    expect(await pushImage(kit, { repository: "a", tag: "1" }, { layers: ["x"] })).toEqual(image);
    expect(await status("GET", "a/manifests/1")).toBe(200);
  });

  test("a blob that a manifest names is not deleted, in this repository", async () => {
    const image = await pushImage(kit, { repository: "a", tag: "1" }, { layers: ["x"] });
    await pushBlob(kit, "b", Buffer.from("x"));
    const path = `a/blobs/${image.layers[0]}`;
    expect(await code(await kit.ask("DELETE", path))).toEqual([405, "DENIED"]);
    expect(await status("DELETE", `b/blobs/${image.layers[0]}`)).toBe(202);
    expect(await (await kit.ask("GET", path)).text()).toBe("x");
  });

  test("a manifest that an index names is not deleted before the index", async () => {
    const image = await pushImage(kit, { repository: "a", tag: "1" }, { layers: ["x"] });
    const size = Number((await kit.ask("HEAD", "a/manifests/1")).headers.get("content-length"));
    const index = {
      schemaVersion: 2,
      mediaType: MediaType.index,
      manifests: [{ mediaType: MediaType.manifest, digest: image.digest, size }],
    };
    expect((await pushManifest(kit, { repository: "a", tag: "all" }, index)).status).toBe(201);
    expect(await code(await kit.ask("DELETE", `a/manifests/${image.digest}`))).toEqual([403, "DENIED"]);
    expect(await status("DELETE", `a/manifests/${digestOf(Buffer.from(JSON.stringify(index)))}`)).toBe(202);
    expect(await status("DELETE", `a/manifests/${image.digest}`)).toBe(202);
  });

  test("every error has the specification's form", async () => {
    const image = JSON.stringify({ schemaVersion: 2 });
    const json = { "Content-Type": MediaType.manifest };
    const upload = "00000000-0000-4000-8000-000000000000";
    const asked: [string, string, number, string, { body?: string; headers?: Record<string, string> }?][] = [
      ["GET", `a/blobs/${NONE}`, 404, "BLOB_UNKNOWN"],
      ["PATCH", `a/blobs/uploads/${upload}`, 404, "BLOB_UPLOAD_UNKNOWN", { body: "x" }],
      ["PUT", `a/blobs/uploads/${upload}?digest=${NONE}`, 404, "BLOB_UPLOAD_UNKNOWN", { body: "x" }],
      ["GET", "a/blobs/uploads/no-id", 404, "BLOB_UPLOAD_UNKNOWN"],
      ["GET", "a/blobs/sha256:short", 400, "DIGEST_INVALID"],
      ["POST", `a/blobs/uploads/?digest=${NONE}`, 400, "DIGEST_INVALID", { body: "x" }],
      ["PUT", "a/manifests/1", 400, "MANIFEST_INVALID", { body: "{", headers: json }],
      ["PUT", "a/manifests/1", 400, "MANIFEST_INVALID", { body: "[]", headers: json }],
      ["PUT", `a/manifests/${NONE}`, 400, "DIGEST_INVALID", { body: image, headers: json }],
      ["GET", `a/manifests/${NONE}`, 404, "MANIFEST_UNKNOWN"],
      ["GET", "UPPER/manifests/1", 400, "NAME_INVALID"],
      ["GET", "a/tags/list", 404, "NAME_UNKNOWN"],
      ["GET", "a/tags/list?n=x", 400, "UNSUPPORTED"],
      ["PUT", "a/tags/list", 405, "UNSUPPORTED", { body: "x" }],
      ["DELETE", "a/blobs/uploads/", 405, "UNSUPPORTED"],
      ["POST", "", 405, "UNSUPPORTED"],
      ["GET", "a/nothing/here", 404, "UNSUPPORTED"],
    ];
    for (const [method, path, expected, name, init] of asked) {
      const answer = await kit.ask(method, path, init);
      const body = (await answer.json()) as { errors: Record<string, unknown>[] };
      expect([method, path, answer.status, body.errors[0]?.["code"]]).toEqual([method, path, expected, name]);
      expect(answer.headers.get("content-type")).toStartWith("application/json");
      expect(Object.keys(body)).toEqual(["errors"]);
      expect(body.errors[0]?.["message"]).toMatch(/^[^\n]+$/);
      if (expected === 405) expect(answer.headers.get("allow")).toMatch(/^[A-Z, ]+$/);
    }
  });
});
