import { collectGarbage } from "../../../host/memory.ts";
import { RegistryError } from "../errors.ts";
import type { Body } from "../types.ts";
import { type Place, Room, type RoomOptions } from "./room.ts";

/** A client that sends nothing for so long is given up; milliseconds. */
export const IDLE_MS = 60_000;
/** Less than this in the time does not count as sending: else a byte now and then would hold a connection for ever. */
const LEAST_BYTES = 1024;

/** A request's body, piece by piece, at the reader's speed. Ends by an error where the client goes silent, or goes. Only time spent waiting for the client counts. */
export function bodyOf(request: Request, idleMs = IDLE_MS): Body {
  const reader = request.body?.getReader() as Reader | undefined;
  return {
    cancel: () => void reader?.cancel().catch(() => undefined),
    async *[Symbol.asyncIterator]() {
      if (!reader) return;
      let waited = 0;
      let came = 0;
      for (;;) {
        const begun = performance.now();
        const value = await next(reader, idleMs - waited);
        if (!value) return;
        waited += performance.now() - begun;
        came += value.byteLength;
        if (came >= LEAST_BYTES) waited = came = 0;
        yield value;
      }
    },
  };
}

interface Reader {
  read(): Promise<{ value?: Uint8Array }>;
  cancel(): Promise<void>;
}

/** What comes next; undefined at the end. */
async function next(reader: Reader, ms: number): Promise<Uint8Array | undefined> {
  let silent = false;
  const timer = setTimeout(() => {
    silent = true;
    reader.cancel().catch(() => undefined);
  }, ms);
  try {
    const { value } = await reader.read();
    if (!silent) return value;
  } catch {
    throw new RegistryError("BLOB_UPLOAD_INVALID", "the connection was cut; what had come is kept");
  } finally {
    clearTimeout(timer);
  }
  throw new RegistryError("BLOB_UPLOAD_INVALID", "nothing came for too long", { status: 408 });
}

/** Bodies that are held whole: how large one may be, and the room for all of them. Bytes. */
export interface WholeBodies {
  limit: number;
  idleMs: number;
  rooms: Rooms;
}

/** Room for bodies of any size, and some of its own for small ones: those do not wait for large ones. */
export interface Rooms {
  any: Room;
  small: Room;
  /** Told of bodies that have gone: what they leave behind is collected before much of it piles up. */
  freed(bytes: number): void;
}

/** Ordinary manifests are much smaller. Bytes. */
const SMALL = 256 * 1024;
const MIB = 1024 * 1024;
/** Of bodies that have gone, after which memory is looked through. */
const GARBAGE = 4 * MIB;

/** The rooms of one registry. */
export function openRooms(options: Partial<RoomOptions> = {}): Rooms {
  const own = { waitMs: 60_000, patienceMs: 5000, ...options };
  let gone = 0;
  return {
    any: new Room({ bytes: 12 * MIB, ...own }),
    small: new Room({ bytes: 4 * MIB, ...own }),
    freed(bytes) {
      gone += bytes;
      if (gone < GARBAGE) return;
      gone = 0;
      setImmediate(collectGarbage);
    },
  };
}

/** A body in memory. Disposing of it gives its room back. */
export interface WholeBody extends Disposable {
  bytes: Buffer;
}

/** The whole body, once there is room for it; until then nothing of it is read. Throws SIZE_INVALID with 413 where it is larger than `limit` bytes, TOOMANYREQUESTS with 503 where there is no room. */
export async function wholeBody(request: Request, { limit, idleMs, rooms }: WholeBodies): Promise<WholeBody> {
  const told = request.headers.get("content-length");
  const most = told !== null && /^\d+$/.test(told) ? Number(told) : limit;
  if (most > limit) throw tooLarge(limit);
  const room = most <= SMALL ? rooms.small : rooms.any;
  const place = await room.take(most, request.signal);
  try {
    const bytes = await gathered(request, { most, limit, idleMs, place });
    place.arrived();
    const leave = (): void => {
      place[Symbol.dispose]();
      rooms.freed(bytes.byteLength);
    };
    return { bytes, [Symbol.dispose]: leave };
  } catch (error) {
    place[Symbol.dispose]();
    throw error;
  }
}

async function gathered(
  request: Request,
  { most, limit, idleMs, place }: { most: number; limit: number; idleMs: number; place: Place },
): Promise<Buffer> {
  const body = bodyOf(request, idleMs);
  place.wanted.addEventListener("abort", () => body.cancel(), { once: true });
  const bytes = Buffer.allocUnsafeSlow(most);
  let size = 0;
  for await (const part of body) {
    if (size + part.byteLength > most) throw tooLarge(limit);
    bytes.set(part, size);
    size += part.byteLength;
    place.came(part.byteLength);
  }
  place.wanted.throwIfAborted();
  // No more than this is kept by whoever keeps it.
  return size === most ? bytes : Buffer.from(bytes.subarray(0, size));
}

function tooLarge(limit: number): RegistryError {
  return new RegistryError("SIZE_INVALID", `more than ${limit} bytes are not taken`, { status: 413 });
}
