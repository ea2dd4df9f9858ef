import type { Filters } from "../image/types.ts";
import type { Volume } from "../spec/engine-api.ts";

/** Volumes: ours below `<data-root>/volumes/<name>/_data`, and those of plugins. */
export interface VolumeService {
  create(options: {
    name?: string;
    labels?: Record<string, string>;
    driver?: string;
    options?: Record<string, string>;
    anonymous?: boolean;
    /** It is made for something that is not there yet: until `settle` it is among `unsettled`, for start-up to remove. */
    unsettled?: boolean;
  }): Volume;
  /**
   * As `create`, with any driver; without one a volume that is there is taken whatever its driver is. Throws `conflict` where another driver has the name, and what the
   * plugin says.
   */
  make(options: Parameters<VolumeService["create"]>[0]): Promise<Volume>;
  /** As `inspect`, with what a plugin says of its own now; also of one that only a plugin knows. */
  look(name: string): Promise<Volume>;
  /** As `list`, with the volumes of plugins, and what is to be said of plugins that do not answer. */
  listAll(filters: Filters): Promise<{ volumes: Volume[]; warnings: string[] }>;
  /** `local`, and the plugins that are there. */
  drivers(): string[];
  /** `local` for ours, and for what is not there. */
  driverOf(name: string): string;
  /**
   * Another name for a volume, which keeps its content. `also` is told the folder's new path, and joins the one transaction. Throws `not-found`,
   * `conflict` where the name is taken, and `invalid-argument` for what is no name. A kill in between is finished when the service opens.
   */
  rename(name: string, to: string, also: (path: string) => void): Volume;
  /** What they were made for is there. Joins the open transaction. */
  settle(names: readonly string[]): void;
  /** Names of volumes whose purpose never came to be: a killed daemon was at it. */
  unsettled(): string[];
  has(name: string): boolean;
  inspect(name: string): Volume;
  /** Ours alone. */
  list(filters: Filters): Volume[];
  /** Absolute host folder; of a plugin's where it was mounted last, or "". Throws `not-found`. */
  path(name: string): string;
  /** Throws `conflict` where containers use it: their ids are `usedBy`, and `names` is what the person calls them. */
  remove(name: string, options: { force: boolean; usedBy: string[]; names?: string[] }): Promise<void>;
  isAnonymous(name: string): boolean;
  /**
   * `user` has the volume until `release`. One with driver options is mounted on its folder for its first user and unmounted after its last
   * one; the mount outlives the daemon, as its containers do. A plugin mounts its own for each user. Answers the folder. Throws `internal` in Docker's words where it
   * cannot be mounted. Repeatable.
   */
  hold(name: string, user: string): Promise<string>;
  release(name: string, user: string): Promise<void>;
  /** At start-up, when all that run hold their volumes: unmounts the rest, which a killed daemon left. */
  releaseOthers(): Promise<void>;
}
