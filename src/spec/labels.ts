/** True where the labels have what a filter asks for: `key`, or `key=value`. */
export function hasLabel(labels: Readonly<Record<string, string>> | null | undefined, wanted: string): boolean {
  const at = wanted.indexOf("=");
  const key = at < 0 ? wanted : wanted.slice(0, at);
  return Object.hasOwn(labels ?? {}, key) && (at < 0 || labels?.[key] === wanted.slice(at + 1));
}
