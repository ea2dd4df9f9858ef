import { createHash } from "node:crypto";
import type { Backend, Progress } from "../api/backend.ts";
import type { ImageInspect, ImageSummary, Network } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";

const ID = `sha256:${"1".repeat(64)}`;

/** Images of the fake: one, with the name `host:5000/a/b:latest`; loads report what they read as size and digest. */
export function fakeImages(): Backend["image"] {
  const details: ImageInspect = {
    Id: ID,
    RepoTags: ["host:5000/a/b:latest"],
    RepoDigests: [],
    Created: "2024-01-01T00:00:00Z",
    Architecture: "amd64",
    Os: "linux",
    Size: 42,
    Config: { Cmd: ["sh"], Env: ["A=b"] },
    RootFS: { Type: "layers", Layers: [ID] },
  };
  const get = (name: string): ImageInspect => {
    if (name === "host:5000/a/b" || name === "b" || ID.includes(name)) return details;
    throw new BerthError("not-found", `No such image: ${name}`);
  };
  const row: ImageSummary = {
    Id: ID,
    ParentId: "",
    RepoTags: [],
    RepoDigests: [],
    Created: 1_700_000_000,
    Size: 42,
    SharedSize: -1,
    Labels: {},
    Containers: -1,
  };
  return {
    list: async () => [row],
    inspect: async (name) => get(name),
    history: async (name) => [
      { Id: get(name).Id ?? "", Created: 1, CreatedBy: "RUN x", Tags: [], Size: 1, Comment: "" },
    ],
    tag: async (name) => void get(name),
    remove: async (name) => [{ Untagged: `${name}:latest` }, { Deleted: get(name).Id ?? "" }],
    load: (archive) => measured(archive),
    save: async function* (names) {
      for (const name of names) yield Buffer.from(`${get(name).Id}\n`);
    },
    import: (source) => ("tar" in source ? measured(source.tar) : measured(nothing())),
    push: (name) => refused(`pushing ${name} is not implemented by this fake`),
    pull: (reference) => refused(`pulling ${reference} is not implemented by this fake`),
    prune: async () => ({ ImagesDeleted: [], SpaceReclaimed: 0 }),
    async *bootstrap(reference) {
      yield { stream: `bootstrapping ${reference}\n` };
    },
  };
}

/** A builder that reads its context and echoes what it was told; a context of "bad" fails after the first line. */
export function fakeBuild(): Backend["build"] {
  return {
    async *build(context, options) {
      const { size, digest, head } = await read(context);
      if (size === 0) throw new BerthError("invalid-argument", "the build context is empty");
      yield { stream: `Step 1/1 : context of ${size} bytes, ${digest.slice(0, 8)}\n` };
      if (head.startsWith("bad")) throw new BerthError("invalid-argument", "the build context is no archive");
      if (options.quiet) yield { stream: `${ID}\n` };
      else yield { stream: `Successfully built ${ID.slice(7, 19)}\n` };
    },
    prune: async () => ({ CachesDeleted: [], SpaceReclaimed: 0 }),
  };
}

/** Networks of the fake: the default bridge. */
export function fakeNetworks(): Backend["network"] {
  const bridge: Network = { Name: "bridge", Id: "b".repeat(64), Driver: "bridge", Scope: "local", Containers: {} };
  return {
    list: async () => [bridge],
    async inspect(id) {
      if (id !== "bridge") throw new BerthError("not-found", `network ${id} not found`);
      return bridge;
    },
    create: async () => ({ Id: "c".repeat(64), Warning: "" }),
    remove: async () => undefined,
    connect: async () => undefined,
    disconnect: async () => undefined,
    prune: async () => ({ NetworksDeleted: null }),
  };
}

/** A registry that takes one password and knows one image. */
export function fakeRegistry(): Backend["registry"] {
  return {
    async login({ password }) {
      if (password !== "right") throw new BerthError("unauthorized", "incorrect username or password");
      return { Status: "Login Succeeded" };
    },
    search: async (term) => [{ name: term, description: "", star_count: 0, is_official: false, is_automated: false }],
    async distribution(name) {
      if (name !== "b") throw new BerthError("not-found", `manifest for ${name} not found`);
      const Descriptor = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: ID, size: 42 };
      return { Descriptor, Platforms: [{ architecture: "amd64", os: "linux" }] };
    },
  };
}

async function* measured(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Progress> {
  const { size, digest } = await read(archive);
  if (size === 0) throw new BerthError("invalid-argument", "unexpected end of the archive");
  yield { stream: `Loaded ${size} bytes, sha256:${digest}\n` };
}

async function read(source: AsyncIterable<Uint8Array>): Promise<{ size: number; digest: string; head: string }> {
  const hash = createHash("sha256");
  let size = 0;
  let head = "";
  for await (const chunk of source) {
    if (size === 0) head = Buffer.from(chunk.subarray(0, 16)).toString("latin1");
    size += chunk.byteLength;
    hash.update(chunk);
  }
  return { size, digest: hash.digest("hex"), head };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

// biome-ignore lint/correctness/useYield: it fails before it yields, which is what it is for
async function* refused(message: string): AsyncGenerator<Progress> {
  throw new BerthError("not-implemented", message);
}
