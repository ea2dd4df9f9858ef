import { createInterface } from "node:readline";
import { BerthError } from "../../spec/errors.ts";
import { registryKey, storeAuth } from "../auth-file.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { ExitError } from "../exit.ts";

/** `berth login [SERVER]`: has the engine check the credentials, then keeps them where docker keeps its own. */
export default command({
  usage: "[OPTIONS] [SERVER]",
  summary: "Authenticate to a registry",
  args: [0, 1],
  flags: {
    password: { kind: "string", short: "p", help: "Password; better use --password-stdin" },
    "password-stdin": { kind: "bool", help: "Read the password from standard input" },
    username: { kind: "string", short: "u", help: "User name" },
  },
  async run(ctx, { flags, args: [server = "docker.io"] }) {
    const domain = server.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
    if (flags["password-stdin"] && flags.password)
      throw new ExitError(1, "--password and --password-stdin are mutually exclusive");
    if (flags["password-stdin"] && !flags.username)
      throw new ExitError(1, "Must provide --username with --password-stdin");
    const username = flags.username || (await ask(ctx, "Username: "));
    const password = flags.password || (await ask(ctx, flags["password-stdin"] ? "" : "Password: "));
    if (username === "" || password === "") {
      throw new BerthError("invalid-argument", "a user name and a password are needed", {
        hint: "use -u and --password-stdin",
      });
    }
    const answer = await ctx.engine.system.auth({ username, password, serveraddress: registryKey(domain) });
    storeAuth(domain, { username, password }, ctx.env);
    ctx.io.out(`${answer?.Status ?? "Login Succeeded"}\n`);
    return 0;
  },
});

/** One line of standard input; it is not echoed where a terminal asks for a password. */
async function ask(ctx: Context, prompt: string): Promise<string> {
  if (prompt !== "" && !ctx.io.stdinIsTerminal()) {
    throw new ExitError(1, "Error: Cannot perform an interactive login from a non TTY device");
  }
  const secret = prompt.startsWith("Password");
  if (prompt !== "") ctx.io.out(prompt);
  const { rawMode } = await import("../stream/terminal.ts");
  const restore = secret ? rawMode(ctx) : () => undefined;
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
  for await (const chunk of ctx.io.stdin()) {
    for (const key of Buffer.from(chunk).toString()) {
      if (key === "\r" || key === "\n") return text;
      if (key === CTRL_C) throw new ExitError(130);
      text = key === "\u007f" ? text.slice(0, -1) : text + key;
    }
  }
  return text;
}
