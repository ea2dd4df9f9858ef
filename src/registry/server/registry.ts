import { Blobs } from "./blobs.ts";
import { Collector } from "./gc.ts";
import { IDLE_MS, openRooms } from "./http/body.ts";
import type { RegistryContext } from "./http/context.ts";
import type { RoomOptions } from "./http/room.ts";
import { answer } from "./http/router.ts";
import { Manifests } from "./manifests.ts";
import { Reliance } from "./reliance.ts";
import type { Gate, Policy, PullThrough, Storage } from "./types.ts";
import { Uploads } from "./uploads.ts";

/** What a registry is made of. What is left out is the open default: anyone may do anything, nothing is limited. */
export interface RegistryParts {
  storage: Storage;
  gate?: Gate;
  policy?: Policy;
  /** Made once the registry's own parts are there. */
  through?: (context: RegistryContext) => PullThrough;
  metrics?: () => Promise<string>;
  log?: (line: string) => void;
  /** A client that sends nothing of a body for so long is given up; milliseconds. Default a minute. */
  idleMs?: number;
  /** How long requests wait for room in memory where it is not as `openRooms` has it, and how much there is. */
  room?: Partial<RoomOptions>;
  /** What is relied on counts as used anew after so long; milliseconds. Much less than GC's grace. Default ten minutes. */
  touchMs?: number;
}

/** A registry without a socket: requests in, answers out. */
export interface Registry {
  answer(request: Request): Promise<Response>;
  readonly collector: Collector;
  readonly context: RegistryContext;
}

const OPEN: Gate = { admit: async () => ({ user: "", may: () => true }) };
const UNLIMITED: Policy = { immutable: () => false, quota: () => undefined };

/** Puts the parts together. */
export function openRegistry(parts: RegistryParts): Registry {
  const { storage, gate = OPEN, policy = UNLIMITED, metrics, log = () => undefined, idleMs = IDLE_MS } = parts;
  const reliance = new Reliance(storage);
  const blobs = new Blobs(storage, reliance, parts.touchMs);
  const uploads = new Uploads({ storage, blobs, policy });
  const manifests = new Manifests({ storage, blobs, reliance, policy });
  const context: RegistryContext = {
    storage,
    blobs,
    uploads,
    manifests,
    gate,
    policy,
    log,
    idleMs,
    rooms: openRooms(parts.room),
    ...(metrics ? { metrics } : {}),
  };
  const through = parts.through?.(context);
  if (through) context.through = through;
  return {
    answer: (request) => answer(context, request),
    collector: new Collector({ storage, manifests, reliance, uploads }),
    context,
  };
}
