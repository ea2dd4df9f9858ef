import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { type HttpServer, serveHttp, type TlsMaterial } from "../../../../host/http-server.ts";
import { runOk } from "../../../../host/spawn.ts";
import { givenTls } from "./given.ts";
import { ownTls } from "./own.ts";
import { followTls } from "./source.ts";

const DAY_MS = 86_400_000;
let folder = "";
let log: string[] = [];
const servers: HttpServer[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-tls-"));
  log = [];
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(0);
  rmSync(folder, { recursive: true });
});

const say = (line: string): void => void log.push(line);
const read = (name: string): string => readFileSync(join(folder, name), "utf8");

function serve(tls: TlsMaterial, handle: () => Promise<Response> = async () => new Response("hello")): HttpServer {
  const server = serveHttp({ host: "127.0.0.1", port: 0, tls, handle });
  servers.push(server);
  return server;
}

/** What the server on that port shows, or how the handshake fails, or the answer to one request. */
function ask(
  port: number,
  options: { ca?: string; servername?: string; cert?: string; key?: string } = {},
): Promise<{ error?: string; serial?: string; text?: string }> {
  return new Promise((resolve) => {
    const { ca, servername = "localhost", cert, key } = options;
    const client = { ...(cert && key ? { cert, key } : {}) };
    let text = "";
    let serial = "";
    const socket: TLSSocket = connect(
      { host: "127.0.0.1", port, servername, ...(ca ? { ca } : { rejectUnauthorized: false }), ...client },
      () => {
        serial = socket.getPeerCertificate().serialNumber;
        socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      },
    );
    socket.on("data", (bytes: Buffer) => (text += bytes.toString()));
    socket.on("error", (error) => resolve({ error: String(error.message) }));
    socket.on("close", () => resolve({ serial, text }));
  });
}

