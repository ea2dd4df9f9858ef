import type { ImageRunConfig } from "../spec/oci.ts";
import { argv } from "./config.ts";
import type { Instruction, Pair } from "./dockerfile/syntax.ts";
import { exposedPorts } from "./ports.ts";

/** The comment on history entries, as BuildKit writes it, so that tools read the entries as they read BuildKit's. */
export const HISTORY_COMMENT = "buildkit.dockerfile.v0";

/**
 * An expanded instruction as the image's history shows it (`created_by`), in BuildKit's form. `run` is the configuration before it; `args` are the
 * build arguments that a RUN sees.
 */
export function describe(node: Instruction, run: ImageRunConfig, args: readonly string[] = []): string {
  switch (node.keyword) {
    case "RUN": {
      const seen = args.length > 0 ? `|${args.length} ${args.join(" ")} ` : "";
      return `RUN ${seen}${argv(node.command, run).join(" ")} # buildkit`;
    }
    case "CMD":
    case "ENTRYPOINT":
      return `${node.keyword} [${argv(node.command, run).map(goQuote).join(" ")}]`;
    case "COPY":
    case "ADD": {
      const flags = node.flags.filter((f) => f.name !== "from").map((f) => `--${f.name}=${f.value}`);
      return [node.keyword, ...flags, ...[...node.sources, node.destination].map((w) => w.text), "# buildkit"].join(
        " ",
      );
    }
    case "ENV":
    case "LABEL":
    case "ARG":
      return `${node.keyword} ${node.pairs.map(pairText).join(" ")}`;
    case "EXPOSE":
      return `EXPOSE [${node.values
        .flatMap((v) => exposedPorts(v.text))
        .sort()
        .join(" ")}]`;
    case "VOLUME":
      return `VOLUME [${node.values.map((v) => v.text).join(" ")}]`;
    case "SHELL":
      return `SHELL [${node.args.join(" ")}]`;
    case "USER":
    case "WORKDIR":
    case "STOPSIGNAL":
    case "MAINTAINER":
      return `${node.keyword} ${node.value.text}`;
    default:
      return node.text;
  }
}

function pairText(pair: Pair): string {
  return pair.value ? `${pair.key.text}=${pair.value.text}` : pair.key.text;
}

function goQuote(text: string): string {
  return JSON.stringify(text);
}
