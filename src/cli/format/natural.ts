/** Order of names as people count: `v2` before `v10`, digits before all else, as Docker sorts volumes, networks and plugins. */
export function naturalOrder(a: string, b: string): number {
  const [left, right] = [pieces(a), pieces(b)];
  for (const [at, piece] of left.entries()) {
    const other = right[at];
    if (other === undefined) return 1;
    if (piece !== other) return pieceOrder(piece, other);
  }
  return left.length - right.length;
}

/** Numbers whole, all else letter by letter. */
const pieces = (text: string): string[] => text.match(/\d+|\D/gu) ?? [];
const isNumber = (piece: string): boolean => /^\d/.test(piece);

function pieceOrder(a: string, b: string): number {
  if (isNumber(a) !== isNumber(b)) return isNumber(a) ? -1 : 1;
  if (!isNumber(a)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  const [small, large] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  if (small === large) return a.length - b.length;
  return small.length - large.length || (small < large ? -1 : 1);
}
