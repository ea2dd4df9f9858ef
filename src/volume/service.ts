import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ensureDir, fsyncPath } from "../host/files.ts";
import { limitTrees, releaseTree } from "../host/quota.ts";
import { runOk } from "../host/spawn.ts";
import type { Filters } from "../image/types.ts";
import type { Volume } from "../spec/engine-api.ts";
import { BerthError, errnoOf, fromErrno } from "../spec/errors.ts";
import type { Records, Table } from "../store/types.ts";
import { volumeFilter } from "./filters.ts";
import { Mounting } from "./mounting.ts";
import { checkOptions, checkVolumeName, sizeOf } from "./names.ts";
import { Plugins } from "./plugin/client.ts";
import { PluginVolumes } from "./plugin/volumes.ts";
import type { VolumeRecord } from "./record.ts";
import type { VolumeService } from "./types.ts";

/** How to open the volume service. */
export interface VolumeOptions {
  /** `<data-root>/volumes`. */
  root: string;
  records: Records;
  /** Ids of the containers that have a volume, for the filter `dangling`. Without it every volume counts as unused. */
  usedBy?: (name: string) => string[];
  /** Default: none. */
  plugins?: Plugins;
  /** How long a device with driver options may take to be mounted. Default 8000. */
  mountTimeoutMs?: number;
  log?: (line: string) => void;
}

/** The driver of volumes that are ours. */
const LOCAL = "local";
const NO_PLUGINS = { dirs: [], timeoutMs: 1000 };

type CreateOptions = Parameters<VolumeService["create"]>[0];

const ANONYMOUS_LABEL = "com.docker.volume.anonymous";
const REMOVING = ".removing";

/**
 * Opens the volumes below `root` and finishes what a killed daemon left: a removal that had begun is completed, a folder without
 * record is taken in as a volume where it is not empty (nothing that a user may have written is thrown away), a record without folder gets an empty one.
 */
export function openVolumeService(options: VolumeOptions): VolumeService {
  return new Service(options);
}

/** A volume's life: folder, then record; removal: folder renamed away, record gone, then the files. */
class Service implements VolumeService {
  readonly #root: string;
  readonly #store: Records;
  readonly #records: Table<VolumeRecord>;
  readonly #usedBy: (name: string) => string[];
  readonly #mounting: Mounting;
  readonly #plugins: PluginVolumes;
  readonly #users = new Set<string>();

  constructor({
    root,
    records,
    usedBy = () => [],
    plugins = new Plugins(NO_PLUGINS),
    mountTimeoutMs,
    log = () => undefined,
  }: VolumeOptions) {
    this.#mounting = new Mounting(mountTimeoutMs);
    this.#root = root;
    this.#store = records;
    this.#records = records.table<VolumeRecord>("volumes");
    this.#usedBy = usedBy;
    this.#plugins = new PluginVolumes(records, this.#records, plugins, log);
    ensureDir(root, 0o701);
    this.#mend();
  }

