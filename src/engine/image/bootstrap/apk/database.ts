import type { TarHeader } from "../../../../layer/tar/header.ts";
import { encodeHeader, paddingOf, TAR_END, type TarItem, tarHeader, writeTar } from "../../../../layer/tar/writer.ts";
import type { ApkPackage } from "./package.ts";

/** One package's place in the database: which of the files are its own. */
export interface Installed {
  pkg: ApkPackage;
  /** By path without slashes at its ends; "" is the root. */
  folders: Map<string, TarHeader>;
  /** By path, with the SHA-1 of a file's bytes or of a symbolic link's target. */
  files: Map<string, { header: TarHeader; sha1: Buffer }>;
}

/** Which of apk's own files an installation has (apk-tools' `lib/apk/db`), as a tar of them all. */
export function databaseTar(
  installed: readonly Installed[],
  settings: { world: string[]; repositories: string[]; arch: string; keys: Map<string, string>; epoch: number },
): AsyncIterable<Uint8Array> {
  const lines = (list: readonly string[]): string => list.map((line) => `${line}\n`).join("");
  return writeTar(
    files({
      "etc/apk/arch": lines([settings.arch]),
      ...Object.fromEntries([...settings.keys].map(([name, pem]) => [`etc/apk/keys/${name}`, pem])),
      "etc/apk/repositories": lines(settings.repositories),
      "etc/apk/world": lines([...settings.world].sort()),
      "lib/apk/db/installed": installed.map(stanza).join(""),
      "lib/apk/db/lock": "",
      "lib/apk/db/scripts.tar": scriptsTar(installed, settings.epoch),
      "lib/apk/db/triggers": lines(
        installed
          .filter(({ pkg }) => pkg.triggers.length > 0)
          .map(({ pkg }) => [pkg.entry.checksum, ...pkg.triggers].join(" ")),
      ),
    }),
  );
}

function* files(contents: Record<string, string | Buffer>): Generator<TarItem> {
  for (const [path, text] of Object.entries(contents)) {
    const body = Buffer.from(text);
    yield { header: tarHeader({ path, size: body.length, mode: path.endsWith("/lock") ? 0o600 : 0o644 }), body };
  }
}

/** The index's lines, and then each folder with its files. What is the usual owner and mode is not said (apk's `apk_db_write_fdb`). */
function stanza({ pkg, folders, files: own }: Installed): string {
  const lines = [pkg.entry.raw, ...pkg.replaces];
  const byFolder = new Map<string, string[]>([...folders.keys()].map((path) => [path, []]));
  for (const path of own.keys()) {
    const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
    byFolder.set(folder, [...(byFolder.get(folder) ?? []), path]);
  }
  for (const [folder, paths] of byFolder) {
    const header = folders.get(folder);
    lines.push(`F:${folder}`, ...acl("M", header, 0o755));
    for (const path of paths) {
      const file = own.get(path);
      lines.push(`R:${path.slice(path.lastIndexOf("/") + 1)}`, ...acl("a", file?.header, 0o644));
      if (file) lines.push(`Z:Q1${file.sha1.toString("base64")}`);
    }
  }
  return `${lines.join("\n")}\n\n`;
}

function acl(key: string, header: TarHeader | undefined, usual: number): string[] {
  if (!header || header.type === "symlink") return header ? [`${key}:${header.uid}:${header.gid}:777`] : [];
  if (header.uid === 0 && header.gid === 0 && header.mode === usual) return [];
  return [`${key}:${header.uid}:${header.gid}:${header.mode.toString(8)}`];
}

function scriptsTar(installed: readonly Installed[], mtimeSec: number): Buffer {
  const parts: Buffer[] = [];
  for (const { pkg } of installed) {
    const { name, version, checksum } = pkg.entry;
    for (const [kind, body] of pkg.scripts) {
      const path = `${name}-${version}.${checksum}.${kind}`;
      const header = encodeHeader(tarHeader({ path, mode: 0o755, size: body.length, mtimeSec }));
      parts.push(header, body, Buffer.alloc(paddingOf(body.length)));
    }
  }
  return Buffer.concat([...parts, TAR_END]);
}
