import { statSync } from "node:fs";
import { isAbsolute, normalize } from "node:path";
import type { Volume } from "../../spec/engine-api.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import type { Records, Table } from "../../store/types.ts";
import type { VolumeRecord } from "../record.ts";
import type { PluginDriver, Plugins } from "./client.ts";

/** What a plugin says of a volume. */
interface Described {
  Name: string;
  Mountpoint?: string;
  CreatedAt?: string;
  Status?: Record<string, unknown>;
}

/** A plugin's volume that somebody has, in the records. */
type PluginRecord = VolumeRecord & { driver: string };

/**
 * Volumes of plugins: made, mounted and kept by them. A record here says whose a name is; it comes after the plugin has made the volume
 * and goes before the plugin removes it. Who has one mounted is recorded before the plugin is asked to, so that what a kill leaves is unmounted at the next start.
 */
export class PluginVolumes {
  /** One thing at a time for each volume. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(
    private readonly store: Records,
    private readonly records: Table<VolumeRecord>,
    private readonly plugins: Plugins,
    private readonly log: (line: string) => void,
  ) {}

  /** The plugins that there are. */
  drivers(): string[] {
    return this.plugins.names();
  }

  /** Makes a volume, or takes one that the plugin has already. Throws in Docker's words. */
  async create(wanted: {
    name: string;
    driver: string;
    labels: Record<string, string>;
    options?: Record<string, string>;
  }): Promise<Volume> {
    const { name, driver, labels, options } = wanted;
    const plugin = await this.#driver(driver, `create ${name}: error looking up volume plugin ${driver}`);
    if (!(await describe(plugin, name).catch(() => undefined))) {
      try {
        await plugin.call("Create", { Name: name, Opts: options ?? null });
      } catch (error) {
        throw new BerthError("internal", `create ${name}: ${messageOf(error)}`, { cause: error });
      }
    }
    this.records.put(name, { name, driver, createdAt: "", labels, ...(options ? { options } : {}) });
    return this.look(this.records.get(name) as PluginRecord);
  }

  /** As the plugin describes it now; by the record alone where it does not answer. */
  async look(record: PluginRecord): Promise<Volume> {
    try {
      const plugin = await this.plugins.driver(record.driver);
      return viewOf(record, { scope: plugin.scope, ...(await describe(plugin, record.name)) });
    } catch {
      return viewOf(record, {});
    }
  }

  /** A volume that only a plugin knows. */
  async find(name: string): Promise<Volume | undefined> {
    for (const driver of this.plugins.names()) {
      try {
        const plugin = await this.plugins.driver(driver);
        const found = await describe(plugin, name);
        if (found) return viewOf({ name, driver, createdAt: "", labels: {} }, { scope: plugin.scope, ...found });
      } catch {
        // It is none of that plugin's, or the plugin is of no use.
      }
    }
    return undefined;
  }

  /** The volumes of all plugins, and what went wrong with some. */
  async list(): Promise<{ volumes: Volume[]; warnings: string[] }> {
    const warnings: string[] = [];
    const known = this.records.entries().flatMap(([, r]) => (r.driver === undefined ? [] : [r as PluginRecord]));
    const names = [...new Set([...this.plugins.names(), ...known.map((r) => r.driver)])];
    const listed = await Promise.all(
      names.map(async (name): Promise<Volume[]> => {
        const own = known.filter((record) => record.driver === name);
        try {
          const plugin = await this.plugins.driver(name);
          const { Volumes: found } = await plugin.call("List", {});
          const all = (Array.isArray(found) ? found : []) as Described[];
          const gone = own.filter((record) => !all.some((v) => v.Name === record.name));
          const shown = all.filter((v) => typeof v.Name === "string");
          return [
            ...gone.map((record) => viewOf(record, {})),
            ...shown.map((v) => {
              const record = own.find((r) => r.name === v.Name) ?? {
                name: v.Name,
                driver: name,
                createdAt: "",
                labels: {},
              };
              return viewOf(record, { scope: plugin.scope, ...v });
            }),
          ];
        } catch (error) {
          // A plugin of another kind has no volumes.
          if (!/does not implement/.test(messageOf(error))) warnings.push(`list ${name}: ${messageOf(error)}`);
          return own.map((record) => viewOf(record, {}));
        }
      }),
    );
    return { volumes: listed.flat(), warnings };
  }

  /** Throws `internal` in Docker's words where the plugin refuses, with the record still there. */
  remove(record: PluginRecord): Promise<void> {
    return this.#turn(record.name, () => this.#remove(record));
  }

