/** Fields as Go's encoding/csv reads one line of them. `bad` makes the error of its words for what it does not read. */
export function csvFields(text: string, bad: (why: string) => Error): string[] {
  const fields: string[] = [];
  const at = (column: number, why: string): Error => bad(`parse error on line 1, column ${column}: ${why}`);
  if (text === "") throw bad("EOF");
  for (let from = 0; from <= text.length; from++) {
    const rule = text[from] === '"' ? /"((?:[^"]|"")*)"(?=,|$)/y : /[^",]*(?=,|$)/y;
    rule.lastIndex = from;
    const match = rule.exec(text);
    if (!match) {
      if (text[from] === '"') throw at(text.length + 1, 'extraneous or missing " in quoted-field');
      throw at(text.indexOf('"', from) + 1, 'bare " in non-quoted-field');
    }
    fields.push(match[1]?.replaceAll('""', '"') ?? match[0]);
    from += match[0].length;
  }
  return fields;
}
