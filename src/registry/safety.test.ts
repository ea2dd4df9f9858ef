import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, isIPv4 } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { runOk } from "../host/spawn.ts";
import { digestOf } from "../spec/digest.ts";
import { parseReference } from "../spec/reference.ts";
import { openRegistryClient } from "./client.ts";
import { unreachable } from "./failure.ts";
import { guardedFetch } from "./guard.ts";
import { refuseDowngrade, refuseInward } from "./inward.ts";
import type { RegistryOptions, Repository } from "./types.ts";

// Registries that lead elsewhere, want the credentials sent elsewhere, or show a certificate that proves nothing.

const OPTIONS: RegistryOptions = {
  ...{ mirrors: [], insecure: [], certsDirs: [], userAgent: "test" },
  retry: { attempts: 1, waitMs: 1 },
};
const CREDENTIALS = { username: "me", password: "secret" };
const BLOB = Buffer.from("a blob\n");
const DIGEST = digestOf(BLOB);
/** An address of this machine that is not the loopback one, if it has any. */
const OUTER = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ address, internal }) => !internal && isIPv4(address))?.address;

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
interface Host {
  host: string;
  port: number;
  seen: { path: string; authorization: string | undefined }[];
  routes: Record<string, Answer>;
}
const servers: Server[] = [];

async function serve(address = "127.0.0.1", tls?: { key: string; cert: string }): Promise<Host> {
  const made: Host = { host: "", port: 0, seen: [], routes: { "/v2/": (_, r) => r.end("{}") } };
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    made.seen.push({ path: request.url ?? "", authorization: request.headers.authorization });
    request.resume();
    const route = made.routes[path];
    if (route) route(request, response);
    else response.writeHead(404).end("{}");
  };
  const server = tls ? (createTlsServer(tls, answer) as unknown as Server) : createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, address === OUTER ? "0.0.0.0" : address, resolve));
  servers.push(server);
  made.port = (server.address() as AddressInfo).port;
  made.host = `${address}:${made.port}`;
  return made;
}

function repository({ host }: Pick<Host, "host">, options: Partial<RegistryOptions> = {}): Repository {
  const client = openRegistryClient({ ...OPTIONS, ...options });
  return client.repository(parseReference(`${host}/app:1`), { push: true, credentials: CREDENTIALS });
}

async function wordsOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    (value) => `no error: ${String(value)}`,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}
const blobOf = async (from: Repository): Promise<string> => {
  const parts: Uint8Array[] = [];
  for await (const part of await from.blob(DIGEST, { size: BLOB.length })) parts.push(part);
  return Buffer.concat(parts).toString();
};

let registry: Host;
let other: Host;
beforeEach(async () => {
  registry = await serve();
  other = await serve();
});
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** Asks for a token, which `realm` gives. */
const guarded = (realm: string): Answer => {
  return (request, response) => {
    if (request.headers.authorization) return void response.end("{}");
    response.writeHead(401, { "WWW-Authenticate": `Bearer realm="${realm}",service="s"` }).end("{}");
  };
};
const token =
  (value: object): Answer =>
  (_, response) =>
    void response.end(JSON.stringify(value));

