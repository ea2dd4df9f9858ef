import { hostname } from "node:os";
import { BerthError } from "../../spec/errors.ts";
import type { ContainerRecord } from "../record.ts";

const SHORT = 12;

/** What a tag's template may name (Docker, "Customize log driver output"). */
const FIELDS: Record<string, (record: ContainerRecord) => string> = {
  ID: ({ id }) => id.slice(0, SHORT),
  FullID: ({ id }) => id,
  ContainerID: ({ id }) => id,
  Name: ({ name }) => name,
  ContainerName: ({ name }) => `/${name}`,
  ImageID: ({ image }) => image.replace("sha256:", "").slice(0, SHORT),
  ImageFullID: ({ image }) => image,
  ContainerImageID: ({ image }) => image,
  ImageName: ({ imageName }) => imageName,
  ContainerImageName: ({ imageName }) => imageName,
  Command: ({ argv }) => argv.join(" "),
  // What pipelines that were written for Docker look for.
  DaemonName: () => "docker",
  Hostname: () => hostname(),
};

/** The tag that a template gives for a container. */
export function logTag(record: ContainerRecord, template: string): string {
  return template.replace(/\{\{-?\s*\.(\w+)\s*-?\}\}/g, (_, name: string) => FIELDS[name]?.(record) ?? "");
}

/** Throws `invalid-argument`, where it can in the words of Docker's template engine, for a template that `logTag` cannot fill in. */
export function checkTag(template: string): void {
  for (const { 0: action, index } of template.matchAll(/\{\{(?:(?!\}\}).)*(\}\})?/gs)) {
    if (!action.endsWith("}}")) throw bad("template: log-tag:1: unclosed action");
    const name = /^\{\{-?\s*\.(\w+)\s*-?\}\}$/.exec(action)?.[1];
    if (name === undefined)
      throw bad(`template: log-tag:1: unexpected ${action}`, `want {{.${Object.keys(FIELDS).join("}}, {{.")}}}`);
    if (!Object.hasOwn(FIELDS, name)) {
      const place = `template: log-tag:1:${index + "{{".length}: executing "log-tag" at <.${name}>`;
      throw bad(`${place}: can't evaluate field ${name} in type *logger.Info`);
    }
  }
}

function bad(message: string, hint?: string): BerthError {
  return new BerthError("invalid-argument", message, hint === undefined ? {} : { hint });
}
