import { createHash } from "node:crypto";
import type { ChainId, RootView } from "../layer/types.ts";
import type { Digest } from "../spec/digest.ts";
import { shortId } from "../spec/digest.ts";
import type { History, ImageRunConfig, Platform } from "../spec/oci.ts";
import { EPOCH_ARG, PROXY_ARGS } from "./args.ts";
import type { BuildCache } from "./cache.ts";
import { envValue } from "./config.ts";
import type { Lookup } from "./dockerfile/expand.ts";
import type { Graph } from "./graph.ts";
import type { CacheSources } from "./sources.ts";
import type { BuildDeps, BuildOptions, BuildProgress } from "./types.ts";

/** What a stage is after a step: a value, never changed. */
export interface StageState {
  readonly top?: ChainId;
  readonly run: ImageRunConfig;
  readonly history: readonly History[];
  readonly author?: string;
  readonly platform: Platform;
  /** The image that FROM named, itself while nothing has been added to it. */
  readonly base?: Digest;
  readonly untouched: boolean;
  /** ARGs in scope that have a value, and no ENV of the same name after them. A stage has those of the stage that it begins with. */
  readonly args: ReadonlyMap<string, string>;
  /** Names of all ARGs in scope, in their order. */
  readonly declared: readonly string[];
  readonly cmdSet: boolean;
}

/** One build on its way. */
export interface Session {
  readonly graph: Graph;
  readonly options: BuildOptions;
  readonly deps: BuildDeps;
  readonly cache: BuildCache;
  readonly sources: CacheSources;
  readonly context: RootView;
  /** A folder of this build's own. */
  readonly tmp: string;
  readonly emit: (message: BuildProgress) => void;
  /** A command's output; false where it was dropped, since the client does not read. */
  readonly output: (text: string) => boolean;
  /** Keeps a layer from GC until the build is over. */
  readonly hold: (chain: ChainId) => void;
  /** Of SOURCE_DATE_EPOCH, seconds since 1970. */
  readonly epoch: number | undefined;
  /** Build arguments that an ARG asked for. */
  readonly consumed: Set<string>;
  readonly stages: Map<number, StageState>;
  readonly steps: { done: number; total: number };
}

/**
 * The latest time of what COPY and ADD bring where SOURCE_DATE_EPOCH is not given, so that a fresh clone or a touched file gives the same layer:
 * 1980-01-01, the earliest that zip archives can hold.
 */
export const DEFAULT_EPOCH = 315_532_800;

/** Twelve digits for a state, for people to see what changed; the same state always has the same. */
export function stateId(state: StageState): string {
  if (state.untouched) return state.base ? shortId(state.base) : "";
  return shortId(stateHash(state));
}

/** Hexadecimal digits for a state; the same state always has the same. */
export function stateHash(state: StageState): string {
  return createHash("sha256").update(stateKey(state)).digest("hex");
}

/** All that later steps depend on, as text. */
export function stateKey(state: StageState): string {
  const { top, run, author, platform } = state;
  return JSON.stringify([top ?? null, run, author ?? null, platform]);
}

/** Variables as the stage's instructions see them: of ENV and ARG the later one, proxy arguments need no ARG. */
export function lookupIn(session: Session, state: StageState): Lookup {
  return (name) =>
    state.args.get(name) ??
    envValue(state.run.Env, name) ??
    (PROXY_ARGS.includes(name) ? (session.options.buildArgs[name] ?? undefined) : undefined);
}

/** The build arguments that no ARG asked for, sorted. */
export function unconsumed(session: Session): string[] {
  const free = [...PROXY_ARGS, EPOCH_ARG];
  return Object.keys(session.options.buildArgs)
    .filter((name) => !session.consumed.has(name) && !free.includes(name))
    .sort();
}
