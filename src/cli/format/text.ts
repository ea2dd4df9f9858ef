/** An id's first twelve hex digits, without `sha256:`. */
export function shortId(id: string): string {
  const bare = id.includes(":") ? id.slice(id.indexOf(":") + 1) : id;
  return bare.slice(0, 12);
}

/** At most `width` code points, the last one `…` where something was cut. */
export function ellipsis(text: string, width: number): string {
  const runes = [...text];
  return runes.length <= width ? text : `${runes.slice(0, width - 1).join("")}…`;
}

const ESCAPES: Record<string, string> = { "\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\" };

/** Go's `strconv.Quote`. */
export function goQuote(text: string): string {
  const body = text.replace(/["\\]|[^\P{C}]/gu, (c) => {
    const known = ESCAPES[c];
    if (known) return known;
    const code = c.codePointAt(0) ?? 0;
    return code < 128 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `"${body}"`;
}

/** `[::]:80` or `0.0.0.0:80`: an address and a port joined as Go's net.JoinHostPort does. */
export function joinHostPort(ip: string, port: string | number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
