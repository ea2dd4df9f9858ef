import type { HostConfig } from "../../spec/engine-api.ts";
import { invalid } from "../errors.ts";
import { defined, integer, text } from "../query.ts";

/** What a build's query says about its RUN steps, as a container's configuration has it; undefined where it says nothing. */
export function buildLimits(query: URLSearchParams): HostConfig | undefined {
  const hosts = query.getAll("extrahosts").filter((host) => host !== "");
  const ulimits = jsonList(query, "ulimits", "ulimit settings");
  const limits = defined<HostConfig>({
    Memory: integer(query, "memory"),
    MemorySwap: integer(query, "memswap"),
    CpuShares: integer(query, "cpushares"),
    CpuPeriod: integer(query, "cpuperiod"),
    CpuQuota: integer(query, "cpuquota"),
    CpusetCpus: text(query, "cpusetcpus"),
    CpusetMems: text(query, "cpusetmems"),
    ShmSize: integer(query, "shmsize"),
    CgroupParent: text(query, "cgroupparent"),
    ExtraHosts: hosts.length > 0 ? hosts : undefined,
    Ulimits: ulimits.length > 0 ? ulimits.map(ulimit) : undefined,
  });
  return Object.values(limits).some((value) => value !== 0) ? limits : undefined;
}

function ulimit(value: unknown): NonNullable<HostConfig["Ulimits"]>[number] {
  const { Name, Soft, Hard } = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  if (typeof Name !== "string" || !Number.isSafeInteger(Soft) || !Number.isSafeInteger(Hard))
    throw invalid('error reading ulimit settings: want [{"Name": "nofile", "Soft": 1024, "Hard": 2048}]');
  return { Name, Soft: Number(Soft), Hard: Number(Hard) };
}

function jsonList(query: URLSearchParams, name: string, what: string): unknown[] {
  const value = text(query, name);
  if (value === undefined) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    // The parser's own words name a position in text that the caller never saw.
    throw invalid(`error reading ${what}: not JSON`);
  }
  if (parsed === null) return [];
  if (!Array.isArray(parsed)) throw invalid(`error reading ${what}: not a JSON list`);
  return parsed;
}
