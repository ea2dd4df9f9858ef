import { allEntries, segmentsOf } from "./generations.ts";
import { globMatcher } from "./globs.ts";
import { decoded, KEYS, partsOf } from "./keys.ts";
import type { Manifests, StoredManifest } from "./manifests.ts";
import type { ContentDigest, Policy, Storage } from "./types.ts";

/** What repositories of a pattern keep. A tag goes where all that is said of tags agrees; what is not said does not count. */
export interface RetentionRule {
  repository: string;
  /** Of these tags only (a pattern). */
  tags?: string;
  /** The newest stay, so many of them. */
  keepLast?: number;
  /** Younger ones stay; milliseconds since the push. */
  olderThanMs?: number;
  /** Manifests without a tag, that no index names and that are about nothing that stays, go at this age; milliseconds. */
  untaggedMs?: number;
}

/** What was taken away. */
export interface Retired {
  tags: number;
  manifests: number;
}

interface Deps {
  storage: Storage;
  manifests: Manifests;
  policy: Policy;
}

/** Takes away the tags and manifests that the first rule of each repository does not keep. Immutable tags stay. What they named goes with the next collection. */
export async function retire(deps: Deps, rules: readonly RetentionRule[], now: number = Date.now()): Promise<Retired> {
  const retired: Retired = { tags: 0, manifests: 0 };
  const matchers = rules.map((rule) => ({ rule, fits: globMatcher(rule.repository) }));
  for await (const segment of segmentsOf(deps.storage.metadata, "manifests/")) {
    const repository = decoded(segment);
    const rule = matchers.find(({ fits }) => fits(repository))?.rule;
    if (!rule) continue;
    retired.tags += await retireTags(deps, { repository, rule, now });
    retired.manifests += await retireUntagged(deps, { repository, rule, now });
  }
  return retired;
}

interface Place {
  repository: string;
  rule: RetentionRule;
  now: number;
}

async function retireTags({ storage, policy }: Deps, { repository, rule, now }: Place): Promise<number> {
  if (rule.keepLast === undefined && rule.olderThanMs === undefined) return 0;
  const concerned = globMatcher(rule.tags ?? "*");
  const found: { key: string; tag: string; modified: number }[] = [];
  for await (const { key, modified } of allEntries(storage.metadata, KEYS.tags(repository))) {
    const tag = partsOf(key)[1] ?? "";
    if (concerned(tag)) found.push({ key, tag, modified });
  }
  found.sort((a, b) => b.modified - a.modified || (a.tag < b.tag ? 1 : -1));
  const going = found
    .slice(rule.keepLast ?? 0)
    .filter((t) => now - t.modified >= (rule.olderThanMs ?? 0) && !policy.immutable(repository, t.tag));
  await storage.metadata.write(going.map(({ key }) => ({ remove: key })));
  return going.length;
}

async function retireUntagged({ storage, manifests }: Deps, { repository, rule, now }: Place): Promise<number> {
  if (rule.untaggedMs === undefined) return 0;
  const all = new Map<ContentDigest, StoredManifest>();
  for await (const manifest of manifests.all(repository)) all.set(manifest.digest, manifest);
  const kept = new Set<ContentDigest>();
  const keep = (digest: ContentDigest | undefined): void => {
    const manifest = digest && all.get(digest);
    if (!manifest || kept.has(manifest.digest)) return;
    kept.add(manifest.digest);
    for (const child of manifest.manifests) keep(child);
  };
  for await (const { key } of allEntries(storage.metadata, KEYS.tags(repository)))
    keep(await manifests.tag(repository, partsOf(key)[1] ?? ""));
  for (const manifest of all.values()) if (now - manifest.pushed < rule.untaggedMs) keep(manifest.digest);
  // Signatures and the like live as long as what they are about, and what is about them.
  for (let before = -1; before !== kept.size; ) {
    before = kept.size;
    for (const manifest of all.values()) if (manifest.subject && kept.has(manifest.subject)) keep(manifest.digest);
  }
  const going = [...all.keys()].filter((digest) => !kept.has(digest));
  // Indexes before what they name.
  going.sort((a, b) => (all.get(b)?.manifests.length ?? 0) - (all.get(a)?.manifests.length ?? 0));
  for (const digest of going) await manifests.remove(repository, digest).catch(() => undefined); // Named by an index that came meanwhile.
  return going.length;
}
