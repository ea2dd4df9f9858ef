const MIN_WIDTH = 10;
const PADDING = 3;

/** Width on a terminal, counted in code points as Go's tabwriter does. */
function widthOf(text: string): number {
  return [...text].length;
}

/**
 * Lines of cells as Docker's tables: columns padded to their widest cell plus three spaces, at least ten wide; the last cell
 * of a line is not padded. Ends with a newline where there is a line.
 */
export function alignTable(
  lines: readonly (readonly string[])[],
  options: { minWidth?: number; padding?: number } = {},
): string {
  const { minWidth = MIN_WIDTH, padding = PADDING } = options;
  const widths: number[] = [];
  for (const cells of lines) {
    for (const [i, cell] of cells.slice(0, -1).entries()) {
      widths[i] = Math.max(widths[i] ?? minWidth, widthOf(cell) + padding);
    }
  }
  return lines
    .map((cells) => {
      const padded = cells
        .slice(0, -1)
        .map((cell, i) => cell + " ".repeat(Math.max(0, (widths[i] ?? 0) - widthOf(cell))));
      return `${padded.join("")}${cells.at(-1) ?? ""}\n`;
    })
    .join("");
}