  async #remove(record: PluginRecord): Promise<void> {
    try {
      const plugin = await this.#driver(record.driver, `remove ${record.name}`);
      await plugin.call("Remove", { Name: record.name });
    } catch (error) {
      throw new BerthError("internal", `remove ${record.name}: ${messageOf(error)}`, { cause: error });
    }
    this.records.delete(record.name);
  }

  /** Mounts it for `user`; answers where. Repeatable. */
  hold({ name }: PluginRecord, user: string): Promise<string> {
    return this.#turn(name, () => this.#hold(this.#find(name), user));
  }

  async #hold(record: PluginRecord, user: string): Promise<string> {
    const { name, driver, mounted = [], mountpoint = "" } = record;
    if (mounted.includes(user)) return mountpoint;
    const failed = (why: string): BerthError =>
      new BerthError("internal", `error while mounting volume '${name}': ${why}`);
    const plugin = await this.#driver(driver, `error while mounting volume '${name}'`);
    this.#save(name, { mounted: [...mounted, user] });
    try {
      const { Mountpoint: path } = await plugin.call("Mount", { Name: name, ID: user });
      const place = checkMountpoint(driver, path, failed);
      this.#save(name, { mountpoint: place });
      return place;
    } catch (error) {
      // It may have been done all the same.
      this.release(record, user);
      throw error instanceof BerthError && error.message.startsWith("error while") ? error : failed(messageOf(error));
    }
  }

  /** Unmounts it for `user`, who does not wait for it; what the plugin says against it is logged. Repeatable. */
  release({ name }: PluginRecord, user: string): void {
    void this.#turn(name, () => this.#release(this.#find(name), user)).catch((error) =>
      this.log(`volume ${name}: ${messageOf(error)}`),
    );
  }

  async #release(record: PluginRecord, user: string): Promise<void> {
    const { name, driver, mounted = [] } = record;
    if (!mounted.includes(user)) return;
    try {
      const plugin = await this.plugins.driver(driver);
      await plugin.call("Unmount", { Name: name, ID: user });
    } catch (error) {
      this.log(`volume ${name}: ${messageOf(error)}`);
    }
    this.#save(name, { mounted: (this.#find(name).mounted ?? []).filter((id) => id !== user) });
  }

  /** At start-up: what nobody among `users` has is unmounted, in the background, for a plugin may not be there yet. */
  releaseOthers(users: ReadonlySet<string>): void {
    for (const [, record] of this.records.entries()) {
      if (record.driver === undefined) continue;
      for (const user of record.mounted ?? []) if (!users.has(user)) this.release(record as PluginRecord, user);
    }
  }

  #find(name: string): PluginRecord {
    const record = this.records.get(name);
    if (record?.driver === undefined) throw new BerthError("not-found", `get ${name}: no such volume`);
    return record as PluginRecord;
  }

  #turn<R>(name: string, work: () => Promise<R>): Promise<R> {
    const mine = (this.#turns.get(name) ?? Promise.resolve()).then(work, work);
    this.#turns.set(name, mine);
    const over = (): void => {
      if (this.#turns.get(name) === mine) this.#turns.delete(name);
    };
    mine.then(over, over);
    return mine;
  }

  #save(name: string, change: Partial<VolumeRecord>): void {
    const record = this.records.get(name);
    if (record) this.store.unsynced(() => this.records.put(name, { ...record, ...change }));
  }

  async #driver(name: string, doing: string): Promise<PluginDriver> {
    try {
      return await this.plugins.driver(name);
    } catch (error) {
      const kind = error instanceof BerthError ? error.kind : "internal";
      throw new BerthError(kind, `${doing}: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** Undefined where it has no such volume. */
async function describe(plugin: PluginDriver, name: string): Promise<Described | undefined> {
  const { Volume: found } = await plugin.call("Get", { Name: name });
  return typeof found === "object" && found !== null ? (found as Described) : undefined;
}

/** A plugin is trusted as the daemon is, but it may be wrong. */
function checkMountpoint(driver: string, path: unknown, failed: (why: string) => BerthError): string {
  const shown = JSON.stringify(path)?.slice(0, 200);
  const wrong = (why: string): BerthError => failed(`plugin "${driver}" gave the mountpoint ${shown}: ${why}`);
  if (typeof path !== "string" || !isAbsolute(path) || path.includes("\0")) throw wrong("no absolute path");
  if (normalize(path) !== path && normalize(path) !== `${path}/`) throw wrong("no plain path");
  if (path === "/" || !statSync(path, { throwIfNoEntry: false })) throw wrong("no such file or directory");
  return path;
}

function viewOf(record: PluginRecord, found: Partial<Described> & { scope?: "local" | "global" }): Volume {
  const { CreatedAt, Mountpoint, Status, scope = "local" } = found;
  const view = {
    ...(CreatedAt || record.createdAt ? { CreatedAt: CreatedAt || record.createdAt } : {}),
    Driver: record.driver,
    Labels: Object.keys(record.labels).length > 0 ? record.labels : null,
    Mountpoint: typeof Mountpoint === "string" ? Mountpoint : "",
    Name: record.name,
    Options: record.options ?? null,
    Scope: scope,
    ...(Status ? { Status } : {}),
  };
  return view as unknown as Volume;
}
