import { join } from "node:path";
import { listIfThere, readIfThere } from "../../../host/files.ts";
import { run } from "../../../host/spawn.ts";
import type { AptDistribution } from "./mmdebstrap.ts";

/** One repository line of this host's apt sources (sources.list(5)). */
export interface AptSource {
  uri: string;
  suite: string;
}

/** Settings of this host's apt that an image made here needs as well: how the mirror is reached, and whether dates are believed. */
const CARRIED = /^Acquire::(?:https?::|Retries|Check-Valid-Until|Check-Date|ForceIPv[46])/;

/**
 * Repository lines for a suite from the mirrors that this host itself uses, where it runs the same distribution: the release, its updates and its
 * security fixes, as far as the host has them. Empty: mmdebstrap's own defaults.
 */
export async function hostSources(distribution: AptDistribution, suite: string): Promise<string[]> {
  const release = osRelease();
  if (release["ID"] !== distribution.id) return [];
  const own = release["VERSION_CODENAME"] ?? "";
  const sources = readSources().filter((s) => /^https?:\/\//.test(s.uri));
  const line = (uri: string, name: string): string => `deb ${uri} ${name} ${distribution.components}`;
  const found = new Map<string, string>();
  for (const { uri, suite: name } of sources) {
    // Other repositories of the host are not the distribution's.
    if (own === "" || (name !== own && !name.startsWith(`${own}-`))) continue;
    const wanted = suite + name.slice(own.length);
    const isPart = ["", "-updates", "-security"].includes(name.slice(own.length));
    if (isPart && !found.has(wanted)) found.set(wanted, line(uri, wanted));
  }
  return found.has(suite) ? [...found.values()] : [];
}

/** `Acquire` settings of this host's apt that are carried into the image. Empty where there is no apt. */
export async function aptOptions(): Promise<string[]> {
  const { code, stdout } = await run(["apt-config", "dump"]).catch(() => ({ code: 1, stdout: "" })); // A host without apt has no settings.
  if (code !== 0) return [];
  return stdout.split("\n").filter((line) => CARRIED.test(line) && !line.endsWith('"";'));
}

/** Reads os-release(5). */
function osRelease(): Record<string, string> {
  const rows = (readIfThere("/etc/os-release") ?? "").split("\n").map((line) => /^(\w+)="?(.*?)"?$/.exec(line));
  return Object.fromEntries(rows.flatMap((m) => (m?.[1] ? [[m[1], m[2] ?? ""]] : [])));
}

function readSources(): AptSource[] {
  const dir = "/etc/apt/sources.list.d";
  const parts = listIfThere(dir).filter((name) => /\.(list|sources)$/.test(name));
  return ["/etc/apt/sources.list", ...parts.sort().map((name) => join(dir, name))].flatMap((path) => {
    const text = readIfThere(path) ?? "";
    return path.endsWith(".sources") ? parseDeb822(text) : parseOneLine(text);
  });
}

/** `deb [options] uri suite components` a line. */
export function parseOneLine(text: string): AptSource[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/.exec(line);
    return match?.[1] && match[2] ? [{ uri: match[1], suite: match[2] }] : [];
  });
}

/** Stanzas of `Key: values` (sources.list(5), deb822 style). */
export function parseDeb822(text: string): AptSource[] {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const lines = stanza.split("\n").filter((line) => !line.startsWith("#"));
    const value = (key: string): string[] => {
      const row = lines.find((line) => line.toLowerCase().startsWith(`${key}:`));
      return (
        row
          ?.slice(key.length + 1)
          .trim()
          .split(/\s+/) ?? []
      );
    };
    if (!value("types").includes("deb") || value("enabled")[0] === "no") return [];
    return value("uris").flatMap((uri) => value("suites").map((suite) => ({ uri, suite })));
  });
}
