/** A program on a terminal of its own. */
export interface OnTerminal {
  child: Bun.Subprocess;
  /** All that the terminal showed. */
  output(): string;
  /** Waits for text on the terminal, behind what an earlier `until` has found. */
  until(text: string): Promise<void>;
  type(text: string): void;
  resize(columns: number, rows: number): void;
  /** The exit code, as a shell counts it: 128 and the number of the signal that ended it. */
  ended(): Promise<number>;
}

/** Starts `argv` on a terminal of 100 columns and 30 rows. */
export function onTerminal(argv: string[], env: Record<string, string | undefined> = {}): OnTerminal {
  let output = "";
  let found = 0;
  let look: () => void = () => undefined;
  const child = Bun.spawn(argv, {
    env: { ...process.env, ...env },
    terminal: {
      cols: 100,
      rows: 30,
      data(_terminal, data) {
        output += Buffer.from(data).toString();
        look();
      },
    },
  });
  const until = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      look = () => {
        const at = output.indexOf(text, found);
        if (at < 0) return;
        found = at + text.length;
        look = () => undefined;
        resolve();
      };
      look();
      // One moment for what is still in the terminal's buffer.
      void child.exited.then(() =>
        setTimeout(() => reject(new Error(`ended without ${JSON.stringify(text)}: ${output}`)), 100),
      );
    });
  return {
    child,
    output: () => output,
    until,
    type: (text) => void child.terminal?.write(text),
    resize: (columns, rows) => void child.terminal?.resize(columns, rows),
    ended: () => child.exited,
  };
}
