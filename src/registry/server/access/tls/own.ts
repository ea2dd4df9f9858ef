import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, X509Certificate } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensurePrivateDir, listIfThere, readIfThere, removeTree, writeAtomic } from "../../../../host/files.ts";
import type { TlsMaterial } from "../../../../host/http-server.ts";
import { runOk } from "../../../../host/spawn.ts";
import { BerthError, messageOf } from "../../../../spec/errors.ts";
import { formatIp, parseIp } from "../../../../spec/ipnet.ts";
import type { TlsSource } from "./source.ts";

/** Where they lie, whom they are for, and the clock (milliseconds since 1970). `address` is the `HOST:PORT` that people use. */
export interface OwnTlsOptions {
  folder: string;
  hosts: readonly string[];
  address: string;
  /** PEM of an authority, where clients have to show certificates. */
  clientCa?: string;
  log: (line: string) => void;
  now?: () => number;
}

const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
const CA_LEAST_DAYS = 90;
const SERVER_DAYS = 90;
const SERVER_LEAST_DAYS = 30;
const LOOK_MS = 3_600_000;
const MOST_HOSTS = 64;
const HOST = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;
const SERVER = "server.pem";
const SCRATCH = "new-";
const CA_EXTENSIONS =
  "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";
const SERVER_EXTENSIONS =
  "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n" +
  "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";

/**
 * A certificate of an authority of the registry's own: `ca.crt` and `ca.key`, and `server.pem`, key and certificate in one file so that they always fit. Made where they are not
 * there or not sound, and before they end; a new authority has the old one's key. A kill leaves the old ones or the new ones. Throws `not-found` where there is no openssl.
 */
export async function ownTls(options: OwnTlsOptions): Promise<TlsSource> {
  const { folder, log, now = Date.now } = options;
  let current = await material(options);
  let looked = now();
  const trust = join("/etc/docker/certs.d", options.address);
  return {
    current,
    advice: [
      `clients have to trust ${join(folder, "ca.crt")}: mkdir -p ${trust} && cp ${join(folder, "ca.crt")} ${trust}/ca.crt`,
    ],
    async renewed() {
      if (Math.abs(now() - looked) < LOOK_MS) return undefined;
      looked = now();
      try {
        const tls = await material(options);
        if (tls.cert === current.cert) return undefined;
        current = tls;
        return tls;
      } catch (error) {
        log(`the certificate cannot be renewed: ${messageOf(error)}`);
        return undefined;
      }
    },
  };
}

async function material({ folder, hosts, clientCa, now = Date.now }: OwnTlsOptions): Promise<TlsMaterial> {
  const names = alternativeNames(hosts);
  ensurePrivateDir(folder);
  const ca = await authority(folder, now());
  const known = sound(readIfThere(join(folder, SERVER)), { ca, names, now: now() });
  const { cert, key } = known ?? (await issue(folder, { ca, names }));
  return { cert, key, ...(clientCa === undefined ? {} : { ca: clientCa }) };
}

/** The authority's certificate. */
async function authority(folder: string, now: number): Promise<X509Certificate> {
  const [keyPath, path] = [join(folder, "ca.key"), join(folder, "ca.crt")];
  const known = certificateOf(readIfThere(path));
  const kept = readIfThere(keyPath);
  const key = kept !== undefined && privateKeyOf(kept) ? kept : newKey();
  const fits = known !== undefined && isKeyOf(key, known);
  if (fits && Date.parse(known.validTo) - now > CA_LEAST_DAYS * DAY_MS) return known;
  if (key !== kept) writeAtomic(keyPath, key, { mode: 0o600, durable: true });
  // One that follows another has its name too: who trusts the old one trusts what the new one vouches for.
  const name = fits ? known.subject : `CN=Berth registry ${randomBytes(4).toString("hex")}`;
  const pem = await inScratch(folder, async (scratch) => {
    const config = `[req]\nprompt=no\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n${name}\n[ext]\n${CA_EXTENSIONS}`;
    writeFileSync(join(scratch, "config"), config);
    const days = ["-days", String(CA_DAYS)];
    return runOk([
      "openssl",
      "req",
      "-x509",
      "-new",
      "-key",
      keyPath,
      "-sha256",
      ...days,
      "-config",
      join(scratch, "config"),
    ]);
  });
  writeAtomic(path, pem, { durable: true });
  return new X509Certificate(pem);
}

