import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { BerthError, errnoOf, messageOf } from "../spec/errors.ts";
import type { ServerTls } from "./http/bind.ts";
import { flag, type Settings, text } from "./values.ts";

/** Files of the daemon's TLS; `ca` is there where clients are verified. */
export interface TlsPaths {
  cert: string;
  key: string;
  ca?: string;
}

/** TLS as flags and daemon.json ask for it: `--tlsverify`, given at all, turns it on. Files that nobody named are in `~/.docker`. */
export function tlsPaths(s: Settings): TlsPaths | undefined {
  const verify = flag(s, "tlsverify") || Boolean(process.env["DOCKER_TLS_VERIFY"]);
  if (!flag(s, "tls") && s["tlsverify"] === undefined && !verify) return undefined;
  const folder = process.env["DOCKER_CERT_PATH"] || join(homedir(), ".docker");
  const path = (key: string, name: string): string => text(s, key) || join(folder, name);
  const own = { cert: path("tlscert", "cert.pem"), key: path("tlskey", "key.pem") };
  return verify ? { ...own, ca: path("tlscacert", "ca.pem") } : own;
}

/** Reads the files. Throws one line that names the file, before anything listens. */
export function loadTls(paths: TlsPaths): ServerTls {
  const cert = pem(paths.cert, "could not load X509 key pair");
  const key = pem(paths.key, "could not load X509 key pair");
  const ca = paths.ca === undefined ? undefined : pem(paths.ca, "could not read CA certificate");
  if (ca !== undefined && !ca.includes("-----BEGIN CERTIFICATE")) {
    throw invalid(`failed to append certificates from PEM file: "${paths.ca}"`);
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw invalid(
      `error reading X509 key pair - make sure the key is not encrypted (cert: "${paths.cert}", key: "${paths.key}"): ${messageOf(error)}`,
    );
  }
  return { cert, key, ...(ca === undefined ? {} : { ca }) };
}

const invalid = (why: string): BerthError => new BerthError("invalid-argument", `invalid TLS configuration: ${why}`);

function pem(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw invalid(
      `${what}: open ${path}: ${errnoOf(error) === "ENOENT" ? "no such file or directory" : messageOf(error)}`,
    );
  }
}
