// As node:path's functions of the same kind for POSIX, for names as `decodeName` (names.ts) gives them: Bun's own replace what is not UTF-8.

/** The path without ".", "..", and doubled slashes, as strings alone can tell; a slash at its end stays. "." for nothing. */
export function normalizePath(path: string): string {
  const absolute = path.startsWith("/");
  const out: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") out.push(part);
    else if (out.length > 0 && out.at(-1) !== "..") out.pop();
    else if (!absolute) out.push(part);
  }
  const text = `${absolute ? "/" : ""}${out.join("/")}`;
  if (text === "" || text === "/") return text === "" ? (path.endsWith("/") ? "./" : ".") : text;
  return path.endsWith("/") ? `${text}/` : text;
}

/** All parts one below the other, normalized; empty ones do not count. */
export function joinPaths(...parts: string[]): string {
  return normalizePath(parts.filter((part) => part !== "").join("/"));
}

/** The last name; slashes at the end do not count. */
export function baseName(path: string): string {
  const text = withoutSlashes(path);
  return text.slice(text.lastIndexOf("/") + 1);
}

/** What the last name is in; "." for a name alone. */
export function dirName(path: string): string {
  const text = withoutSlashes(path);
  const slash = text.lastIndexOf("/");
  if (slash < 0) return path.startsWith("/") ? "/" : ".";
  return withoutSlashes(text.slice(0, slash)) || "/";
}

function withoutSlashes(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === "/") end--;
  return path.slice(0, end);
}
