import { type ChildProcess, spawn } from "node:child_process";
import { BerthError } from "../spec/errors.ts";

/** A question that was asked inside a namespace. */
export interface NameQuery {
  /** What `add` gave for the namespace. */
  place: number;
  via: "udp" | "tcp";
  message: Buffer;
  /** Sends the answer to who asked. With `keep` the helper gives it by itself to who asks the same there over UDP, until `forget`. */
  reply: (message: Buffer, keep?: boolean) => void;
}

/** What may have changed of the host's network: everything, a link or its addresses, a route, or an nftables table. */
export interface NetChange {
  what: "all" | "link" | "route" | "table";
  /** The link's or the table's. */
  name: string;
}

/** What the helper works with. */
export interface NetHelperOptions {
  /** Path of berth-helper. */
  helper: string;
  onQuery: (query: NameQuery) => void;
  /** Told of our own changes too. */
  onChange: (change: NetChange) => void;
  log: (line: string) => void;
}

/** Types of frames; see helper/berth-helper/net.c. */
const ADD = 1;
const REMOVE = 2;
const REPLY = 3;
const KEEP = 4;
const FORGET = 5;
const ADDED = 1;
const CHANGED = 4;
const CHANGES = ["all", "link", "route", "table"] as const;
const ID_BYTES = 2;
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
 * One `berth-helper net` for all of the network: it holds sockets at 127.0.0.11 inside the namespaces of containers, so that who asks there
 * crosses neither the host's firewall nor a network, and it tells what changes of the host's network. It starts with the first place and
 * ends with this process; one that was killed is started again, with all its places, and then all may have changed.
 */
export class NetHelper {
  readonly #options: NetHelperOptions;
  readonly #places = new Map<number, Place>();
  #child: ChildProcess | undefined;
  #next = 0;
  #keeping = false;
  #closed = false;

  constructor(options: NetHelperOptions) {
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

  /** What was to be kept is no longer true. Whoever asks from now on is answered anew. */
  forget(): void {
    if (this.#keeping) this.#send(FORGET, 0);
    this.#keeping = false;
  }

  /** Ends the helper, and all listening. */
  async close(): Promise<void> {
    const child = this.#child;
    this.#closed = true;
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
    this.#closed = false;
    const since = Date.now();
    const child = spawn(this.#options.helper, ["net"], { stdio: ["pipe", "pipe", "ignore"] });
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
    this.#options.log(`network: the helper ${why}; it is started again`);
    // One that cannot live tells whoever waits for it: the next one may end the same way.
    if (Date.now() - since < AGAIN_MS) this.#refuseWaiting(why);
    const wait = Math.max(0, AGAIN_MS - (Date.now() - since));
    const again = (): void => {
      if (this.#child || this.#closed) return;
      this.#running();
      for (const [place, { path }] of this.#places) this.#send(ADD, place, Buffer.from(path));
      this.#options.onChange({ what: "all", name: "" });
    };
    setTimeout(again, wait).unref();
  }

  #refuseWaiting(why: string): void {
    for (const [place, { path, settle }] of this.#places) {
      if (!settle) continue;
      this.#places.delete(place);
      settle.reject(new BerthError("internal", `names at 127.0.0.11 in ${path}: the helper ${why}`));
    }
  }

  #receive(frame: Buffer): void {
    const place = frame.readUInt32LE(1);
    if (frame[0] === CHANGED) {
      const what = CHANGES[place] ?? "all";
      this.#options.onChange({ what, name: frame.toString("utf8", HEAD_BYTES) });
      return;
    }
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
    const message = Buffer.from(frame.subarray(MESSAGE_AT));
    this.#options.onQuery({
      place,
      via: frame[HEAD_BYTES] === 0 ? "udp" : "tcp",
      message,
      reply: (answer, keep = false) => {
        this.#send(REPLY, place, Buffer.concat([token, answer]));
        if (keep && this.#places.has(place)) this.#keep(place, message, answer);
      },
    });
  }

  /** Both without their ids, which are different each time. */
  #keep(place: number, question: Buffer, answer: Buffer): void {
    const length = Buffer.alloc(2);
    length.writeUInt16LE(question.length - ID_BYTES);
    this.#keeping = true;
    this.#send(KEEP, place, Buffer.concat([length, question.subarray(ID_BYTES), answer.subarray(ID_BYTES)]));
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
