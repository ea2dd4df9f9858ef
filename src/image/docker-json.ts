/** Docker's daemon writes `null` for an absent list or map in its answers, although its specification (and so the type) does not say so. */
export function orNull<T>(value: T | undefined): T {
  return (value ?? null) as T;
}

/** Whole seconds since 1970 of an RFC 3339 time; 0 where there is none. */
export function seconds(time: string | undefined): number {
  const ms = Date.parse(time ?? "");
  return Number.isNaN(ms) ? 0 : Math.floor(ms / 1000);
}
