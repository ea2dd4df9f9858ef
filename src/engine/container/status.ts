import { humanDuration } from "../../spec/duration.ts";
import type { Container } from "../container.ts";
import type { HealthRecord, Status } from "../record.ts";

const MS = 1000;

/** Docker's zero time. */
export const NEVER = "0001-01-01T00:00:00Z";

/** A time of the records in RFC 3339; 0 is Docker's zero time. */
export function formatTime(ms: number): string {
  return ms === 0 ? NEVER : new Date(ms).toISOString();
}

/** The state that clients see. */
export function shownStatus(container: Container): Status | "removing" | "paused" {
  const { status, paused } = container.record.state;
  if (paused && status === "running") return "paused";
  return container.removing && status !== "running" ? "removing" : status;
}

/** `Up 3 seconds (healthy)`, `Exited (0) 2 minutes ago`, `Created`, as `ps` shows it. */
export function statusText(container: Container, now = Date.now()): string {
  const { state } = container.record;
  switch (shownStatus(container)) {
    case "running":
      return `Up ${since(state.startedAt, now)}${healthText(container)}`;
    case "paused":
      return `Up ${since(state.startedAt, now)} (Paused)`;
    case "restarting":
      return `Restarting (${state.exitCode}) ${since(state.finishedAt, now)} ago`;
    case "exited":
      return `Exited (${state.exitCode}) ${since(state.finishedAt, now)} ago`;
    case "removing":
      return "Removal In Progress";
    default:
      return "Created";
  }
}

/** What clients see: without checks, so at rest and paused, a container is unhealthy to Docker. */
export function shownHealth({ health, record }: Container): HealthRecord | undefined {
  const known = health ?? record.health;
  const isChecked = record.state.status === "running" && !record.state.paused;
  return known && !isChecked ? { ...known, status: "unhealthy" } : known;
}

function since(ms: number, now: number): string {
  return humanDuration((now - ms) / MS);
}

function healthText(container: Container): string {
  const health = container.health?.status;
  return health === undefined ? "" : health === "starting" ? " (health: starting)" : ` (${health})`;
}