describe("certificates of the registry's own", () => {
  const own = (more: Partial<Parameters<typeof ownTls>[0]> = {}): ReturnType<typeof ownTls> =>
    ownTls({
      folder: join(folder, "tls"),
      hosts: ["localhost", "127.0.0.1", "::1"],
      address: "localhost:5000",
      log: say,
      ...more,
    });

  test("clients that trust the authority trust the server, by each of its names", async () => {
    const { current, advice } = await own({ hosts: ["Registry.Test", "*.sub.test", "127.0.0.1", "::1"] });
    const ca = read("tls/ca.crt");
    const { port } = serve(current);
    for (const servername of ["registry.test", "a.sub.test"]) {
      expect((await ask(port, { ca, servername })).text).toContain("hello");
    }
    expect((await ask(port, { ca, servername: "other.test" })).error).toMatch(/match|altnames/i);
    const certificate = new X509Certificate(current.cert);
    expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(certificate.checkIP("::1")).toBeDefined();
    expect(certificate.ca).toBe(false);
    expect(advice.join()).toContain("mkdir -p /etc/docker/certs.d/localhost:5000 && cp ");
  });

  test("openssl finds them sound, and secrets are for their owner", async () => {
    await own();
    const at = (name: string): string => join(folder, "tls", name);
    const pem = read("tls/server.pem");
    writeFileSync(at("leaf.crt"), pem.slice(pem.indexOf("-----BEGIN CERTIFICATE")));
    const verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "localhost"];
    expect(await runOk([...verify, "-CAfile", at("ca.crt"), at("leaf.crt")])).toContain("OK");
    for (const name of ["ca.key", "server.pem"]) expect(statSync(at(name)).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "tls")).mode & 0o777).toBe(0o700);
    expect(read("tls/ca.crt")).not.toContain("PRIVATE");
    expect(readdirSync(join(folder, "tls")).sort()).toEqual(["ca.crt", "ca.key", "leaf.crt", "server.pem"]);
  });

  test("stay over restarts; other names make another certificate, not another authority", async () => {
    const first = (await own()).current;
    const ca = read("tls/ca.crt");
    expect((await own()).current).toEqual(first);
    const other = (await own({ hosts: ["elsewhere.test"] })).current;
    expect(other.cert).not.toBe(first.cert);
    expect(read("tls/ca.crt")).toBe(ca);
  });

  test("are renewed before they end, while the registry runs", async () => {
    let now = Date.now();
    const source = await own({ now: () => now });
    now += 50 * DAY_MS;
    expect(await source.renewed()).toBeUndefined();
    now += 11 * DAY_MS;
    const renewed = await source.renewed();
    expect(renewed?.cert).toContain("BEGIN CERTIFICATE");
    expect(renewed?.cert).not.toBe(source.current.cert);
    expect(await source.renewed()).toBeUndefined();
  });

  test("who trusts the old authority trusts the next one", async () => {
    await own();
    const before = read("tls/ca.crt");
    const later = Date.now() + 3600 * DAY_MS;
    const { current } = await own({ now: () => later });
    expect(read("tls/ca.crt")).not.toBe(before);
    const { port } = serve(current);
    expect((await ask(port, { ca: before })).text).toContain("hello");
    expect((await ask(port, { ca: read("tls/ca.crt") })).text).toContain("hello");
  });

  test("what a kill or a clumsy hand left is made good", async () => {
    const damages: [string, (at: (name: string) => string) => void][] = [
      ["an authority without its key", (at) => rmSync(at("ca.key"))],
      ["a key without its authority", (at) => rmSync(at("ca.crt"))],
      ["no certificate", (at) => rmSync(at("server.pem"))],
      ["half a certificate", (at) => writeFileSync(at("server.pem"), readFileSync(at("server.pem")).subarray(0, 300))],
      ["an empty authority", (at) => writeFileSync(at("ca.crt"), "")],
      ["an empty key", (at) => writeFileSync(at("ca.key"), "")],
      ["a scratch folder", (at) => mkdirSync(at("new-abcdef"))],
    ];
    for (const [what, damage] of damages) {
      await own();
      damage((name) => join(folder, "tls", name));
      const { current } = await own();
      const { port } = serve(current);
      expect(`${what}: ${(await ask(port, { ca: read("tls/ca.crt") })).text?.split("\r\n")[0]}`).toBe(
        `${what}: HTTP/1.1 200 OK`,
      );
    }
    await own({ hosts: ["scratch.test"] });
    expect(readdirSync(join(folder, "tls")).sort()).toEqual(["ca.crt", "ca.key", "server.pem"]);
  });

  test.each([
    [["a b"], /"a b" is no host's name/],
    [["a,DNS:b"], /no host's name/],
    [["a\nbasicConstraints=CA:TRUE"], /no host's name/],
    [["$ENV::HOME"], /no host's name/],
    [[""], /no host's name/],
    [[], /no host to make/],
    [Array.from({ length: 65 }, (_, i) => `h${i}.test`), /more than 64/],
  ])("hosts that are none: %j", async (hosts, why) => {
    expect(own({ hosts })).rejects.toThrow(why);
    expect(existsSync(join(folder, "tls"))).toBe(false);
  });
});

/** A self-signed pair in the folder. */
async function pair(name: string, days = 30): Promise<{ cert: string; key: string }> {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  await runOk([
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-keyout", key, "-out", cert, "-subj", `/CN=${name}`, "-days", String(days)],
    ...["-addext", "subjectAltName=DNS:localhost"],
  ]);
  return { cert, key };
}

describe("certificates that are given", () => {
  test("others are used when the files change; connections and answers under way go on", async () => {
    const [one, two] = [await pair("one"), await pair("two")];
    const files = { cert: join(folder, "tls.crt"), key: join(folder, "tls.key") };
    const install = (from: { cert: string; key: string }): void => {
      copyFileSync(from.cert, files.cert);
      copyFileSync(from.key, files.key);
    };
    install(one);
    const source = givenTls(files, { log: say });
    const release = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const server = serve(source.current, async () => {
      asked.resolve();
      await release.promise;
      return new Response("hello");
    });
    const end = new AbortController();
    const { poke } = followTls(source, { use: (tls) => server.secure(tls), log: say, signal: end.signal });
    const before = ask(server.port, { ca: readFileSync(one.cert, "utf8") });
    await asked.promise;
    install(two);
    await poke();
    const after = ask(server.port, { ca: readFileSync(two.cert, "utf8") });
    release.resolve();
    expect((await before).text).toContain("hello");
    expect((await after).text).toContain("hello");
    expect((await after).serial).not.toBe((await before).serial);
    expect(log).toEqual(["other certificates are in use from now on"]);
    await poke();
    expect(log).toHaveLength(1);
    end.abort();
  });

  test("half a change waits for the other half", async () => {
    const [one, two] = [await pair("one"), await pair("two")];
    const source = givenTls(one, { log: say });
    const oldCert = readFileSync(one.cert, "utf8");
    copyFileSync(two.cert, one.cert);
    expect(await source.renewed()).toBeUndefined();
    expect(await source.renewed()).toBeUndefined();
    expect(log).toEqual([expect.stringMatching(/one\.key: not the key of the certificate.*stays in use/)]);
    copyFileSync(two.key, one.key);
    const renewed = await source.renewed();
    expect(renewed?.cert).toBe(readFileSync(two.cert, "utf8"));
    expect(renewed?.cert).not.toBe(oldCert);
    rmSync(one.cert);
    expect(await source.renewed()).toBeUndefined();
  });

  test("what is not sound ends the start, and quotes no key", async () => {
    const [one, two] = [await pair("one"), await pair("two")];
    const secret = readFileSync(one.key, "utf8").split("\n")[1] ?? "";
    const open = (files: { cert: string; key: string; clientCa?: string }): string => {
      try {
        givenTls(files, { log: say });
        return "none";
      } catch (error) {
        return String(error);
      }
    };
    const told = [
      open({ cert: one.cert, key: two.key }),
      open({ cert: one.key, key: one.key }),
      open({ cert: one.cert, key: one.cert }),
      open({ cert: join(folder, "nowhere"), key: one.key }),
      open({ ...one, clientCa: one.key }),
    ];
    expect(told[0]).toMatch(/two\.key: not the key of the certificate in .*one\.crt/);
    expect(told[1]).toMatch(/one\.key: no certificate in PEM/);
    expect(told[2]).toMatch(/one\.crt: no private key in PEM/);
    expect(told[3]).toMatch(/nowhere/);
    expect(told[4]).toMatch(/one\.key: no certificate in PEM/);
    expect(told.join()).not.toContain(secret);
  });

  test("one that has ended is told of", async () => {
    const one = await pair("one", 1);
    givenTls(one, { log: say, now: () => Date.now() + 3 * DAY_MS });
    givenTls(one, { log: say, now: () => Date.now() - 3 * DAY_MS });
    expect(log).toEqual([expect.stringMatching(/ended on/), expect.stringMatching(/begins on/)]);
  });

  test("clients have to show one of theirs, where that is asked for", async () => {
    const [server, friend, stranger] = [await pair("server"), await pair("friend"), await pair("stranger")];
    const { current } = givenTls({ ...server, clientCa: friend.cert }, { log: say });
    const { port } = serve(current);
    const as = (who: { cert: string; key: string }) => ({
      cert: readFileSync(who.cert, "utf8"),
      key: readFileSync(who.key, "utf8"),
    });
    expect((await ask(port, as(friend))).text).toContain("hello");
    expect((await ask(port, as(stranger))).text ?? "").not.toContain("hello");
    expect((await ask(port)).text ?? "").not.toContain("hello");
  });
});

test("certificates that a server cannot use leave it with those it had", async () => {
  const one = await pair("one");
  const source = givenTls(one, { log: say });
  const server = serve(source.current);
  expect(() => server.secure({ cert: "none", key: "none" })).toThrow();
  expect((await ask(server.port, { ca: source.current.cert })).text).toContain("hello");
});
