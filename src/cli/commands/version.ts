import { API_VERSION } from "../../spec/api-version.ts";
import type { SystemVersion } from "../../spec/engine-api.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { errorLine } from "../each.ts";
import { alignTable } from "../format/table.ts";
import { unixOf } from "../format/time.ts";
import { printValue } from "../inspect-output.ts";

/** `berth version`: this program's, and the engine's where one answers. */
export default command({
  usage: "[OPTIONS]",
  summary: "Show the Berth version information",
  args: [0, 0],
  flags: { format: { kind: "string", short: "f", help: "'json', or a Go template" } },
  async run(ctx, { flags }) {
    let server: SystemVersion | undefined;
    let failure: unknown;
    try {
      server = await ctx.engine.system.version();
    } catch (error) {
      failure = error;
    }
    await print(ctx, server, flags.format);
    if (failure === undefined) return 0;
    ctx.io.err(`${errorLine(failure)}\n`);
    return 1;
  },
});

function clientInfo(ctx: Context): Record<string, string> {
  return {
    Version: ctx.version,
    ApiVersion: API_VERSION,
    DefaultAPIVersion: API_VERSION,
    Runtime: process.versions["bun"] ? `bun ${process.versions["bun"]}` : `node ${process.versions.node}`,
    Os: process.platform,
    Arch: goArch(process.arch),
    Context: "default",
  };
}

function goArch(arch: string): string {
  return { x64: "amd64", ia32: "386" }[arch] ?? arch;
}

async function print(ctx: Context, server: SystemVersion | undefined, format: string): Promise<void> {
  const client = clientInfo(ctx);
  if (format === "") {
    ctx.io.out(layout(client, server));
    return;
  }
  const { goStruct } = await import("../template/go-values.ts");
  const data = goStruct("system.versionInfo", { Client: client, Server: server ? shown(server) : null });
  await printValue(ctx, format, data, "version");
}

/** The engine's part; its components have the time of their build as a person reads it, as in Docker's. */
function shown(server: SystemVersion): SystemVersion {
  const details = (d: Record<string, unknown>): Record<string, unknown> =>
    typeof d["BuildTime"] === "string" ? { ...d, BuildTime: builtText(d["BuildTime"]) } : d;
  const components = server.Components?.map((c) => ({ ...c, ...(c.Details ? { Details: details(c.Details) } : {}) }));
  return { ...server, ...(components ? { Components: components } : {}) };
}

function layout(client: Record<string, string>, server: SystemVersion | undefined): string {
  const top = [
    [" Version:", client["Version"] ?? ""],
    [" API version:", client["ApiVersion"] ?? ""],
    [" Runtime:", client["Runtime"] ?? ""],
    [" OS/Arch:", `${client["Os"]}/${client["Arch"]}`],
  ];
  const lines = server ? serverLines(server) : [];
  const width = { minWidth: 20, padding: 1 };
  const serverText = server ? `\nServer:${platformName(server)}\n${alignTable(lines, width)}` : "";
  return `Client:\n${alignTable(top, width)}${serverText}`;
}

const platformName = (server: SystemVersion): string => (server.Platform?.Name ? ` ${server.Platform.Name}` : "");

function serverLines(server: SystemVersion): string[][] {
  const own = { Name: "Engine", Version: server.Version ?? "", Details: { ...server } };
  return (server.Components ?? [own]).flatMap((component) => {
    const details: Record<string, unknown> = component.Details ?? {};
    const rows: string[][] = [[` ${component.Name}:`], ["  Version:", component.Version]];
    if (component.Name === "Engine") return [...rows, ...engineLines(details, server)];
    const rest = Object.entries(details).map(([k, v]) => [`  ${k}:`, String(v)]);
    return [...rows, ...rest];
  });
}

function engineLines(details: Record<string, unknown>, server: SystemVersion): string[][] {
  const min = server.MinAPIVersion ? ` (minimum version ${server.MinAPIVersion})` : "";
  const rows: [string, string | undefined][] = [
    ["API version", `${server.ApiVersion}${min}`],
    ["Go version", server.GoVersion],
    ["Git commit", server.GitCommit],
    ["Built", builtText(server.BuildTime)],
    ["OS/Arch", `${server.Os}/${server.Arch}`],
    ["Experimental", String(details["Experimental"] ?? false)],
  ];
  return rows.filter(([, v]) => v !== undefined && v !== "").map(([k, v]) => [`  ${k}:`, v ?? ""]);
}

/** `Tue Sep 15 11:02:57 2026`, as Docker writes it. */
function builtText(time: string | undefined): string | undefined {
  const seconds = unixOf(time);
  if (seconds === 0) return time;
  const [day = "", date = "", month = "", year = "", clock = ""] = new Date(seconds * 1000).toUTCString().split(" ");
  return `${day.replace(",", "")} ${month} ${date.replace(/^0/, " ")} ${clock} ${year}`;
}
