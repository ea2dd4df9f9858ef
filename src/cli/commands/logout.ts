import { command } from "../command.ts";
import { removeCredentials } from "../credentials/credentials.ts";

/** `berth logout [SERVER]`: forgets credentials; that there were none is no error. */
export default command({
  usage: "[SERVER]",
  summary: "Log out from a registry",
  args: [0, 1],
  flags: {},
  async run(ctx, { args: [server = ""] }) {
    const domain = server.replace(/^https?:\/\//, "").replace(/\/.*$/, "") || "docker.io";
    const keys = await removeCredentials(ctx, domain, server);
    ctx.io.out(`Removing login credentials for ${keys}\n`);
    return 0;
  },
});
