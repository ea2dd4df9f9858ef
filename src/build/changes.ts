import { BerthError } from "../spec/errors.ts";
import type { ImageRunConfig } from "../spec/oci.ts";
import { applyConfig, envValue } from "./config.ts";
import { expandNode } from "./dockerfile/expand-node.ts";
import { parseInstruction } from "./dockerfile/parse.ts";

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
    const node = parseInstruction(text, "change");
    if (!ALLOWED.includes(node.keyword)) {
      throw new BerthError("invalid-argument", `${node.keyword} is not a valid change command`, {
        hint: `use one of ${ALLOWED.join(", ")}`,
      });
    }
    const before = result;
    const lookup = (name: string): string | undefined => envValue(before.Env, name);
    result = applyConfig(result, expandNode(node, { file: "change", escape: "\\", lookup }), { cmdSet });
    cmdSet ||= node.keyword === "CMD";
  }
  return result;
}