  create(options: CreateOptions): Volume {
    const generated = !options.name;
    const name = options.name || randomBytes(32).toString("hex");
    checkVolumeName(name);
    const existing = this.#records.get(name);
    if (existing) return this.#view(existing);
    checkOptions(name, options.options ?? {});
    const anonymous = generated || options.anonymous === true;
    const labels = { ...options.labels, ...(anonymous ? { [ANONYMOUS_LABEL]: "" } : {}) };
    this.#makeFolder(name);
    limit(name, { folder: this.#folder(name), options: options.options ?? {} });
    const own = {
      ...(options.options ? { options: options.options } : {}),
      ...(options.unsettled ? { unsettled: true as const } : {}),
    };
    return this.#view(this.#put({ name, createdAt: timestamp(new Date()), labels, ...own }));
  }

  async make(options: CreateOptions): Promise<Volume> {
    const name = options.name || randomBytes(32).toString("hex");
    const existing = this.#records.get(name);
    const driver = options.driver ?? existing?.driver ?? LOCAL;
    if (existing && driver !== (existing.driver ?? LOCAL)) {
      const words = `driver '${existing.driver ?? LOCAL}' already has volume '${name}'`;
      throw new BerthError("conflict", `create ${name}: ${words}: volume name must be unique`);
    }
    if (existing) refuseUnsettled(existing, "create");
    if (driver === LOCAL) return this.create(options);
    if (existing) return this.look(name);
    checkVolumeName(name);
    const anonymous = !options.name || options.anonymous === true;
    const labels = { ...options.labels, ...(anonymous ? { [ANONYMOUS_LABEL]: "" } : {}) };
    const own = options.options ? { options: options.options } : {};
    return this.#plugins.create({ name, driver, labels, ...own });
  }

  async look(name: string): Promise<Volume> {
    const record = this.#records.get(name);
    if (record?.driver !== undefined) return this.#plugins.look({ ...record, driver: record.driver });
    const found = record ? this.#view(record) : await this.#plugins.find(name);
    return found ?? this.inspect(name);
  }

  async listAll(filters: Filters): Promise<{ volumes: Volume[]; warnings: string[] }> {
    const fits = volumeFilter(filters);
    const { volumes, warnings } = await this.#plugins.list();
    const usedBy = (name: string): boolean => this.#usedBy(name).length > 0;
    const wanted = volumes.filter(({ Name: name, Labels: labels, Driver: driver }) =>
      fits({ name, labels: labels ?? {}, driver, used: usedBy(name) }),
    );
    return { volumes: [...this.list(filters), ...wanted], warnings };
  }

  drivers(): string[] {
    return [LOCAL, ...this.#plugins.drivers()];
  }

  driverOf(name: string): string {
    return this.#records.get(name)?.driver ?? LOCAL;
  }

  rename(name: string, to: string, also: (path: string) => void): Volume {
    const record = this.#find(name);
    checkVolumeName(to);
    if (record.driver !== undefined)
      throw new BerthError("invalid-argument", `rename ${name}: its driver ${record.driver} keeps the name`);
    refuseUnsettled(record, "rename");
    if (this.#records.get(to)) throw new BerthError("conflict", `rename ${name}: volume ${to} already exists`);
    const { [ANONYMOUS_LABEL]: _, ...labels } = record.labels;
    this.#store.transaction(() => {
      this.#records.delete(name);
      this.#put({ ...record, name: to, labels, renamedFrom: name });
      also(this.#folder(to));
    });
    this.#finishRename(to);
    return this.inspect(to);
  }

  /** Its folder follows its record. */
  #finishRename(name: string): void {
    const { renamedFrom, ...record } = this.#find(name);
    if (renamedFrom === undefined) return;
    const [from, to] = [join(this.#root, renamedFrom), join(this.#root, name)];
    if (existsSync(from) && !existsSync(to)) renameSync(from, to);
    fsyncPath(this.#root);
    this.#store.unsynced(() => this.#put(record));
  }

  settle(names: readonly string[]): void {
    for (const name of names) {
      const { unsettled, ...record } = this.#find(name);
      if (unsettled) this.#records.put(name, record);
    }
  }

  unsettled(): string[] {
    return this.#records.entries().flatMap(([name, record]) => (record.unsettled ? [name] : []));
  }

  has(name: string): boolean {
    return this.#records.get(name) !== undefined;
  }

  inspect(name: string): Volume {
    return this.#view(this.#find(name));
  }

  list(filters: Filters): Volume[] {
    const fits = volumeFilter(filters);
    return this.#records
      .entries()
      .map(([, record]) => record)
      .filter(
        (r) =>
          r.driver === undefined && fits({ name: r.name, labels: r.labels, used: this.#usedBy(r.name).length > 0 }),
      )
      .map((record) => this.#view(record));
  }

  path(name: string): string {
    const record = this.#find(name);
    return record.driver === undefined ? this.#folder(record.name) : (record.mountpoint ?? "");
  }

  async remove(name: string, options: { force: boolean; usedBy: string[]; names?: string[] }): Promise<void> {
    if (options.force && !this.#records.get(name)) return;
    const record = this.#find(name);
    if (options.usedBy.length > 0) {
      const { usedBy, names = [] } = options;
      const hint = names.length > 0 ? { hint: `used by ${names.join(", ")}` } : {};
      throw new BerthError("conflict", `remove ${name}: volume is in use - [${usedBy.join(", ")}]`, hint);
    }
    if (record.driver !== undefined) return this.#plugins.remove({ ...record, driver: record.driver });
    if (record.options) await this.release(record.name, "");
    const grave = join(this.#root, REMOVING, randomBytes(8).toString("hex"));
    ensureDir(grave, 0o700);
    if (existsSync(join(this.#root, record.name))) renameSync(join(this.#root, record.name), join(grave, record.name));
    fsyncPath(grave);
    fsyncPath(this.#root);
    this.#records.delete(record.name);
    if (record.options?.["size"] !== undefined) releaseTree(join(grave, record.name, "_data"));
    await bury(grave);
  }

  isAnonymous(name: string): boolean {
    return Object.hasOwn(this.#records.get(name)?.labels ?? {}, ANONYMOUS_LABEL);
  }

  async hold(name: string, user: string): Promise<string> {
    const record = this.#find(name);
    this.#users.add(user);
    if (record.driver !== undefined) return this.#plugins.hold({ ...record, driver: record.driver }, user);
    if (record.options) await this.#mounting.hold(this.path(name), record.options, user);
    return this.path(name);
  }

  async release(name: string, user: string): Promise<void> {
    const record = this.#records.get(name);
    this.#users.delete(user);
    if (record?.driver !== undefined) this.#plugins.release({ ...record, driver: record.driver }, user);
    else if (record?.options) await this.#mounting.release(this.#folder(name), user);
  }

  async releaseOthers(): Promise<void> {
    this.#mounting.started();
    this.#plugins.releaseOthers(this.#users);
    for (const [name, { driver }] of this.#records.entries()) if (driver === undefined) await this.release(name, "");
  }

  #find(name: string): VolumeRecord {
    const record = this.#records.get(name);
    if (!record) throw new BerthError("not-found", `get ${name}: no such volume`);
    return record;
  }

  #folder(name: string): string {
    return join(this.#root, name, "_data");
  }

  #makeFolder(name: string): void {
    try {
      mkdirSync(join(this.#root, name), { recursive: true, mode: 0o701 });
      mkdirSync(this.#folder(name), { recursive: true, mode: 0o755 });
    } catch (error) {
      throw fromErrno(error, `create ${name}`);
    }
  }

  #put(record: VolumeRecord): VolumeRecord {
    this.#records.put(record.name, record);
    return record;
  }

  #view(record: VolumeRecord): Volume {
    const none: Record<string, string> | null = null;
    const view: Omit<Volume, "Labels" | "Options"> & Nullable = {
      CreatedAt: record.createdAt,
      Driver: record.driver ?? LOCAL,
      Labels: Object.keys(record.labels).length > 0 ? record.labels : none,
      Mountpoint: record.driver === undefined ? this.#folder(record.name) : (record.mountpoint ?? ""),
      Name: record.name,
      Options: record.options ?? none,
      Scope: "local",
    };
    return view as Volume;
  }

  #mend(): void {
    const graves = join(this.#root, REMOVING);
    for (const grave of existsSync(graves) ? readdirSync(graves) : []) {
      for (const name of readdirSync(join(graves, grave))) {
        if (!existsSync(join(this.#root, name))) this.#records.delete(name);
        releaseTree(join(graves, grave, name, "_data"));
      }
      void bury(join(graves, grave)).catch(() => undefined); // Tried again at the next start.
    }
    for (const [name] of this.#records.entries()) this.#finishRename(name);
    for (const [name, { driver }] of this.#records.entries()) if (driver === undefined) this.#makeFolder(name);
    for (const entry of readdirSync(this.#root, { withFileTypes: true })) {
      const { name } = entry;
      if (!entry.isDirectory() || name === REMOVING || this.#records.get(name)) continue;
      if (existsSync(this.#folder(name))) releaseTree(this.#folder(name));
      // A create that was killed before its record: nobody can have written there.
      if (removedEmpty(this.#folder(name)) && removedEmpty(join(this.#root, name))) continue;
      if (!existsSync(this.#folder(name))) continue;
      const labels = /^[0-9a-f]{64}$/.test(name) ? { [ANONYMOUS_LABEL]: "" } : {};
      this.#put({ name, createdAt: timestamp(statSync(this.#folder(name)).mtime), labels });
    }
  }
}

/** Holds a new volume to its option `size`. Before its record: a failure leaves an empty folder, which goes here. */
function limit(name: string, { folder, options }: { folder: string; options: Record<string, string> }): void {
  const { size, device } = options;
  if (size === undefined || device !== undefined) return;
  if (limitTrees([folder], sizeOf(name, size), folder)) return;
  rmSync(dirname(folder), { recursive: true });
  throw new BerthError("invalid-argument", `create ${name}: quota size requested but no quota support`);
}

function refuseUnsettled({ name, unsettled }: VolumeRecord, what: string): void {
  if (unsettled) throw new BerthError("conflict", `${what} ${name}: the volume is still being made`);
}

/** Removes a folder where it is empty; true where it is gone. */
function removedEmpty(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return errnoOf(error) === "ENOENT";
  }
}

/** Docker shows null where there is nothing. */
interface Nullable {
  Labels: Record<string, string> | null;
  Options: Record<string, string> | null;
}

/** Deletes what containers have written, without blocking the daemon and without ever leaving the folder's own file system. */
async function bury(grave: string): Promise<void> {
  await runOk(["rm", "-rf", "--one-file-system", "--", grave]);
}

function timestamp(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}
