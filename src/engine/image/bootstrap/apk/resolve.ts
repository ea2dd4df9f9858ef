import { BerthError } from "../../../../spec/errors.ts";
import type { ApkEntry } from "./index.ts";
import { compareVersions, parseRequirement, type Requirement, satisfies } from "./version.ts";

/** A package under one of its names. Without a version it provides the name alone. */
interface Provider {
  entry: ApkEntry;
  version: string | undefined;
  /** It is the name's own package, not one that provides it. */
  own: boolean;
}

/**
 * All packages that `world` needs, each after those it depends on. Of several that would do the one with the name itself goes before those that provide it, then the
 * greatest priority, then the newest. There is no going back on a choice: what does not fit in the end throws `unavailable` and names who needs it.
 */
export function resolve(entries: readonly ApkEntry[], world: readonly string[]): ApkEntry[] {
  const solver = new Solver(entries);
  for (const name of world) solver.need(parseRequirement(name), "the image");
  solver.needTriggered();
  return solver.checked();
}

class Solver {
  readonly #providers = new Map<string, Provider[]>();
  /** By name, in the order in which they are installed. */
  readonly #chosen = new Map<string, ApkEntry>();
  /** Chosen, with their dependencies still being looked at. */
  readonly #pending = new Map<string, ApkEntry>();
  readonly #waiting: ApkEntry[];

  constructor(entries: readonly ApkEntry[]) {
    for (const entry of entries) {
      this.#add(entry.name, { entry, version: entry.version, own: true });
      for (const text of entry.provides) {
        const { name, version } = parseRequirement(text);
        this.#add(name, { entry, version: version || undefined, own: false });
      }
    }
    this.#waiting = entries.filter((entry) => entry.installIf.length > 0);
  }

  need(requirement: Requirement, by: string): void {
    if (requirement.conflict || this.#has(requirement)) return;
    const entry = this.#best(requirement, by);
    this.#pending.set(entry.name, entry);
    for (const text of entry.depends) this.need(parseRequirement(text), entry.name);
    this.#pending.delete(entry.name);
    this.#chosen.set(entry.name, entry);
  }

  /** What comes by itself when others are there (`install_if`). */
  needTriggered(): void {
    for (;;) {
      const more = this.#waiting
        .filter((entry) => !this.#chosen.has(entry.name))
        .filter((entry) => entry.installIf.every((text) => this.#has(parseRequirement(text))))
        .sort((a, b) => compareVersions(b.version, a.version))[0];
      if (!more) return;
      this.need(parseRequirement(`${more.name}=${more.version}`), "what is installed");
    }
  }

  /** Throws where one of them does not bear another. */
  checked(): ApkEntry[] {
    const all = [...this.#chosen.values()];
    for (const entry of all) {
      for (const requirement of entry.depends.map(parseRequirement)) {
        if (requirement.conflict && this.#has(requirement, entry)) {
          throw new BerthError("unavailable", `${entry.name} cannot be together with ${requirement.name}`);
        }
      }
    }
    return all;
  }

  #add(name: string, provider: Provider): void {
    const list = this.#providers.get(name);
    if (list) list.push(provider);
    else this.#providers.set(name, [provider]);
  }

  #has(requirement: Requirement, besides?: ApkEntry): boolean {
    return this.#fitting(requirement).some(({ entry }) => entry !== besides && this.#now(entry.name) === entry);
  }

  #now(name: string): ApkEntry | undefined {
    return this.#chosen.get(name) ?? this.#pending.get(name);
  }

  #fitting(requirement: Requirement): Provider[] {
    const all = this.#providers.get(requirement.name) ?? [];
    return all.filter(({ version }) =>
      version === undefined ? requirement.operator === "" : satisfies(version, requirement),
    );
  }

  #best(requirement: Requirement, by: string): ApkEntry {
    const text = `${requirement.name}${requirement.operator}${requirement.version}`;
    const free = this.#fitting(requirement).filter(({ entry }) => this.#now(entry.name) === undefined);
    const [first, ...others] = free.sort(byRank);
    if (!first) throw new BerthError("unavailable", `no package for ${text}, which ${by} needs`);
    const isVirtual = !first.own && first.version === undefined && first.entry.priority === 0;
    const rival = others.find(({ entry }) => entry.name !== first.entry.name);
    if (isVirtual && rival) {
      throw new BerthError("unavailable", `several packages are ${text}, which ${by} needs`, {
        hint: `name one with --include, as ${first.entry.name} or ${rival.entry.name}`,
      });
    }
    return first.entry;
  }
}

function byRank(a: Provider, b: Provider): number {
  return (
    Number(b.own) - Number(a.own) ||
    b.entry.priority - a.entry.priority ||
    compareVersions(b.version ?? "0", a.version ?? "0") ||
    (a.entry.name < b.entry.name ? -1 : a.entry.name > b.entry.name ? 1 : 0) ||
    compareVersions(b.entry.version, a.entry.version)
  );
}
