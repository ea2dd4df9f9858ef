import { globMatcher } from "./globs.ts";
import type { Policy } from "./types.ts";

/** Tags that keep their meaning. Both are patterns (`globs.ts`). */
export interface ImmutableRule {
  repository: string;
  tags: string;
}

/** The most bytes of blobs that each repository of a pattern may have. */
export interface QuotaRule {
  repository: string;
  bytes: number;
}

/** Rules as a policy: any rule makes a tag immutable; the first quota that fits counts. */
export function policyOf(immutable: readonly ImmutableRule[], quotas: readonly QuotaRule[]): Policy {
  const fixed = immutable.map((rule) => ({ repository: globMatcher(rule.repository), tags: globMatcher(rule.tags) }));
  const limits = quotas.map((rule) => ({ repository: globMatcher(rule.repository), bytes: rule.bytes }));
  return {
    immutable: (repository, tag) => fixed.some((rule) => rule.repository(repository) && rule.tags(tag)),
    quota: (repository) => limits.find((rule) => rule.repository(repository))?.bytes,
  };
}
