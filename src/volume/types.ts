import type { Filters } from "../image/types.ts";
import type { Volume } from "../spec/engine-api.ts";

/** Local volumes below `<data-root>/volumes/<name>/_data`. */
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
  list(filters: Filters): Volume[];
  /** Absolute host folder; throws `not-found`. */
  path(name: string): string;
  /** Throws `conflict` where containers use it: their ids are `usedBy`, and `names` is what the person calls them. */
  remove(name: string, options: { force: boolean; usedBy: string[]; names?: string[] }): Promise<void>;
  isAnonymous(name: string): boolean;
  /**
   * `user` has the volume until `release`. One with driver options is mounted on its folder for its first user and unmounted after its last
   * one; the mount outlives the daemon, as its containers do. Throws `internal` in Docker's words where it cannot be mounted. Repeatable.
   */
  hold(name: string, user: string): Promise<void>;
  release(name: string, user: string): Promise<void>;
  /** At start-up, when all that run hold their volumes: unmounts the rest, which a killed daemon left. */
  releaseOthers(): Promise<void>;
}
