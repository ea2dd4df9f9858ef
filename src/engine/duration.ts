const UNITS: [seconds: number, name: string][] = [
  [365 * 24 * 3600, "year"],
  [30 * 24 * 3600, "month"],
  [7 * 24 * 3600, "week"],
  [24 * 3600, "day"],
  [3600, "hour"],
  [60, "minute"],
];
const MS = 1000;
/** From how many of its own on a unit is used: 2 weeks, but 13 days; as go-units has it, whose words Docker's clients know. */
const FROM: Record<string, number> = { year: 2, month: 2, week: 2, day: 2, hour: 2 };

/** A duration in Docker's words: `Less than a second`, `5 seconds`, `About a minute`, `3 hours`. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / MS);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  // Half an hour and more counts up.
  const hours = Math.round(ms / MS / 3600);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  for (const [size, name] of UNITS) {
    const count = Math.floor((hours * 3600) / size);
    if (FROM[name] !== undefined && count >= FROM[name]) return `${count} ${name}s`;
  }
  return `${hours} hours`;
}
