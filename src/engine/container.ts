import type { MonitorHandle } from "../host/monitor-types.ts";
import { BerthError } from "../spec/errors.ts";
import type { Records, Table } from "../store/types.ts";
import { Departed } from "./departed.ts";
import { Lock, type Signal, signal } from "./lock.ts";
import type { ContainerRecord, HealthRecord } from "./record.ts";

/** How a run ended, as `wait` answers it. */
export interface WaitResult {
  code: number;
  error?: string;
}

/** One run of a container, from launch to the end of its exit's handling. */
export interface Run {
  handle: MonitorHandle;
  /** The exit is recorded. */
  done: Promise<WaitResult>;
  /** It was sent a SIGKILL. */
  killed?: boolean;
  /** Called once it has ended, before that is announced: Docker tells of the stop first, then of the end. */
  ended?: () => void;
}

/** An attach that came before the start. */
export interface WaitingClient {
  /** Called after launch and before the process runs; answers when the client is connected. */
  connect(handle: MonitorHandle): Promise<void>;
  /** The start failed or the container was removed. */
  abandon(): void;
}

/** A container in memory: its record, and what only a living daemon knows of it. */
export interface Container {
  record: ContainerRecord;
  /** Transitions (start, exit, removal, rename, update) one at a time. Never held while waiting for a process to end. */
  readonly lock: Lock;
  run?: Run;
  /** The last run's monitor is gone and its folder removed: only then may the next start. */
  cleaned: Promise<void>;
  removing: boolean;
  /** It is between the stop and the start of a restart: AutoRemove leaves it alone. */
  restarting: boolean;
  readonly waiting: Set<WaitingClient>;
  readonly execs: Set<string>;
  /** The next exit, whatever happens after it; also a failed start, and a restart that is given up. Renewed at each: see `tellExit`. */
  nextExit: Signal<WaitResult>;
  readonly removed: Signal<WaitResult>;
  restartTimer?: NodeJS.Timeout;
  /** The delay of the last restart, in milliseconds. */
  restartDelay: number;
  /** The running health check. */
  health?: Health;
}

/** The health checks of one run. */
export interface Health extends HealthRecord {
  stop(): void;
}

/** All containers by id and name. Names are unique; a name is taken from the moment it is reserved. */
export class ContainerIndex {
  /** How those ended that removed themselves. */
  readonly departed = new Departed();
  readonly #byId = new Map<string, Container>();
  readonly #names = new Map<string, string>();
  readonly #records: Records;
  readonly #table: Table<ContainerRecord>;
  #sequence = 0;

  constructor(records: Records) {
    this.#records = records;
    this.#table = records.table<ContainerRecord>("containers");
    for (const [, record] of this.#table.entries()) this.#insert(record);
  }

  /** The number for the next new container. */
  nextSequence(): number {
    return ++this.#sequence;
  }

  /** Takes a name for `id`, before there is a record. Throws `conflict` in Docker's words where it is taken. */
  reserve(name: string, id: string): void {
    const owner = this.#names.get(name);
    if (owner !== undefined) {
      throw new BerthError(
        "conflict",
        `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    }
    this.#names.set(name, id);
  }

  hasName(name: string): boolean {
    return this.#names.has(name);
  }

  release(name: string): void {
    this.#names.delete(name);
  }

  /** A new container, with its record: one transaction, with what else `along` writes. Its name is reserved already. */
  add(record: ContainerRecord, along: () => void = () => undefined): Container {
    this.#records.transaction(() => {
      along();
      this.#table.put(record.id, record);
    });
    return this.#insert(record);
  }

  /** Writes the container's new record: one transaction. */
  save(container: Container, changes: Partial<ContainerRecord>): void {
    const record = { ...container.record, ...changes };
    this.#table.put(record.id, record);
    container.record = record;
  }

  /** What a run changes: one transaction, none for an AutoRemove container, whose monitor and files tell the same after a kill. */
  saveRun(container: Container, changes: Partial<Pick<ContainerRecord, "state" | "health">>): void {
    if (container.record.hostConfig.AutoRemove) container.record = { ...container.record, ...changes };
    else this.save(container, changes);
  }

  /**
   * Deletes the record: from now on the container does not exist. That of an AutoRemove container is not waited for: where a crash of the
   * host brings it back, start-up removes it again.
   */
  delete(container: Container): void {
    const { id, name, hostConfig } = container.record;
    if (hostConfig.AutoRemove) this.#records.unsynced(() => this.#table.delete(id));
    else this.#table.delete(id);
    this.#byId.delete(id);
    if (this.#names.get(name) === id) this.#names.delete(name);
  }

  /** By id, name (with or without slash) or unique prefix of an id. Throws `not-found` or, for an ambiguous prefix, `invalid-argument`. */
  find(reference: string): Container {
    const name = reference.startsWith("/") ? reference.slice(1) : reference;
    const exact = this.#byId.get(reference) ?? this.#byId.get(this.#names.get(name) ?? "");
    if (exact) return exact;
    const matches = /^[0-9a-f]+$/.test(reference)
      ? [...this.#byId.keys()].filter((id) => id.startsWith(reference))
      : [];
    if (matches.length > 1) {
      throw new BerthError("invalid-argument", `multiple IDs found with provided prefix: ${reference}`);
    }
    const found = this.#byId.get(matches[0] ?? "");
    if (!found) throw new BerthError("not-found", `No such container: ${reference}`);
    return found;
  }

  get(id: string): Container | undefined {
    return this.#byId.get(id);
  }

  /** Newest first. */
  all(): Container[] {
    return [...this.#byId.values()].sort((a, b) => b.record.sequence - a.record.sequence);
  }

  #insert(record: ContainerRecord): Container {
    const container: Container = {
      record,
      lock: new Lock(),
      cleaned: Promise.resolve(),
      removing: false,
      restarting: false,
      waiting: new Set(),
      execs: new Set(),
      nextExit: signal(),
      removed: signal(),
      restartDelay: 0,
    };
    this.#byId.set(record.id, container);
    this.#names.set(record.name, record.id);
    this.#sequence = Math.max(this.#sequence, record.sequence);
    return container;
  }
}

/** Ends the waits for the container's end. */
export function tellExit(container: Container, result: WaitResult): void {
  const { nextExit } = container;
  container.nextExit = signal();
  nextExit.resolve(result);
}

/** True where a process of it runs now. */
export function isRunning(container: Container): boolean {
  return container.record.state.status === "running";
}

/** Throws `conflict` in Docker's words for a container that waits for its restart. */
export function refuseRestarting({ record: { id, state } }: Container): void {
  if (state.status !== "restarting") return;
  throw new BerthError("conflict", `Container ${id} is restarting, wait until the container is running`);
}

/** The run of a running container; throws `conflict` in Docker's words. */
export function runningOf(container: Container): Run {
  if (container.run && isRunning(container)) return container.run;
  throw new BerthError("conflict", `container ${container.record.id} is not running`);
}
