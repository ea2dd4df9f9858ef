const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = new Set([0x7b, 0x5b]);
const CLOSE = new Set([0x7d, 0x5d]);
const COLON = 0x3a;
const COMMA = 0x2c;

/**
 * The keys of the outermost object, as often as they are there: parsers do not agree on which of two counts (RFC 8259, section 4). Of what is no sound JSON any. Throws a
 * RangeError where something is more than `deepest` brackets deep: parsers are slow then, or run out of stack.
 */
export function outerKeys(json: Uint8Array, deepest: number): string[] {
  const keys: string[] = [];
  let depth = 0;
  let last: [number, number] | undefined;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i] ?? 0;
    if (byte === QUOTE) {
      const begun = i;
      for (i++; json[i] !== QUOTE && i < json.length; i++) if (json[i] === BACKSLASH) i++;
      last = [begun, i + 1];
    } else if (OPEN.has(byte)) {
      if (++depth > deepest) throw new RangeError(`more than ${deepest} brackets deep`);
    } else if (CLOSE.has(byte)) depth--;
    else if (byte === COMMA) last = undefined;
    else if (byte === COLON && depth === 1 && last) {
      keys.push(JSON.parse(new TextDecoder().decode(json.subarray(...last))) as string);
    }
  }
  return keys;
}
