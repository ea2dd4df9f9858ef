import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { TlsMaterial } from "../../../../host/http-server.ts";
import { BerthError, fromErrno, messageOf } from "../../../../spec/errors.ts";
import type { TlsSource } from "./source.ts";

/** Files of PEM: the certificate with those between it and its root, its key, and the authority that clients' certificates are of. */
export interface TlsFiles {
  cert: string;
  key: string;
  clientCa?: string;
}

/** Certificates that somebody else keeps, looked at again as their files change. Throws `invalid-argument` that names the file, where the first are not sound. */
export function givenTls(
  files: TlsFiles,
  { log, now = Date.now }: { log: (line: string) => void; now?: () => number },
): TlsSource {
  let seen = signatureOf(files);
  const current = readTls(files);
  warnOfEnd(files.cert, current.cert, { log, now });
  return {
    current,
    advice: [],
    async renewed() {
      const signature = signatureOf(files);
      if (signature === seen) return undefined;
      seen = signature;
      try {
        const tls = readTls(files);
        warnOfEnd(files.cert, tls.cert, { log, now });
        return tls;
      } catch (error) {
        log(`${messageOf(error)}; the certificate of before stays in use`);
        return undefined;
      }
    },
  };
}

function readTls({ cert, key, clientCa }: TlsFiles): TlsMaterial {
  const certPem = read(cert);
  const keyPem = read(key);
  const certificate = parse(cert, () => new X509Certificate(certPem), "no certificate in PEM");
  const privateKey = parse(key, () => createPrivateKey(keyPem), "no private key in PEM, or one with a password");
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new BerthError("invalid-argument", `${key}: not the key of the certificate in ${cert}`, {
      hint: "the server's own certificate comes first in its file",
    });
  }
  if (clientCa === undefined) return { cert: certPem, key: keyPem };
  const ca = read(clientCa);
  parse(clientCa, () => new X509Certificate(ca), "no certificate in PEM");
  return { cert: certPem, key: keyPem, ca };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw fromErrno(error, path);
  }
}

/** The library's own words may quote the file, and so the key. */
function parse<T>(path: string, body: () => T, why: string): T {
  try {
    return body();
  } catch {
    throw new BerthError("invalid-argument", `${path}: ${why}`);
  }
}

function warnOfEnd(path: string, pem: string, { log, now }: { log: (line: string) => void; now: () => number }): void {
  const { validFrom, validTo } = new X509Certificate(pem);
  if (Date.parse(validTo) <= now()) log(`${path}: the certificate ended on ${validTo}; clients will refuse it`);
  else if (Date.parse(validFrom) > now()) log(`${path}: the certificate begins on ${validFrom}; clients refuse it now`);
}

function signatureOf({ cert, key, clientCa }: TlsFiles): string {
  return [cert, key, ...(clientCa === undefined ? [] : [clientCa])]
    .map((path) => {
      const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
      return stat ? `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}` : "missing";
    })
    .join(" ");
}