describe("a token stays with the host that it is for", () => {
  beforeEach(() => {
    registry.routes["/v2/"] = guarded(`http://${registry.host}/token`);
    registry.routes["/token"] = token({ token: "good", expires_in: 300 });
  });

  test("when a blob is at another host, and when an upload is to go there", async () => {
    registry.routes[`/v2/app/blobs/${DIGEST}`] = (_, r) =>
      r.writeHead(307, { Location: `http://${other.host}/elsewhere` }).end();
    other.routes["/elsewhere"] = (_, r) => r.end(BLOB);
    registry.routes["/v2/app/blobs/uploads/"] = (_, r) =>
      r.writeHead(202, { Location: `http://${other.host}/upload` }).end();
    other.routes["/upload"] = (q, r) => q.on("end", () => r.writeHead(q.method === "PUT" ? 201 : 202).end());
    const app = repository(registry);
    expect(await blobOf(app)).toBe("a blob\n");
    await app.uploadBlob(DIGEST, (from) => chunks(BLOB.subarray(from)), { size: BLOB.length });
    expect(registry.seen.some(({ authorization }) => authorization === "Bearer good")).toBe(true);
    expect(other.seen.map(({ authorization }) => authorization)).toEqual([undefined, undefined, undefined]);
  });

  test("which gets it where it leads to another place of its own, but not outside of its API", async () => {
    registry.routes[`/v2/app/blobs/${DIGEST}`] = (_, r) => r.writeHead(307, { Location: "/v2/app/moved" }).end();
    registry.routes["/v2/app/moved"] = (_, r) => r.writeHead(302, { Location: "/files/blob?signed=1" }).end();
    registry.routes["/files/blob"] = (_, r) => r.end(BLOB);
    expect(await blobOf(repository(registry))).toBe("a blob\n");
    const by = Object.fromEntries(registry.seen.map(({ path, authorization }) => [path, authorization]));
    expect([by["/v2/app/moved"], by["/files/blob?signed=1"]]).toEqual(["Bearer good", undefined]);
  });

  test("when a layer's own addresses are asked, which may lead on, but not to what is no web address", async () => {
    other.routes["/layer"] = (_, r) => r.writeHead(302, { Location: "/moved" }).end();
    other.routes["/moved"] = (_, r) => r.end(BLOB);
    const app = repository(registry);
    await app.hasBlob(DIGEST);
    const foreign = async (...urls: string[]): Promise<string> => {
      let text = "";
      for await (const part of await app.foreignBlob(DIGEST, urls, { size: BLOB.length })) text += Buffer.from(part);
      return text;
    };
    expect(await foreign(`http://${other.host}/none`, `http://${other.host}/layer`)).toBe("a blob\n");
    expect(other.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
    for (const url of ["file:///etc/passwd", "nothing", `http://me:secret@${other.host}/layer`, "ftp://x/y"])
      expect(await wordsOf(foreign(url))).toMatch(/address is (none|not asked)/);
    other.routes["/layer"] = (_, r) => r.writeHead(302, { Location: "file:///etc/passwd" }).end();
    expect(await wordsOf(foreign(`http://${other.host}/layer`))).toContain("refusing to follow it to file://");
    expect(await wordsOf(foreign(`http://${other.host}/none`))).toContain(`${other.host} answered 404`);
  });
});

describe("tokens and clocks", () => {
  const tokens = (): number => registry.seen.filter(({ path }) => path.startsWith("/token")).length;
  test.each([
    ["issued in the future, by the server's clock", { issued_at: "2099-01-01T00:00:00Z", expires_in: 300 }, 1],
    ["issued long ago, by the server's clock", { issued_at: "2001-01-01T00:00:00Z", expires_in: 300 }, 1],
    ["that says nothing of its life", {}, 1],
    ["that lives for a moment", { expires_in: 0.001 }, 2],
    ["whose life is no number", { expires_in: "soon" }, 1],
  ])("one %s", async (_, more, times) => {
    registry.routes["/v2/"] = guarded(`http://${registry.host}/token`);
    registry.routes["/token"] = token({ token: "good", ...more });
    registry.routes[`/v2/app/blobs/${DIGEST}`] = (_q, r) => r.end(BLOB);
    const app = repository(registry);
    await app.hasBlob(DIGEST);
    await Bun.sleep(2);
    await app.hasBlob(DIGEST);
    expect(tokens()).toBe(times);
  });

  test("one that the registry does not take any more is fetched anew, once", async () => {
    let valid = "first";
    const guard: Answer = (request, response) => {
      if (request.headers.authorization === `Bearer ${valid}`) return void response.end(BLOB);
      response.writeHead(401, { "WWW-Authenticate": `Bearer realm="http://${registry.host}/token"` }).end("{}");
    };
    registry.routes["/v2/"] = guard;
    registry.routes[`/v2/app/blobs/${DIGEST}`] = guard;
    registry.routes["/token"] = (_, r) => r.end(JSON.stringify({ token: valid, expires_in: 300 }));
    const app = repository(registry);
    expect(await blobOf(app)).toBe("a blob\n");
    valid = "second";
    expect(await blobOf(app)).toBe("a blob\n");
    registry.routes["/token"] = token({ token: "useless", expires_in: 300 });
    valid = "third";
    expect(await wordsOf(blobOf(app))).toContain("app");
    expect(tokens()).toBe(3);
  });

  test("a token server without an address, or one that the credentials must not go to", async () => {
    for (const realm of ["nothing", "file:///etc/passwd"]) {
      registry.routes["/v2/"] = guarded(realm);
      expect(await wordsOf(repository(registry).hasBlob(DIGEST))).toContain("no address of the web");
    }
  });
});

describe("addresses of this machine", () => {
  test.each([
    "http://127.0.0.1/x",
    "http://127.9.9.9:1/x",
    "http://localhost:5000/x",
    "http://a.localhost/x",
    "http://[::1]/x",
    "http://[::ffff:127.0.0.1]/x",
    "http://169.254.169.254/latest/meta-data",
    "http://[fe80::1]/x",
    "http://0.0.0.0/x",
    "http://2130706433/x",
    "http://localhost./x",
  ])("%s is not asked for a registry elsewhere, but for one that is there itself", async (url) => {
    expect(await wordsOf(refuseInward(url, "http://192.0.2.1:5000"))).toMatch(
      /^192.0.2.1:5000: refusing.*this machine/,
    );
    await refuseInward(url, "http://127.0.0.1:5000");
    await refuseInward(url, "http://localhost:5000");
  });

  test.each(["http://192.0.2.7/x", "http://10.0.0.1/x", "http://[2001:db8::1]/x", "http://nowhere.invalid/x"])(
    "%s is asked",
    (url) => refuseInward(url, "http://192.0.2.1:5000"),
  );

  test.skipIf(!OUTER)(
    "redirects, uploads, token servers and layers' own addresses that lead there are refused",
    async () => {
      const outer = await serve(OUTER);
      const insecure = { insecure: [outer.host] };
      const inside = `http://${other.host}/inside`;
      other.routes["/inside"] = (_, r) => r.end(BLOB);
      outer.routes[`/v2/app/blobs/${DIGEST}`] = (_, r) => r.writeHead(307, { Location: inside }).end();
      outer.routes["/v2/app/blobs/uploads/"] = (_, r) => r.writeHead(202, { Location: inside }).end();
      const app = repository(outer, insecure);
      const words = [
        await wordsOf(blobOf(app)),
        await wordsOf(app.uploadBlob(DIGEST, () => chunks(BLOB), { size: BLOB.length })),
        await wordsOf(app.foreignBlob(DIGEST, [inside], { size: BLOB.length })),
      ];
      outer.routes["/v2/"] = guarded(inside);
      words.push(await wordsOf(repository(outer, insecure).hasBlob(DIGEST)));
      for (const one of words) expect(one).toContain(`refusing to follow it to ${other.host}`);
      expect(other.seen).toEqual([]);
    },
  );
});

test("TLS is not given up on the way", () => {
  expect(() => refuseDowngrade("http://a/x", "https://a")).toThrow("refusing to follow it to http://a");
  expect(() => refuseDowngrade("ftp://a/x", "http://a")).toThrow("refusing");
  refuseDowngrade("https://b/x", "http://a");
  refuseDowngrade("http://b/x", "http://a");
});

describe("certificates", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "berth-tls-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A certificate of an authority of its own, for `name`, good for so many days from now on. */
  async function certificate(name: string, days: number): Promise<{ key: string; cert: string; ca: string }> {
    const at = (file: string): string => join(folder, file);
    const ext = at("ext");
    await Bun.write(ext, `subjectAltName=${name}\nbasicConstraints=CA:FALSE\n`);
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    await runOk(["openssl", "req", "-x509", ...key, "-subj", "/CN=ca", "-keyout", at("ca.key"), "-out", at("ca.crt")]);
    await runOk(["openssl", "req", ...key, "-subj", "/CN=it", "-keyout", at("it.key"), "-out", at("it.csr")]);
    const by = ["-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", String(days)];
    await runOk(["openssl", "x509", "-req", "-in", at("it.csr"), ...by, "-extfile", ext, "-out", at("it.crt")]);
    const [keyText, cert, ca] = ["it.key", "it.crt", "ca.crt"].map((file) => readFileSync(at(file), "utf8"));
    return { key: keyText ?? "", cert: cert ?? "", ca: ca ?? "" };
  }

  test.each([
    [
      "of an unknown authority",
      "IP:192.0.2.1,DNS:localhost",
      10,
      false,
      /signed by unknown authority.*certs\.d\/.*insecure-registries/,
    ],
    ["that has expired", "DNS:localhost", -1, true, /certificate has expired.*clock/],
    ["for another name", "DNS:other.example", 10, true, /valid for other names.*use a name/],
    ["that is good", "DNS:localhost", 10, true, /^no error: true$/],
  ])("one %s", async (_, name, days, trusted, words) => {
    const made = await certificate(name, days);
    const secure = await serve("127.0.0.1", made);
    secure.routes[`/v2/app/blobs/${DIGEST}`] = (_q, r) => r.end(BLOB);
    const host = `localhost:${secure.port}`;
    const url = `https://${host}/v2/app/blobs/${DIGEST}`;
    const tls = trusted ? { tls: { ca: [made.ca] } } : {};
    const asked = guardedFetch(url, { method: "GET", ...tls }, 1000).then(
      ({ status }) => status === 200,
      (error: unknown) => {
        throw unreachable(error, { method: "GET", url });
      },
    );
    const said = await wordsOf(asked);
    expect(said).toMatch(words);
    if (!said.startsWith("no error")) expect(said).toContain(host);
    expect(said).not.toContain("\n");
  });
});

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