/** A new certificate for the server, with its key; kept. */
async function issue(
  folder: string,
  { ca, names }: { ca: X509Certificate; names: string },
): Promise<{ cert: string; key: string }> {
  const key = newKey();
  const leaf = await inScratch(folder, async (scratch) => {
    const [keyPath, request, extensions] = ["key", "csr", "ext"].map((name) => join(scratch, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(keyPath, key, { mode: 0o600 });
    writeFileSync(extensions, `${SERVER_EXTENSIONS}subjectAltName=${names}\n`);
    await runOk(["openssl", "req", "-new", "-key", keyPath, "-sha256", "-subj", "/CN=Berth registry", "-out", request]);
    return runOk([
      ...["openssl", "x509", "-req", "-in", request, "-CA", join(folder, "ca.crt"), "-CAkey", join(folder, "ca.key")],
      ...["-set_serial", `0x0${randomBytes(15).toString("hex")}`, "-sha256", "-days", String(SERVER_DAYS)],
      ...["-extfile", extensions],
    ]);
  });
  const cert = `${leaf.trim()}\n${ca.toString().trim()}\n`;
  writeAtomic(join(folder, SERVER), `${names}\n${key}${cert}`, { mode: 0o600, durable: true });
  return { cert, key };
}

/** What the file holds, where it is for these names, of this authority, and not near its end. */
function sound(
  text: string | undefined,
  { ca, names, now }: { ca: X509Certificate; names: string; now: number },
): { cert: string; key: string } | undefined {
  const [head = "", key = "", cert = ""] = (text ?? "").split(/(?=-----BEGIN PRIVATE)|(?<=END PRIVATE KEY-----\n)/);
  const certificate = certificateOf(cert);
  if (!certificate || head.trim() !== names || !isKeyOf(key, certificate)) return undefined;
  if (!certificate.checkIssued(ca) || !certificate.verify(ca.publicKey) || !cert.includes(ca.toString().trim())) {
    return undefined;
  }
  return Date.parse(certificate.validTo) - now > SERVER_LEAST_DAYS * DAY_MS ? { cert, key } : undefined;
}

/** `DNS:…,IP:…`, each once, in their order (RFC 5280, section 4.2.1.6). Throws `invalid-argument` for what is neither. */
function alternativeNames(hosts: readonly string[]): string {
  const names = [...new Set(hosts.map((host) => host.toLowerCase()))].map((host) => {
    const ip = parseIp(host);
    if (ip) return `IP:${formatIp(ip)}`;
    if (host.length <= 253 && HOST.test(host)) return `DNS:${host}`;
    throw new BerthError(
      "invalid-argument",
      `tls: ${JSON.stringify(host.slice(0, 100))} is no host's name and no address`,
    );
  });
  if (names.length === 0) throw new BerthError("invalid-argument", "tls: no host to make a certificate for");
  if (names.length > MOST_HOSTS) throw new BerthError("invalid-argument", `tls: more than ${MOST_HOSTS} hosts`);
  return names.join(",");
}

/** A folder for openssl's files, gone afterwards; those of a kill go at the next time. */
async function inScratch<T>(folder: string, body: (scratch: string) => Promise<T>): Promise<T> {
  for (const name of listIfThere(folder).filter((file) => file.startsWith(SCRATCH))) removeTree(join(folder, name));
  const scratch = mkdtempSync(join(folder, SCRATCH));
  try {
    return await body(scratch);
  } finally {
    removeTree(scratch);
  }
}

function newKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

function certificateOf(pem: string | undefined): X509Certificate | undefined {
  try {
    return pem === undefined ? undefined : new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function privateKeyOf(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

function isKeyOf(pem: string, certificate: X509Certificate): boolean {
  const key = privateKeyOf(pem);
  return key !== undefined && certificate.checkPrivateKey(key);
}
