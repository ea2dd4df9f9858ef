import type { DriverOptions } from "./device.ts";

/** A volume in the records, by name. */
export interface VolumeRecord {
  name: string;
  /** RFC 3339, whole seconds; "": its plugin knows. */
  createdAt: string;
  labels: Record<string, string>;
  /** What the driver got, as the person gave it. */
  options?: DriverOptions;
  /** What it is made for is not there yet. */
  unsettled?: true;
  /** Its folder may still have this name. */
  renamedFrom?: string;
  /** A plugin's name. Absent: it is ours. */
  driver?: string;
  /** Of a plugin's: where it was mounted last, and for whom it is. */
  mountpoint?: string;
  mounted?: string[];
}
