import { BerthError } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { joinHostPort } from "../format/text.ts";

/** `berth port CONTAINER [PORT[/PROTO]]`. */
export default command({
  usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  summary: "List port mappings or a specific mapping for the container",
  args: [1, 2],
  flags: {},
  async run(ctx, { args: [id = "", port] }) {
    const { NetworkSettings } = await ctx.engine.containers.inspect(id);
    const ports = NetworkSettings?.Ports ?? {};
    if (port === undefined) {
      const lines = Object.entries(ports).flatMap(([inside, bindings]) =>
        (bindings ?? []).map((b) => `${inside} -> ${joinHostPort(b.HostIp ?? "", b.HostPort ?? "")}\n`),
      );
      ctx.io.out(lines.sort(byPort).join(""));
      return 0;
    }
    const [number = "", proto = "tcp"] = port.split("/");
    if (!/^\d+$/.test(number))
      throw new BerthError(
        "invalid-argument",
        `Error: invalid port (${number}): strconv.ParseUint: parsing ${JSON.stringify(number)}: invalid syntax`,
      );
    const found = ports[`${number}/${proto}`];
    if (!found || found.length === 0) throw new ExitError(1, `Error: No public port '${port}' published for ${id}`);
    ctx.io.out(found.map((b) => `${joinHostPort(b.HostIp ?? "", b.HostPort ?? "")}\n`).join(""));
    return 0;
  },
});

function byPort(a: string, b: string): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1);
}
