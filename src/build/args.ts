import { hostPlatform, parsePlatform } from "../spec/platform.ts";

/** Build arguments that a RUN sees without ARG, and that neither cache nor history take note of (Dockerfile reference, "Predefined ARGs"). */
export const PROXY_ARGS: readonly string[] = [
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "FTP_PROXY",
  "NO_PROXY",
  "ALL_PROXY",
].flatMap((name) => [name, name.toLowerCase()]);

/** The build argument that fixes all times, seconds since 1970. */
export const EPOCH_ARG = "SOURCE_DATE_EPOCH";

/** TARGETPLATFORM and its like, in the global scope (Dockerfile reference, "Automatic platform ARGs in the global scope"). */
export function platformArgs(target: string | undefined, stage: string | undefined): Map<string, string> {
  const args = new Map<string, string>();
  const platforms = { BUILD: hostPlatform(), TARGET: target ? parsePlatform(target) : hostPlatform() };
  for (const [prefix, p] of Object.entries(platforms)) {
    args.set(`${prefix}PLATFORM`, [p.os, p.architecture, p.variant].filter(Boolean).join("/"));
    args.set(`${prefix}OS`, p.os);
    args.set(`${prefix}ARCH`, p.architecture);
    args.set(`${prefix}VARIANT`, p.variant ?? "");
  }
  args.set("TARGETSTAGE", stage ?? "default");
  return args;
}
