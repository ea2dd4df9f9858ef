import type { Blobs } from "../blobs.ts";
import type { Manifests } from "../manifests.ts";
import type { Caller, Gate, Policy, PullThrough, Storage } from "../types.ts";
import type { Uploads } from "../uploads.ts";
import type { Rooms } from "./body.ts";

/** All that answers requests. */
export interface RegistryContext {
  storage: Storage;
  blobs: Blobs;
  uploads: Uploads;
  manifests: Manifests;
  gate: Gate;
  policy: Policy;
  through?: PullThrough;
  /** Prometheus' text format. */
  metrics?: () => Promise<string>;
  log: (line: string) => void;
  /** A client that sends nothing of a body for so long is given up; milliseconds. */
  idleMs: number;
  /** For bodies that are held whole. */
  rooms: Rooms;
}

/** One request to a repository. */
export interface RepositoryRequest {
  request: Request;
  repository: string;
  /** Behind the kind: a digest, a tag, an upload's id. Empty where there is none. */
  target: string;
  query: URLSearchParams;
  caller: Caller;
}
