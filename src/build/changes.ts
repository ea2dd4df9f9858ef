import { BerthError, messageOf } from "../spec/errors.ts";
import type { ImageRunConfig } from "../spec/oci.ts";
import { applyConfig, envValue } from "./config.ts";
import { expandNode } from "./dockerfile/expand-node.ts";
import { parseInstruction } from "./dockerfile/parse.ts";
import type { Instruction } from "./dockerfile/syntax.ts";

const ALLOWED = [
  "CMD",
  "ENTRYPOINT",
  "ENV",
  "EXPOSE",
  "HEALTHCHECK",
  "LABEL",
  "ONBUILD",
  "STOPSIGNAL",
  "USER",
  "VOLUME",
  "WORKDIR",
];

/**
 * The `--change` instructions of `commit` and `import`, folded into a configuration. `run` stays as it is. Anything but the instructions that change
 * configuration alone throws `invalid-argument`.
 */
export function applyChanges(run: ImageRunConfig, instructions: string[]): ImageRunConfig {
  let result = run;
  let cmdSet = false;
  for (const text of instructions) {
    const word = /^\s*(\S+)/.exec(text)?.[1]?.toUpperCase();
    if (word !== undefined && !ALLOWED.includes(word)) {
      throw new BerthError("invalid-argument", `${word} is not a valid change command`);
    }
    const node = parseChange(text);
    const before = result;
    const lookup = (name: string): string | undefined => envValue(before.Env, name);
    result = applyConfig(result, expandNode(node, { file: "change", escape: "\\", lookup }), { cmdSet });
    cmdSet ||= node.keyword === "CMD";
  }
  return result;
}

/** One change; its errors name no line, as there is no file. */
function parseChange(text: string): Instruction {
  try {
    return parseInstruction(text, "change");
  } catch (error) {
    const why = messageOf(error).replace(/^dockerfile parse error on line \d+: /, "");
    throw new BerthError("invalid-argument", why, { cause: error });
  }
}
