import { type ChildProcess, spawn } from "node:child_process";
import { BerthError } from "../spec/errors.ts";

/** A question that was asked inside a namespace. */
export interface NameQuery {
  /** What `add` gave for the namespace. */
  place: number;
  via: "udp" | "tcp";
  message: Buffer;
  /** Sends the answer to who asked. */
  reply: (message: Buffer) => void;
}

/** What the sockets work with. */
export interface NameSocketsOptions {
  /** Path of berth-helper. */
  helper: string;
  onQuery: (query: NameQuery) => void;
  log: (line: string) => void;
}

/** Types of frames; see helper/berth-helper/names.c. */
const ADD = 1;
const REMOVE = 2;
const REPLY = 3;
const ADDED = 1;
const LENGTH_BYTES = 4;
const HEAD_BYTES = 5;
const TOKEN_AT = HEAD_BYTES + 1;
const MESSAGE_AT = TOKEN_AT + 8;
const MOST_PLACES = 65_536;
/** A helper that ends by itself is started again, but not more often than so. */
const AGAIN_MS = 1000;

interface Place {
  path: string;
  settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
}

/**
 * Sockets at 127.0.0.11 inside the network namespaces of containers, held by one `berth-helper names` for all: who asks there crosses
 * neither the host's firewall nor a network. The helper starts with the first place and ends with this process; one that was killed is
 * started again, with all its places.
 */
export class NameSockets {
  readonly #options: NameSocketsOptions;
  readonly #places = new Map<number, Place>();
  #child: ChildProcess | undefined;
  #next = 0;

  constructor(options: NameSocketsOptions) {
    this.#options = options;
  }

  /** Starts the helper ahead of the first place. */
  warm(): void {
    this.#running();
  }

  /** Listens in the namespace that is mounted at `path`; answers its place once it does. Throws `internal` where it cannot. */
  async add(path: string): Promise<number> {
    const place = this.#free();
    const added = new Promise<void>((resolve, reject) => {
      this.#places.set(place, { path, settle: { resolve, reject } });
    });
    this.#running();
    this.#send(ADD, place, Buffer.from(path));
    try {
      await added;
    } catch (error) {
      this.#places.delete(place);
      throw error;
    }
    return place;
  }

  /** Ends listening in a namespace, which would else live on. Repeatable. */
  remove(place: number): void {
    if (this.#places.delete(place)) this.#send(REMOVE, place);
  }

  /** Ends the helper, and all listening. */
  async close(): Promise<void> {
    const child = this.#child;
    this.#places.clear();
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    // What is waited for has to keep this process: else it ends here, in the middle of its own end.
    child.ref();
    child.stdin?.end();
    await ended;
  }

  #free(): number {
    if (this.#places.size >= MOST_PLACES) throw new BerthError("unavailable", "too many network namespaces with names");
    while (this.#places.has(this.#next)) this.#next = (this.#next + 1) % MOST_PLACES;
    const place = this.#next;
    this.#next = (place + 1) % MOST_PLACES;
    return place;
  }

  #running(): void {
    if (this.#child) return;
    const since = Date.now();
    const child = spawn(this.#options.helper, ["names"], { stdio: ["pipe", "pipe", "ignore"] });
    this.#child = child;
    child.unref();
    for (const end of [child.stdin, child.stdout]) if (end && "unref" in end) (end.unref as () => void)();
    child.stdin?.on("error", () => undefined); // Its end is told by `exit`.
    let bytes: Buffer = Buffer.alloc(0);
    child.stdout?.on("data", (chunk: Buffer) => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      let at = 0;
      while (bytes.length - at >= LENGTH_BYTES && bytes.length - at - LENGTH_BYTES >= bytes.readUInt32LE(at)) {
        const end = at + LENGTH_BYTES + bytes.readUInt32LE(at);
        if (this.#child === child) this.#receive(bytes.subarray(at + LENGTH_BYTES, end));
        at = end;
      }
      bytes = bytes.subarray(at);
    });
    child.on("error", (error) => this.#lost(child, { since, why: error.message }));
    child.on("exit", (code, signal) => this.#lost(child, { since, why: `ended with ${signal ?? code}` }));
  }

  /** Starts the helper again for the places that it had. */
  #lost(child: ChildProcess, { since, why }: { since: number; why: string }): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#options.log(`network: names: the helper ${why}; it is started again`);
    const wait = Math.max(0, AGAIN_MS - (Date.now() - since));
    const again = (): void => {
      if (this.#places.size === 0 || this.#child) return;
      this.#running();
      for (const [place, { path }] of this.#places) this.#send(ADD, place, Buffer.from(path));
    };
    setTimeout(again, wait).unref();
  }

  #receive(frame: Buffer): void {
    const place = frame.readUInt32LE(1);
    const known = this.#places.get(place);
    if (frame[0] === ADDED) {
      const error = frame.toString("utf8", HEAD_BYTES);
      const { settle } = known ?? {};
      if (known) known.settle = undefined;
      if (error === "") settle?.resolve();
      else if (settle) settle.reject(new BerthError("internal", `names at 127.0.0.11 in ${known?.path}: ${error}`));
      else this.#options.log(`network: names at 127.0.0.11 in ${known?.path}: ${error}`);
      return;
    }
    const token = Buffer.from(frame.subarray(HEAD_BYTES, MESSAGE_AT));
    this.#options.onQuery({
      place,
      via: frame[HEAD_BYTES] === 0 ? "udp" : "tcp",
      message: Buffer.from(frame.subarray(MESSAGE_AT)),
      reply: (message) => this.#send(REPLY, place, Buffer.concat([token, message])),
    });
  }

  #send(type: number, place: number, body: Buffer = Buffer.alloc(0)): void {
    const frame = Buffer.allocUnsafe(LENGTH_BYTES + HEAD_BYTES + body.length);
    frame.writeUInt32LE(HEAD_BYTES + body.length, 0);
    frame.writeUInt8(type, LENGTH_BYTES);
    frame.writeUInt32LE(place, LENGTH_BYTES + 1);
    body.copy(frame, LENGTH_BYTES + HEAD_BYTES);
    this.#child?.stdin?.write(frame);
  }
}
