import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TlsMaterial } from "../../client/host.ts";
import { BerthError, errnoOf, messageOf } from "../../spec/errors.ts";

/** A context as docker keeps it in `meta.json`. */
export interface ContextMeta {
  Name: string;
  Metadata: { Description?: string; [key: string]: unknown };
  Endpoints: { docker?: { Host?: string; SkipTLSVerify: boolean }; [key: string]: unknown };
}

/** The files of an endpoint's TLS material, as docker names them. */
export const TLS_FILES = { ca: "ca.pem", cert: "cert.pem", key: "key.pem" } as const;

/** TLS material by key of TLS_FILES. */
export type TlsFiles = { -readonly [K in keyof typeof TLS_FILES]?: string };

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/;

/** Throws in docker's words where no context can have that name. */
export function checkContextName(name: string): void {
  if (name === "") throw new BerthError("invalid-argument", "context name cannot be empty");
  if (name === "default") throw new BerthError("invalid-argument", '"default" is a reserved context name');
  if (!NAME.test(name)) {
    const rule = `names are validated against regexp "${NAME.source}"`;
    throw new BerthError("invalid-argument", `context name "${name}" is invalid, ${rule}`);
  }
}

/** The contexts below a configuration folder, in docker's own layout: both command lines share them. */
export class ContextStore {
  constructor(private readonly dir: string) {}

  /** Where a context is kept; the digest of its name is the folder's. */
  paths(name: string): { meta: string; tls: string } {
    const id = createHash("sha256").update(name).digest("hex");
    return { meta: join(this.dir, "contexts/meta", id), tls: join(this.dir, "contexts/tls", id) };
  }

  /** Throws `not-found` in docker's words. */
  read(name: string): ContextMeta {
    const path = join(this.paths(name).meta, "meta.json");
    try {
      return parseMeta(readFileSync(path, "utf8"));
    } catch (cause) {
      const absent = errnoOf(cause) === "ENOENT";
      const why = absent ? `context not found: open ${path}: no such file or directory` : messageOf(cause);
      throw new BerthError(absent ? "not-found" : "invalid-argument", `context "${name}": ${why}`, { cause });
    }
  }

  has(name: string): boolean {
    try {
      this.read(name);
      return true;
    } catch {
      return false; // One that cannot be read cannot be used either.
    }
  }

  /** All that can be read, by name. */
  list(): ContextMeta[] {
    const root = join(this.dir, "contexts/meta");
    const metas: ContextMeta[] = [];
    for (const id of foldersOf(root)) {
      try {
        metas.push(parseMeta(readFileSync(join(root, id, "meta.json"), "utf8")));
      } catch (error) {
        // A folder that a killed command left without its file is no context.
        if (errnoOf(error) !== "ENOENT") throw error;
      }
    }
    return metas.sort((a, b) => (a.Name < b.Name ? -1 : 1));
  }

  /** The TLS material of the docker endpoint; nothing where there is none. */
  tls(name: string): TlsFiles {
    const folder = join(this.paths(name).tls, "docker");
    const found: TlsFiles = {};
    const names = foldersOf(folder);
    for (const [key, file] of Object.entries(TLS_FILES) as [keyof TlsFiles, string][]) {
      if (names.includes(file)) found[key] = readFileSync(join(folder, file), "utf8");
    }
    return found;
  }

  /** Writes a context whole. The TLS material first: a context that can be seen is complete. */
  write(meta: ContextMeta, tls: TlsFiles | undefined): void {
    const paths = this.paths(meta.Name);
    mkdirSync(paths.meta, { recursive: true, mode: 0o755 });
    if (tls) this.#writeTls(paths.tls, tls);
    const file = join(paths.meta, "meta.json");
    writeFileSync(`${file}.tmp`, JSON.stringify(meta), { mode: 0o644 });
    renameSync(`${file}.tmp`, file);
  }

  remove(name: string): void {
    const paths = this.paths(name);
    rmSync(paths.meta, { recursive: true, force: true });
    rmSync(paths.tls, { recursive: true, force: true });
  }

  #writeTls(root: string, tls: TlsFiles): void {
    const folder = join(root, "docker");
    rmSync(folder, { recursive: true, force: true });
    if (Object.keys(tls).length === 0) return;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const [key, file] of Object.entries(TLS_FILES) as [keyof TlsFiles, string][]) {
      const text = tls[key];
      if (text !== undefined) writeFileSync(join(folder, file), text, { mode: 0o600 });
    }
  }
}

/** What a client needs of a context's TLS; undefined where it speaks plain HTTP. */
export function tlsOf(tls: TlsFiles, skipVerify: boolean): TlsMaterial | undefined {
  if (Object.keys(tls).length === 0 && !skipVerify) return undefined;
  return { ...tls, verify: !skipVerify };
}

/** Throws on what is no context. */
export function parseMeta(text: string): ContextMeta {
  const value = JSON.parse(text) as Partial<ContextMeta> | null;
  if (typeof value?.Name !== "string") throw new BerthError("invalid-argument", "context metadata has no name");
  return { ...value, Name: value.Name, Metadata: value.Metadata ?? {}, Endpoints: value.Endpoints ?? {} };
}

function foldersOf(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
