import { command } from "../command.ts";
import { loggedInAnywhere, loginAddress, removeCredentials } from "../credentials/credentials.ts";

/** `berth logout [SERVER]`: forgets credentials, without a server those that `login` without one keeps; that there were none is no error. */
export default command({
  usage: "[SERVER]",
  summary: "Log out from a registry",
  args: [0, 1],
  flags: {},
  async run(ctx, { args: [server = ""] }) {
    // Where nothing is kept no engine is started to find out which registry is meant.
    const address = server || (loggedInAnywhere(ctx) ? await loginAddress(ctx) : "docker.io");
    const domain = address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
    const keys = await removeCredentials(ctx, domain, server);
    ctx.io.out(`Removing login credentials for ${keys}\n`);
    return 0;
  },
});
