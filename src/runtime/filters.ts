import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RuntimeSpec, Seccomp } from "../spec/runtime-spec.ts";

/** crun(1): raw BPF in base64 that is loaded instead of what the profile would be compiled to. Other runtimes ignore it. */
const ANNOTATION = "run.oci.seccomp_bpf_data";
/** Where crun keeps the filter of a container, for its execs. */
const FILTER_FILE = "seccomp.bpf";
/** sizeof(struct sock_filter): a filter is a list of these. */
const INSTRUCTION_BYTES = 8;
const KEPT = 16;

/**
 * Filters that a runtime has compiled, by runtime and profile. Compiling the default profile is half of crun's work for a start, and its outcome
 * is always the same: the first container's filter is read from the runtime's state and handed to all later ones. The profile stays in the bundle,
 * so a runtime that does not know the annotation compiles it itself. Lives in memory, so that a new runtime or C library counts from
 * the next daemon on.
 */
export class SeccompFilters {
  readonly #known = new Map<string, string>();

  /** The bundle with its filter, where that is known; else unchanged. An annotation of the user's wins. */
  apply(runtime: string, spec: RuntimeSpec): RuntimeSpec {
    const { seccomp } = spec.linux;
    const filter = seccomp && this.#known.get(keyOf(runtime, seccomp));
    return filter ? { ...spec, annotations: { [ANNOTATION]: filter, ...spec.annotations } } : spec;
  }

  /** Reads the filter of a container that runs; `state` is its folder below the runtime's root. Nothing is learnt where there is none. */
  learn(runtime: string, spec: RuntimeSpec, state: string): void {
    const { seccomp } = spec.linux;
    if (!seccomp || spec.annotations?.[ANNOTATION] !== undefined) return;
    const filter = read(join(state, FILTER_FILE));
    if (filter === undefined || filter.length === 0 || filter.length % INSTRUCTION_BYTES !== 0) return;
    const [oldest] = this.#known.keys();
    if (this.#known.size >= KEPT && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(keyOf(runtime, seccomp), filter.toString("base64"));
  }
}

function keyOf(runtime: string, seccomp: Seccomp): string {
  return `${runtime}\n${JSON.stringify(seccomp)}`;
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined; // Another runtime has no such file, or the container has ended already: the next one tells.
  }
}
