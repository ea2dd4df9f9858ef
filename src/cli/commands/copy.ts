import { addAbortSignal } from "node:stream";
import { formatImagePlace, type ImagePlace, parseImagePlace } from "../../spec/image-place.ts";
import { checkedPlatform, formatPlatform } from "../../spec/platform.ts";
import { command } from "../command.ts";
import type { Context, CopyEnd } from "../context.ts";
import { ExitError } from "../exit.ts";
import { openRepository } from "../manifest/remote.ts";
import { showProgress } from "../progress.ts";
import { interruptible } from "../remote/interrupt.ts";

/** `berth copy`: images between registries, folders and archives, as they are; without the engine. */
export default command({
  usage: "[OPTIONS] SOURCE [SOURCE...] DESTINATION",
  summary: "Copy images between registries and archives, as they are (Berth only)",
  forms: [
    ["NAME[:TAG|@DIGEST]", "An image of a registry, or all of an index"],
    ["oci:FOLDER[:TAG]", "A folder in OCI's layout"],
    ["oci-archive:FILE[:NAME]", "A tar of such a folder"],
    ["docker-archive:FILE[:NAME]", "A tar as 'save' writes it, which every 'load' takes"],
    ["-", "Standard input or output, as oci-archive:-"],
  ],
  args: [2, Number.POSITIVE_INFINITY],
  flags: {
    insecure: { kind: "bool", help: "Take any certificate, and plain HTTP" },
    platform: { kind: "string", help: "Copy this platform of an index only" },
    quiet: { kind: "bool", short: "q", help: "Only print the digests of what was copied" },
    referrers: { kind: "bool", help: "Copy what refers to the images too: signatures, SBOMs" },
  },
  async run(ctx, { flags, args }) {
    const places = args.map(parseImagePlace);
    checkPlaces(places);
    const platform = flags.platform ? formatPlatform(checkedPlatform(flags.platform)) : undefined;
    const { quiet, referrers, insecure } = flags;
    const toStdout = isStream(places.at(-1));
    if (toStdout && ctx.io.stdoutIsTerminal())
      throw new ExitError(1, "cowardly refusing to write an archive to a terminal: give a file, or redirect");
    const { copy } = await ctx.remote();
    const digests = await interruptible(async (signal) => {
      const [to, ...from] = await reachAll(ctx, places, { insecure, signal });
      if (!to) throw new ExitError(1, "nothing to copy");
      const input = (): AsyncIterable<Uint8Array> => addAbortSignal(signal, ctx.io.stdin());
      const streams = { input, output: (bytes: Uint8Array) => ctx.io.out(bytes) };
      const work = copy({ from, to, platform, referrers, signal, ...streams });
      const { lines, result } = withResult(work);
      await showProgress(ctx, lines, { to: "err", quiet });
      return result();
    });
    for (const { digest } of digests) (toStdout ? ctx.io.err : ctx.io.out)(`${digest}\n`);
    return 0;
  },
});

/** What can be told before anything is opened. */
function checkPlaces(places: readonly ImagePlace[]): void {
  const [to, ...from] = [...places].reverse();
  if (to?.kind === "registry" && from.length > 1) {
    throw new ExitError(1, `${formatImagePlace(to)} is one image: copy several one by one, or into an archive`);
  }
  if (from.filter(isStream).length > 1) throw new ExitError(1, "standard input can be one source only");
  const same = from.find((place) => to && place.kind !== "registry" && samePath(place, to));
  if (same && to?.kind !== "oci") throw new ExitError(1, `${formatImagePlace(same)} is source and destination`);
}

function isStream(place: ImagePlace | undefined): boolean {
  return place !== undefined && place.kind !== "registry" && place.path === "-";
}

function samePath(a: ImagePlace, b: ImagePlace): boolean {
  return a.kind !== "registry" && b.kind !== "registry" && a.path === b.path && a.path !== "-";
}

/** The destination first; repositories with the person's credentials. The destination's may also take over what the sources have, where the registry is the same. */
async function reachAll(
  ctx: Context,
  places: readonly ImagePlace[],
  options: { insecure: boolean; signal: AbortSignal },
): Promise<CopyEnd[]> {
  const [to, ...from] = [...places].reverse();
  const reach = async (place: ImagePlace, push: boolean): Promise<CopyEnd> => {
    if (place.kind !== "registry") return { place };
    return { place, repository: await openRepository(ctx, place.ref, { ...options, push }) };
  };
  const ends = to ? [await reach(to, true)] : [];
  for (const place of from.reverse()) ends.push(await reach(place, false));
  return ends;
}

/** A generator's lines apart from what it returns. */
function withResult<T, R>(work: AsyncGenerator<T, R>): { lines: AsyncGenerator<T>; result: () => R } {
  let kept: { value: R } | undefined;
  async function* lines(): AsyncGenerator<T> {
    kept = { value: yield* work };
  }
  return {
    lines: lines(),
    result: () => {
      if (!kept) throw new Error("the copy did not end");
      return kept.value;
    },
  };
}
