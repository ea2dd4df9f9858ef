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
  }): Volume;
  inspect(name: string): Volume;
  list(filters: Filters): Volume[];
  /** Absolute host folder; throws `not-found`. */
  path(name: string): string;
  /** Throws `conflict` where a container uses it. */
  remove(name: string, options: { force: boolean; usedBy: string[] }): Promise<void>;
  isAnonymous(name: string): boolean;
}
