import { YAML } from "bun";

/** Reads a YAML document (1.2, of which JSON is a part). Throws where it is none. */
export function parseYaml(text: string): unknown {
  return YAML.parse(text);
}
