import { ask } from "../ask.ts";
import { command } from "../command.ts";
import { type Context, printLine } from "../context.ts";
import { ExitError } from "../exit.ts";

const MOST_BYTES = 4096;

/** `berth registry user add`: a line of a file of users, as `htpasswd -B` makes it. The password is asked for, or read; it is no argument, which others could see. */
export default command({
  usage: "[OPTIONS] FILE USER",
  summary: "Add a user to a file of a registry's users, or change the password (Berth only)",
  args: [2, 2],
  flags: { "password-stdin": { kind: "bool", help: "Read the password from standard input" } },
  async run(ctx, { flags, args: [file = "", user = ""] }) {
    const { addUser } = await ctx.registryServer();
    const password = flags["password-stdin"] ? await readPassword(ctx) : await askTwice(ctx);
    const added = await addUser({ file, user, password });
    printLine(ctx, `${added ? "Added" : "Changed the password of"} ${user}`);
    return 0;
  },
});

async function askTwice(ctx: Context): Promise<string> {
  if (!ctx.io.stdinIsTerminal())
    throw new ExitError(1, "there is no terminal to ask for the password at; use --password-stdin");
  const password = await ask(ctx, "Password: ");
  if ((await ask(ctx, "Password again: ")) !== password) throw new ExitError(1, "the two passwords differ");
  return password;
}

/** All of it but the line's end. */
async function readPassword(ctx: Context): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of ctx.io.stdin()) {
    const bytes = Buffer.from(part);
    size += bytes.byteLength;
    if (size > MOST_BYTES) throw new ExitError(1, `the password has more than ${MOST_BYTES} bytes`);
    parts.push(bytes);
  }
  return Buffer.concat(parts)
    .toString()
    .replace(/\r?\n$/, "");
}
