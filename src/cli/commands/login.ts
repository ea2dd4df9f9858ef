import { join } from "node:path";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { ask } from "../ask.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import {
  type AuthConfig,
  credentialsFor,
  loginAddress,
  registryKey,
  storeCredentials,
} from "../credentials/credentials.ts";
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
  async run(ctx, { flags, args: [server] }) {
    const address = server ?? (await loginAddress(ctx));
    const domain = address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
    if (flags["password-stdin"] && flags.password)
      throw new ExitError(1, "--password and --password-stdin are mutually exclusive");
    if (flags["password-stdin"] && !flags.username)
      throw new ExitError(1, "Must provide --username with --password-stdin");
    if (flags.password) ctx.io.err("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
    if (!flags.username && !flags.password && (await again(ctx, domain))) return 0;
    const username = flags.username || (await ask(ctx, "Username: "));
    const password = flags.password || (await ask(ctx, flags["password-stdin"] ? "" : "Password: "));
    if (username === "" || password === "") {
      throw new BerthError("invalid-argument", "a user name and a password are needed", {
        hint: "use -u and --password-stdin",
      });
    }
    await login(ctx, domain, { username, password });
    return 0;
  },
});

/** Tries what is stored; false where there is nothing, or it is good no more. */
async function again(ctx: Context, domain: string): Promise<boolean> {
  const known = await credentialsFor(ctx, domain);
  if (!known?.username && !known?.identitytoken) return false;
  const who = known.username ? ` [Username: ${known.username}]` : "";
  ctx.io.err(`Authenticating with existing credentials...${who}\n\n`);
  ctx.io.err(" Info -> To login with a different account, run 'docker logout' followed by 'docker login'\n\n\n");
  try {
    await login(ctx, domain, known);
    return true;
  } catch (error) {
    ctx.io.err(`Login did not succeed, error: ${messageOf(error)}\n`);
    return false;
  }
}

/** Has the engine ask the registry, and keeps what is good: the token that a registry gives instead of the password, where it does. */
async function login(ctx: Context, domain: string, given: Omit<AuthConfig, "serveraddress">): Promise<void> {
  const answer = await ctx.engine.system.auth({ ...given, serveraddress: registryKey(domain) });
  const token = answer?.IdentityToken || given.identitytoken;
  const { username = "" } = given;
  const kept = token ? { username, identitytoken: token } : given;
  if (await storeCredentials(ctx, domain, kept).catch(unsaved)) {
    const path = join(ctx.config.dir, "config.json");
    ctx.io.err(`\nWARNING! Your credentials are stored unencrypted in '${path}'.\n`);
    ctx.io.err("Configure a credential helper to remove this warning. See\n");
    ctx.io.err("https://docs.docker.com/go/credential-store/\n\n");
  }
  ctx.io.out(`${answer?.Status || "Login Succeeded"}\n`);
}

function unsaved(error: unknown): never {
  throw new ExitError(1, `Error saving credentials: ${messageOf(error)}`);
}
