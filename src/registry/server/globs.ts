/** A pattern for names with slashes: `*` within a part, `**` over several, `?` one character; all else is itself. */
export function globMatcher(pattern: string): (name: string) => boolean {
  const source = pattern.replace(/\*\*\/?|\*|\?|[^*?]+/g, (part) => {
    if (part === "**/") return "(?:.*/)?";
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    return part === "?" ? "[^/]" : part.replace(/[\\^$.|+()[\]{}]/g, "\\$&");
  });
  const compiled = new RegExp(`^${source}$`);
  return (name) => compiled.test(name);
}
