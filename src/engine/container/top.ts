import { cgroupProcesses } from "../../host/cgroup.ts";
import { run } from "../../host/spawn.ts";
import type { ContainerTopResponse } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { refuseRestarting, runningOf } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { cgroupOf } from "./cgroup-path.ts";

/** The container's processes as the host's ps(1) shows them. `psArgs` default `-ef`; they must show the PID column. */
export async function topContainer(
  ctx: EngineContext,
  reference: string,
  psArgs: string,
): Promise<ContainerTopResponse> {
  const container = ctx.containers.find(reference);
  refuseRestarting(container);
  runningOf(container);
  const args = psArgs.split(/\s+/).filter(Boolean);
  // A word with "=" would name the PID column otherwise and hide other containers' processes behind it.
  if (args.some((a) => /=/.test(a) && /pid/i.test(a)))
    throw new BerthError("internal", 'specifying "PID" with a custom title is not supported');
  emitContainer(ctx.events, container, "top");
  const { code, stdout, stderr } = await run(["ps", ...(args.length > 0 ? args : ["-ef"])]);
  if (code !== 0) throw new BerthError("internal", `ps: ${stderr.trim().split("\n")[0] ?? `exit code ${code}`}`);
  return parsePs(stdout, new Set(cgroupProcesses(cgroupOf(container.record))));
}

/** Rows of `pids` only; the last column keeps its spaces. */
export function parsePs(text: string, pids: ReadonlySet<number>): ContainerTopResponse {
  const [header = "", ...lines] = text.trimEnd().split("\n");
  const titles = header.trim().split(/\s+/);
  const column = titles.indexOf("PID");
  if (column < 0) throw new BerthError("internal", "Couldn't find PID field in ps output");
  const rows = lines.map((line) => {
    const words = line.trim().split(/\s+/);
    return [...words.slice(0, titles.length - 1), words.slice(titles.length - 1).join(" ")];
  });
  return { Titles: titles, Processes: rows.filter((row) => pids.has(Number(row[column]))) };
}
