import { createInterface } from "node:readline";
import type { Context } from "./context.ts";
import { ExitError } from "./exit.ts";

/** One line of standard input, without blanks around it; a password (its prompt begins with the word) is as it is, and not echoed. Throws where there is a prompt and no terminal. */
export async function ask(ctx: Context, prompt: string): Promise<string> {
  if (prompt !== "" && !ctx.io.stdinIsTerminal()) {
    throw new ExitError(1, "Error: Cannot perform an interactive login from a non TTY device");
  }
  const secret = prompt.startsWith("Password");
  const { rawMode } = await import("./stream/terminal.ts");
  // Before the prompt: what is typed at once is not shown either.
  const restore = secret ? rawMode(ctx) : () => undefined;
  if (prompt !== "") ctx.io.out(prompt);
  try {
    return secret ? await readSecret(ctx) : await readLine(ctx);
  } finally {
    restore();
    if (secret) ctx.io.out("\n");
  }
}

async function readLine(ctx: Context): Promise<string> {
  const lines = createInterface({ input: ctx.io.stdin() });
  for await (const line of lines) {
    lines.close();
    return line.trim();
  }
  return "";
}

const CTRL_C = "\u0003";

async function readSecret(ctx: Context): Promise<string> {
  let text = "";
  // Another question may follow.
  for await (const chunk of ctx.io.stdin().iterator({ destroyOnReturn: false })) {
    for (const key of Buffer.from(chunk).toString()) {
      if (key === "\r" || key === "\n") return text;
      if (key === CTRL_C) throw new ExitError(130);
      text = key === "\u007f" ? text.slice(0, -1) : text + key;
    }
  }
  return text;
}
