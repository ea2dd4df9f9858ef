import type { Context } from "../context.ts";
import type { Candidate } from "./complete.ts";

/** What an engine has names for. */
export type Thing = "container" | "image" | "network" | "volume" | "plugin";

const SHORT_ID = 12;

type Lister = (ctx: Context, states: readonly string[]) => Promise<{ id: string; names: string[]; about: string }[]>;

const LISTERS: Record<Thing, Lister> = {
  container: async ({ engine }, status) => {
    const found = await engine.containers.list({
      all: true,
      filters: status.length > 0 ? { status: [...status] } : {},
    });
    return found.map((c) => ({
      id: c.Id ?? "",
      names: (c.Names ?? []).map((name) => name.replace(/^\//, "")).filter((name) => !name.includes("/")),
      about: c.Image ?? "",
    }));
  },
  image: async ({ engine }) =>
    (await engine.images.list({})).map((i) => ({
      id: i.Id.replace(/^sha256:/, ""),
      names: (i.RepoTags ?? []).filter((tag) => tag !== "<none>:<none>"),
      about: "",
    })),
  network: async ({ engine }) =>
    (await engine.networks.list({})).map((n) => ({ id: n.Id ?? "", names: [n.Name ?? ""], about: n.Driver ?? "" })),
  volume: async ({ engine }) =>
    ((await engine.volumes.list({})).Volumes ?? []).map((v) => ({ id: "", names: [v.Name], about: v.Driver })),
  plugin: async ({ engine }) =>
    (await engine.plugins.list({})).map((p) => ({ id: p.Id ?? "", names: [p.Name], about: "" })),
};

/** The names of an engine's things, and their short ids where a beginning of one is there; nothing where it does not answer. */
export async function ask(
  context: () => Context,
  thing: Thing,
  typed: string,
  states: readonly string[] = [],
): Promise<Candidate[]> {
  try {
    const found = await LISTERS[thing](context(), states);
    const byId = /^[0-9a-f]+$/.test(typed);
    return found.flatMap(({ id, names, about }) => [
      ...names.map((value) => ({ value, about })),
      ...(byId && id.startsWith(typed) ? [{ value: idFor(id, typed), about: names[0] ?? "" }] : []),
    ]);
  } catch {
    return [];
  }
}

const idFor = (id: string, typed: string): string => id.slice(0, Math.max(SHORT_ID, typed.length));
