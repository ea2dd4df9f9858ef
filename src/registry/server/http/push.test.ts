import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { overSocket, pushBlob, type RegistryKit, registryKit } from "../../../testing/registry-kit.ts";

// OCI distribution-spec 1.1, "Push": every way a blob may come, each by both digest algorithms, without a socket and over one.

type Algorithm = "sha256" | "sha512";
const digestBy = (algorithm: Algorithm, bytes: Buffer): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;

const MODES = ["call", "socket"].flatMap((mode) => (["sha256", "sha512"] as const).map((a) => [mode, a] as const));

describe.each(MODES)("%s, %s:", (mode, algorithm) => {
  let kit: RegistryKit;
  let bytes: Buffer;
  let digest: string;
  beforeEach(() => {
    kit = registryKit();
    if (mode === "socket") kit = overSocket(kit);
    bytes = randomBytes(1000);
    digest = digestBy(algorithm, bytes);
  });
  afterEach(() => kit[Symbol.asyncDispose]());

  /** A new session, as a path behind `/v2/`. */
  async function begin(repository = "a/b"): Promise<string> {
    const answer = await kit.ask("POST", `${repository}/blobs/uploads/`, { headers: { "Content-Length": "0" } });
    expect(answer.status).toBe(202);
    return pathOf(answer);
  }
  const pathOf = (answer: Response): string => (answer.headers.get("location") ?? "").replace(/^\/v2\//, "");
  const chunk = (from: number, to: number) => ({
    body: bytes.subarray(from, to),
    headers: { "Content-Range": `${from}-${to - 1}`, "Content-Type": "application/octet-stream" },
  });
  /** The answer says where the blob is, and there it is, whole. */
  async function expectThere(answer: Response, repository = "a/b"): Promise<void> {
    expect(answer.status).toBe(201);
    expect(answer.headers.get("docker-content-digest")).toBe(digest);
    expect(pathOf(answer)).toBe(`${repository}/blobs/${digest}`);
    const got = await kit.ask("GET", pathOf(answer));
    expect(got.status).toBe(200);
    expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true);
    const head = await kit.ask("HEAD", pathOf(answer));
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "1000", ""]);
    expect(head.headers.get("docker-content-digest")).toBe(digest);
  }
  const codes = async (answer: Response): Promise<[number, string]> => {
    const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] };
    expect(errors[0]?.message).toBeString();
    return [answer.status, errors[0]?.code ?? ""];
  };

  test("POST alone", async () => {
    await expectThere(await kit.ask("POST", `a/b/blobs/uploads/?digest=${digest}`, { body: bytes }));
    const encoded = encodeURIComponent(digest);
    await expectThere(await kit.ask("POST", `a/b/blobs/uploads/?digest=${encoded}`, { body: bytes }));
  });

  test("POST, then PUT with all of it", async () => {
    const session = await begin();
    await expectThere(await kit.ask("PUT", `${session}?digest=${digest}`, { body: bytes }));
    expect(await codes(await kit.ask("GET", session))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test("a session tells its id, and that nothing has come", async () => {
    const answer = await kit.ask("POST", "a/b/blobs/uploads/");
    const id = answer.headers.get("docker-upload-uuid");
    expect(pathOf(answer)).toBe(`a/b/blobs/uploads/${id}`);
    expect(answer.headers.get("range")).toBe("0-0");
    expect(answer.headers.get("docker-distribution-api-version")).toBe("registry/2.0");
  });

  test.each([false, true])("PATCH chunk by chunk, the last one with PUT: %p", async (putsLast) => {
    let session = await begin();
    for (const [from, to] of [
      [0, 400],
      [400, 800],
      [800, 1000],
    ] as const) {
      if (putsLast && to === 1000) break;
      const answer = await kit.ask("PATCH", session, chunk(from, to));
      expect([answer.status, answer.headers.get("range")]).toEqual([202, `0-${to - 1}`]);
      session = pathOf(answer);
      const status = await kit.ask("GET", session);
      expect([status.status, status.headers.get("range"), await status.text()]).toEqual([204, `0-${to - 1}`, ""]);
      expect(pathOf(status)).toBe(session);
    }
    const last = putsLast ? chunk(800, 1000) : { headers: { "Content-Length": "0" } };
    await expectThere(await kit.ask("PUT", `${session}?digest=${digest}`, last));
  });

  test("a chunk out of order is refused with where to go on, and the right one is taken then", async () => {
    const session = await begin();
    const early = await kit.ask("PATCH", session, chunk(400, 800));
    expect(early.headers.get("range")).toBe("0-0");
    expect(pathOf(early)).toBe(session);
    expect(await codes(early)).toEqual([416, "RANGE_INVALID"]);
    expect((await kit.ask("PATCH", session, chunk(0, 400))).status).toBe(202);
    for (const [from, to] of [
      [0, 400],
      [800, 1000],
      [300, 700],
    ] as const) {
      const wrong = await kit.ask("PATCH", session, chunk(from, to));
      expect([wrong.status, wrong.headers.get("range")]).toEqual([416, "0-399"]);
    }
    const put = await kit.ask("PUT", `${session}?digest=${digest}`, chunk(800, 1000));
    expect([put.status, put.headers.get("range")]).toEqual([416, "0-399"]);
    expect((await kit.ask("GET", session)).headers.get("range")).toBe("0-399");
    await expectThere(await kit.ask("PUT", `${session}?digest=${digest}`, chunk(400, 1000)));
  });

  test("a stream without lengths", async () => {
    const session = await begin();
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(bytes.subarray(sent, sent + 300));
        sent += 300;
        if (sent >= 1000) controller.close();
      },
    });
    const answer = await kit.ask("PATCH", session, { body } as unknown as { body: Buffer });
    expect([answer.status, answer.headers.get("range")]).toEqual([202, "0-999"]);
    await expectThere(await kit.ask("PUT", `${session}?digest=${digest}`));
  });

  test("what a dead connection brought counts, and the rest follows", async () => {
    const session = await begin();
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent === 600) return controller.error(new Error("the network is gone"));
        controller.enqueue(bytes.subarray(sent, sent + 300));
        sent += 300;
      },
    });
    const cut = await kit.ask("PATCH", session, { body } as unknown as { body: Buffer }).catch(() => undefined);
    expect(cut?.status ?? 400).toBe(400);
    const came = (answer: Response): number => Number(answer.headers.get("range")?.split("-")[1]);
    let from = came(await kit.ask("GET", session)) + 1;
    // An empty session looks like one of a single byte; and what was sent last may arrive after the question.
    for (let answer = await kit.ask("PATCH", session, chunk(from, from + 1)); answer.status === 416; ) {
      from = came(answer) + (from === 1 ? 0 : 1);
      answer = await kit.ask("PATCH", session, chunk(from, from + 1));
    }
    from += 1;
    await expectThere(await kit.ask("PUT", `${session}?digest=${digest}`, chunk(from, 1000)));
  });

  test("a session is cancelled", async () => {
    const session = await begin();
    expect((await kit.ask("PATCH", session, chunk(0, 400))).status).toBe(202);
    expect((await kit.ask("DELETE", session)).status).toBe(204);
    for (const method of ["GET", "DELETE", "PATCH"])
      expect(await codes(await kit.ask(method, session))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
    expect(await codes(await kit.ask("PUT", `${session}?digest=${digest}`, { body: bytes }))).toEqual([
      404,
      "BLOB_UPLOAD_UNKNOWN",
    ]);
  });

  test("a session is its repository's alone", async () => {
    const session = await begin("a/b");
    const elsewhere = session.replace("a/b", "a/c");
    expect((await kit.ask("GET", elsewhere)).status).toBe(404);
    expect((await kit.ask("PATCH", elsewhere, { body: "x" })).status).toBe(404);
    expect((await kit.ask("DELETE", elsewhere)).status).toBe(404);
    expect((await kit.ask("GET", session)).status).toBe(204);
  });

  test("mounted from where it is; sent where it is not", async () => {
    const path = `from/here/blobs/uploads/?digest=${digest}`;
    expect((await kit.ask("POST", path, { body: bytes })).status).toBe(201);
    await expectThere(await kit.ask("POST", `a/b/blobs/uploads/?mount=${digest}&from=from/here`), "a/b");
    await expectThere(
      await kit.ask("POST", `a/c/blobs/uploads/?from=from%2Fhere&mount=${encodeURIComponent(digest)}`),
      "a/c",
    );
    const missing = await kit.ask("POST", `a/d/blobs/uploads/?mount=${digest}&from=not/there`);
    expect(missing.status).toBe(202);
    await expectThere(await kit.ask("PUT", `${pathOf(missing)}?digest=${digest}`, { body: bytes }), "a/d");
  });

  test("mounted from anywhere where no place is named", async () => {
    expect((await kit.ask("POST", `a/e/blobs/uploads/?mount=${digest}`)).status).toBe(202);
    await kit.ask("POST", `from/here/blobs/uploads/?digest=${digest}`, { body: bytes });
    await expectThere(await kit.ask("POST", `a/e/blobs/uploads/?mount=${digest}`), "a/e");
  });

  test.each(["", "{}"])("the well-known content %p", async (text) => {
    bytes = Buffer.from(text);
    digest = digestBy(algorithm, bytes);
    const session = await begin();
    const answer = await kit.ask("PUT", `${session}?digest=${digest}`, { body: bytes });
    expect(answer.status).toBe(201);
    const got = await kit.ask("GET", pathOf(answer));
    expect([got.status, got.headers.get("content-length"), await got.text()]).toEqual([200, String(text.length), text]);
    const head = await kit.ask("HEAD", pathOf(answer));
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(text.length)]);
    const alone = await kit.ask("POST", `a/b/blobs/uploads/?digest=${digest}`, text === "" ? {} : { body: text });
    expect(alone.status).toBe(201);
  });

  test("content of another digest is refused in every way, and nothing is there then", async () => {
    const wrong = Buffer.concat([bytes, Buffer.from("oh no")]);
    const query = `?digest=${digest}`;
    expect(await codes(await kit.ask("POST", `a/b/blobs/uploads/${query}`, { body: wrong }))).toEqual([
      400,
      "DIGEST_INVALID",
    ]);
    const put = await begin();
    expect((await kit.ask("PUT", put + query, { body: wrong })).status).toBe(400);
    const patched = await begin();
    expect((await kit.ask("PATCH", patched, { body: wrong })).status).toBe(202);
    expect(await codes(await kit.ask("PUT", patched + query))).toEqual([400, "DIGEST_INVALID"]);
    const both = await begin();
    expect((await kit.ask("PATCH", both, { body: wrong.subarray(0, 500) })).status).toBe(202);
    expect((await kit.ask("PUT", both + query, { body: wrong.subarray(500) })).status).toBe(400);
    expect(await codes(await kit.ask("GET", `a/b/blobs/${digest}`))).toEqual([404, "BLOB_UNKNOWN"]);
    for (const session of [put, patched, both]) expect((await kit.ask("GET", session)).status).toBe(404);
  });

  test("a digest that is none is refused before anything is read", async () => {
    const session = await begin();
    for (const bad of [
      "sha256:baddigeststring",
      "md5:d41d8cd98f00b204e9800998ecf8427e",
      "",
      "sha256",
      digest.toUpperCase(),
    ]) {
      for (const [method, path] of [
        ["PUT", `${session}?digest=${encodeURIComponent(bad)}`],
        ["POST", `a/b/blobs/uploads/?digest=${encodeURIComponent(bad)}`],
        ["POST", `a/b/blobs/uploads/?mount=${encodeURIComponent(bad)}&from=a/c`],
      ] as const)
        expect(await codes(await kit.ask(method, path, { body: bytes }))).toEqual([400, "DIGEST_INVALID"]);
    }
    expect(await codes(await kit.ask("PUT", session, { body: bytes }))).toEqual([400, "DIGEST_INVALID"]);
    expect((await kit.ask("GET", session)).status).toBe(204);
  });
});

test("the bytes of one blob are kept once, however often and wherever they are pushed", async () => {
  await using kit = registryKit();
  const digest = await pushBlob(kit, "a", Buffer.from("same"));
  await pushBlob(kit, "a", Buffer.from("same"));
  await pushBlob(kit, "b", Buffer.from("same"));
  const data: string[] = [];
  for await (const { id } of kit.storage.data.list()) data.push(id);
  expect(data).toHaveLength(1);
  expect(await (await kit.ask("GET", `b/blobs/${digest}`)).text()).toBe("same");
});
