import { BerthError, messageOf } from "../../spec/errors.ts";
import { type Context, printLine } from "../context.ts";
import { Row } from "../template/values.ts";
import { alignTable } from "./table.ts";

/** How one kind of thing is listed. */
export interface Listing<T> {
  /** Column titles by field; those of `columns` make the default table. */
  titles: Record<string, string>;
  columns: readonly string[];
  /** What `--format raw` prints of each: a label and the field behind it. Absent: `raw` is a template like any other. */
  raw?: readonly [label: string, field: string][];
  /** True: a template is tried, as it was given, before anything is asked (`checkFormat`), and its errors have words of their own. */
  checked?: boolean;
  /** A thing's fields, for tables and templates. */
  row(item: T): Row;
}

/** What `--format` and `-q` ask for. `quiet` is the field that `-q` prints. */
export interface ListingOptions {
  format: string;
  quiet?: string | undefined;
}

/** Prints items as Docker does: the default table, `table TEMPLATE`, `json`, or a Go template a line. */
export async function printListing<T>(
  ctx: Context,
  listing: Listing<T>,
  items: readonly T[],
  options: ListingOptions,
): Promise<void> {
  const { format, quiet } = options;
  if (quiet !== undefined && (format === "" || format === "table")) {
    for (const item of items) printLine(ctx, fieldText(listing.row(item), quiet));
    return;
  }
  if (format === "raw" && listing.raw) {
    const shown = quiet === undefined ? listing.raw : listing.raw.filter(([, field]) => field === quiet);
    for (const row of items.map((item) => listing.row(item))) {
      for (const [label, field] of shown) printLine(ctx, `${label}: ${fieldText(row, field)}`.trimEnd());
      if (quiet === undefined) printLine(ctx, "");
    }
    return;
  }
  if (format === "" || format === "table") {
    const rows = items.map((item) => listing.row(item));
    const header = listing.columns.map((c) => listing.titles[c] ?? c.toUpperCase());
    ctx.io.out(alignTable([header, ...rows.map((row) => listing.columns.map((c) => fieldText(row, c)))]));
    return;
  }
  await printTemplate(ctx, listing, items, format);
}

/** A row's field as plain text. */
export function fieldText(row: Row, field: string): string {
  return String(row.fields[field] ?? "");
}

async function printTemplate<T>(ctx: Context, listing: Listing<T>, items: readonly T[], format: string): Promise<void> {
  const { compileTemplate } = await import("../template/execute.ts");
  const { FUNCTIONS, HEADER_FUNCTIONS } = await import("../template/functions.ts");
  const isTable = format.startsWith("table");
  const source =
    format === "json" ? "{{json .}}" : unescapeTabs(isTable ? format.slice("table".length).trim() : format);
  const template = explained("parse", () => compileTemplate(source, { functions: FUNCTIONS }), listing.checked);
  const lines = explained("execute", () => items.map((item) => template.execute(listing.row(item))), listing.checked);
  if (!isTable) {
    for (const line of lines) printLine(ctx, line);
    return;
  }
  const label = (name: unknown): string => titleOfLabel(String(name));
  const titles = new Row({ ...listing.titles, Label: label });
  const header = compileTemplate(source, { functions: HEADER_FUNCTIONS }).execute(titles);
  ctx.io.out(alignTable([header, ...lines].flatMap((line) => line.split("\n")).map((line) => line.split("\t"))));
}

function explained<T>(step: "parse" | "execute", action: () => T, checked = false): T {
  try {
    return action();
  } catch (error) {
    const words = checked ? `failed to ${step} template` : "template parsing error";
    throw new BerthError("invalid-argument", `${words}: ${messageOf(error)}`);
  }
}

/** Tries a format on a thing without content. Throws as Docker's `ps` does, whether there is anything to list or not. */
export async function checkFormat<T>(listing: Listing<T>, format: string, nothing: T): Promise<void> {
  if (["", "table", "json"].includes(format) || (format === "raw" && listing.raw)) return;
  const { compileTemplate } = await import("../template/execute.ts");
  const template = explained("parse", () => compileTemplate(format), true);
  explained("execute", () => template.execute(listing.row(nothing)), true);
}

/** `com.example.my-label` heads its column as `my label`. */
function titleOfLabel(name: string): string {
  return (name.split(".").at(-1) ?? name).replaceAll("-", " ").replaceAll("_", " ");
}

/** On the command line `\t` and `\n` stand for the characters themselves. */
export function unescapeTabs(format: string): string {
  return format.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
}

/** One value by a `--format` of its own: `json`, or a Go template. */
export async function formatted(format: string, data: Row): Promise<string> {
  const { compileTemplate } = await import("../template/execute.ts");
  const source = format === "json" ? "{{json .}}" : unescapeTabs(format);
  return explained("parse", () => compileTemplate(source)).execute(data);
}
