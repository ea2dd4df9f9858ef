import type { Container } from "../container.ts";
import { humanDuration } from "../duration.ts";
import type { Status } from "../record.ts";

/** Docker's zero time. */
export const NEVER = "0001-01-01T00:00:00Z";

/** A time of the records in RFC 3339; 0 is Docker's zero time. */
export function formatTime(ms: number): string {
  return ms === 0 ? NEVER : new Date(ms).toISOString();
}

/** The state that clients see. */
export function shownStatus(container: Container): Status | "removing" {
  const { status } = container.record.state;
  return container.removing && status !== "running" ? "removing" : status;
}

/** `Up 3 seconds (healthy)`, `Exited (0) 2 minutes ago`, `Created`, as `ps` shows it. */
export function statusText(container: Container, now = Date.now()): string {
  const { state } = container.record;
  switch (shownStatus(container)) {
    case "running":
      return `Up ${humanDuration(now - state.startedAt)}${healthText(container)}`;
    case "restarting":
      return `Restarting (${state.exitCode}) ${humanDuration(now - state.finishedAt)} ago`;
    case "exited":
      return `Exited (${state.exitCode}) ${humanDuration(now - state.finishedAt)} ago`;
    case "removing":
      return "Removal In Progress";
    default:
      return "Created";
  }
}

function healthText(container: Container): string {
  const health = container.health?.status;
  return health === undefined ? "" : health === "starting" ? " (health: starting)" : ` (${health})`;
}
