import { describe, expect, test } from "bun:test";
import type { ProgressLine } from "../client/images.ts";
import type { Context } from "./context.ts";
import { type ProgressOptions, showProgress } from "./progress.ts";

interface Shown {
  out: string;
  err: string;
  error?: unknown;
}

async function shown(
  lines: ProgressLine[],
  options: ProgressOptions & { terminal?: boolean; columns?: number } = {},
): Promise<Shown> {
  const stream = (): { columns: number | undefined } => ({ columns: options.columns });
  const kept: Shown = { out: "", err: "" };
  const io = {
    out: (text: string) => void (kept.out += text),
    err: (text: string) => void (kept.err += text),
    stdoutIsTerminal: () => options.terminal ?? false,
    stderrIsTerminal: () => options.terminal ?? false,
    stdout: stream,
    stderr: stream,
  };
  async function* told(): AsyncGenerator<ProgressLine> {
    yield* lines;
  }
  await showProgress({ io } as unknown as Context, told(), options).catch((error: unknown) => {
    kept.error = error;
  });
  return kept;
}

/** What a terminal shows of the text: just the sequences that a progress display uses. */
function screen(text: string): string[] {
  const rows = [""];
  let row = 0;
  let column = 0;
  for (const [all, count, what] of text.matchAll(/\x1b\[(\d+)([ABK])|\r|\n|[^\x1b\r\n]+/g)) {
    if (what === "A") row -= Number(count);
    else if (what === "B") row += Number(count);
    else if (what === "K") rows[row] = "";
    else if (all === "\r") column = 0;
    else if (all === "\n") {
      row++;
      column = 0;
      rows[row] ??= "";
    } else {
      rows[row] = (rows[row] ?? "").slice(0, column) + all;
      column += all.length;
    }
    expect(row).toBeGreaterThanOrEqual(0);
    expect(row).toBeLessThan(rows.length);
  }
  return rows;
}

const step = (id: string, current: number, total = 100): ProgressLine => ({
  id,
  status: "Loading",
  progressDetail: { current, total },
});

const PULL: ProgressLine[] = [
  { status: "Pulling from library/x", id: "latest" },
  { id: "aaa", status: "Waiting" },
  { id: "bbb", status: "Waiting" },
  step("bbb", 10),
  step("aaa", 50),
  step("bbb", 100),
  { id: "bbb", status: "Done" },
  { id: "aaa", status: "Done" },
  { status: "Status: all of it" },
];

describe("on a terminal", () => {
  test("each layer keeps its own line, and the last state is what remains", async () => {
    const { out, err } = await shown(PULL, { terminal: true });
    expect(err).toBe("");
    expect(screen(out)).toEqual(["latest: Pulling from library/x", "aaa: Done", "bbb: Done", "Status: all of it", ""]);
  });

  test("at every moment the screen holds one line a layer, never a piece of an older one", async () => {
    for (let n = 1; n <= PULL.length; n++) {
      const rows = screen((await shown(PULL.slice(0, n), { terminal: true })).out);
      const ids = rows.map((row) => row.split(":", 1)[0]);
      expect(ids.slice(0, -1)).toEqual(["latest", "aaa", "bbb", "Status"].slice(0, ids.length - 1));
    }
    const half = screen((await shown(PULL.slice(0, 5), { terminal: true })).out);
    expect(half[1]).toBe(`aaa: Loading [${"=".repeat(15)}${" ".repeat(15)}] 50B/100B`);
    expect(half[2]).toBe(`bbb: Loading [${"=".repeat(3)}${" ".repeat(27)}] 10B/100B`);
  });

  test("bars are full at the end, and none where the whole is not known; the engine's own comes first", async () => {
    const bar = async (line: ProgressLine): Promise<string> =>
      screen((await shown([line], { terminal: true })).out)[0] ?? "";
    expect(await bar(step("x", 0))).toBe(`x: Loading [${" ".repeat(30)}] 0B/100B`);
    expect(await bar(step("x", 100))).toBe(`x: Loading [${"=".repeat(30)}] 100B/100B`);
    expect(await bar(step("x", 250))).toContain(`[${"=".repeat(30)}]`);
    expect(await bar(step("x", 5, 0))).toBe("x: Loading 5B");
    expect(await bar({ ...step("x", 5), progress: "[=>  ] 5B" })).toBe("x: Loading [=>  ] 5B");
  });

  test("what goes to standard error is drawn where that is the terminal", async () => {
    const { out, err } = await shown(PULL, { terminal: true, to: "err" });
    expect(out).toBe("");
    expect(screen(err)).toEqual(["latest: Pulling from library/x", "aaa: Done", "bbb: Done", "Status: all of it", ""]);
    expect((await shown(PULL, { to: "err" })).err).not.toContain("\x1b");
  });

  test("a line is cut where it would wrap: it would count as two", async () => {
    const { out } = await shown([step("layer", 50)], { terminal: true, columns: 20 });
    expect(screen(out)[0]).toBe("layer: Loading [===");
  });
});

describe("rate and time left", () => {
  /** The last row after these steps, one each so many milliseconds. */
  async function row(steps: ProgressLine[], everyMs: number, columns = 100): Promise<string> {
    let at = 0;
    const now = (): number => (at += everyMs) - everyMs;
    return screen((await shown(steps, { terminal: true, columns, now })).out)[0] ?? "";
  }
  const MB = 1_000_000;
  const steps = (...done: number[]): ProgressLine[] => done.map((n) => step("x", n * MB, 100 * MB));

  test("stand behind the bar, from the first half second on", async () => {
    expect(await row(steps(0, 5), 400)).toEndWith(" 5MB/100MB");
    expect(await row(steps(0, 5, 10), 1000)).toEndWith("] 10MB/100MB 5MB/s 18s");
  });

  test.each([
    [1000, "2MB/s 49s"],
    [10_000, "200kB/s 8m10s"],
    [1_000_000, "2kB/s 13h36m"],
    [1e12, "10MB/100MB"],
  ])("a step each %d ms", async (ms, end) => {
    const text = await row(steps(0, 2), ms);
    expect(text).toEndWith(ms < 1e12 ? end : "2MB/100MB");
  });

  test("what was there already when a pull goes on is not counted as fast", async () => {
    expect(await row(steps(80, 81, 82), 1000)).toEndWith("82MB/100MB 1MB/s 18s");
  });

  test("follow the last seconds, not the whole", async () => {
    expect(await row(steps(0, 40, 41, 42, 43, 44, 45, 46, 47, 48), 1000)).toEndWith("48MB/100MB 1MB/s 52s");
  });

  test("are of each state alone, and go when it ends or goes back", async () => {
    expect(await row(steps(0, 50, 100), 1000)).toEndWith("] 100MB/100MB");
    expect(await row([...steps(0, 50), { ...step("x", 60 * MB, 100 * MB), status: "Other" }], 1000)).toEndWith(
      "60MB/100MB",
    );
    expect(await row(steps(0, 50, 20), 1000)).toEndWith("20MB/100MB");
    expect(await row([...steps(0, 50), { id: "x", status: "Done" }], 1000)).toBe("x: Done");
  });

  test("are left out where the terminal has no room: docker's line alone", async () => {
    const bar = `x: Loading [===${" ".repeat(27)}] 10MB/100MB`;
    expect(await row(steps(0, 10), 1000, bar.length + 10)).toBe(bar);
    expect(await row(steps(0, 10), 1000, bar.length + 11)).toBe(`${bar} 10MB/s 9s`);
  });
});

describe("off a terminal", () => {
  test("each change of state is a line, steps and repetitions are none", async () => {
    const { out } = await shown([...PULL.slice(0, -1), { id: "aaa", status: "Done" }, ...PULL.slice(-1)]);
    expect(out.split("\n")).toEqual([
      "latest: Pulling from library/x",
      "aaa: Waiting",
      "bbb: Waiting",
      "bbb: Done",
      "aaa: Done",
      "Status: all of it",
      "",
    ]);
  });

  test("a build's stream is passed on as it is", async () => {
    expect((await shown([{ stream: "Step 1/2 : FROM x\n" }, { stream: " ---> " }, { stream: "1\n" }])).out).toBe(
      "Step 1/2 : FROM x\n ---> 1\n",
    );
  });
});

test("quiet: nothing is printed, but text and objects are handed on", async () => {
  const texts: string[] = [];
  const ids: (string | undefined)[] = [];
  const result = await shown([...PULL, { stream: "words" }, { aux: { ID: "sha256:1" } }], {
    quiet: true,
    onText: (text) => texts.push(text),
    onAux: (aux) => ids.push(aux.ID),
  });
  expect([result, texts, ids]).toEqual([{ out: "", err: "" }, ["words"], ["sha256:1"]]);
});

test.each([
  [{ error: "why" }, "why", undefined],
  [{ error: "short", errorDetail: { message: "long\n" } }, "long", undefined],
  [{ errorDetail: { code: 3, message: "the command ended with 3" } }, "the command ended with 3", 3],
  [{ errorDetail: {} }, "unknown error", undefined],
])("an error in the stream %j ends it, quiet or not", async (line, message, buildCode) => {
  for (const quiet of [false, true]) {
    const { out, error } = await shown([{ status: "before" }, line, { status: "behind" }], { quiet });
    expect(out).toBe(quiet ? "" : "before\n");
    expect(error).toMatchObject({ message, ...(buildCode === undefined ? {} : { buildCode }) });
  }
});
