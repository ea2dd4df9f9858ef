import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv, { type ValidateFunction } from "ajv";
import { parse } from "yaml";

interface Operation {
  operationId: string;
  tags?: string[];
  parameters?: { in: string; name: string; schema?: unknown }[];
  responses: Record<string, { schema?: unknown }>;
}

interface Document {
  basePath: string;
  definitions: Record<string, unknown>;
  paths: Record<string, Record<string, Operation>>;
}

/** The specification as it lies beside the checkout: `../shared/spec/engine-api-v1.51.yaml`. */
export const SPEC_PATH = join(import.meta.dirname, "../../../shared/spec/engine-api-v1.51.yaml");

/** True where the specification is on this machine. */
export const HAVE_SPEC: boolean = existsSync(SPEC_PATH);

/** An operation that concerns one machine: its name, as `ContainerList`, and each status that is documented for it. */
export interface SpecOperation {
  id: string;
  method: string;
  /** As in the specification: `/containers/{id}/json`. */
  path: string;
  statuses: number[];
}

/** Checks real requests and answers against the Engine API's specification. */
export interface SpecValidator {
  /** All operations outside of Swarm and managed plugins. */
  operations: SpecOperation[];
  /** The operation that a request means; undefined: none of the specification's. */
  operationOf(method: string, path: string): string | undefined;
  /**
   * What is wrong with an answer's parsed JSON body, one line each; none means that it conforms. `path` is as requested,
   * with or without version prefix and query. An operation or a status that the specification lacks is itself a finding.
   */
  validateResponse(method: string, path: string, status: number, body: unknown): string[];
  /** The same for a request's parsed JSON body. */
  validateRequest(method: string, path: string, body: unknown): string[];
}

/**
 * Loads the specification (Swagger 2.0) and turns its schemas into JSON Schema once. With `goNulls` any list or object may be
 * null too: the specification does not say so, but Docker answers so for what is empty.
 */
export function loadSpecValidator(options: { path?: string; goNulls?: boolean } = {}): SpecValidator {
  const spec = parse(readFileSync(options.path ?? SPEC_PATH, "utf8")) as Document;
  const toJsonSchema = (schema: unknown): unknown => convert(schema, options.goNulls ?? false);
  const ajv = new Ajv({ allErrors: true, strict: false, logger: false });
  addFormats(ajv);
  ajv.addSchema({ $id: "spec", definitions: eachSchema(spec.definitions, options.goNulls ?? false) });
  const routes = Object.keys(spec.paths).map((template) => ({ template, pattern: patternOf(template) }));
  const compiled = new Map<unknown, ValidateFunction>();

  const operation = (method: string, path: string): Operation | undefined => {
    const bare = path.replace(/\?.*$/, "").replace(/^\/v1\.\d+(?=\/)/, "");
    // A literal path wins over one with parameters: /images/json over /images/{name}.
    const hits = routes.filter((r) => r.pattern.test(bare)).sort((a, b) => holes(a.template) - holes(b.template));
    const found = hits.map((r) => spec.paths[r.template]?.[method.toLowerCase()]).find((o) => o !== undefined);
    return found;
  };
  const check = (schema: unknown, body: unknown): string[] => {
    const validate = compiled.get(schema) ?? ajv.compile(toJsonSchema(schema) as object);
    compiled.set(schema, validate);
    if (validate(body)) return [];
    return (validate.errors ?? []).map((e) => `${e.instancePath || "/"} ${e.message} ${JSON.stringify(e.params)}`);
  };
  return {
    operations: singleMachine(spec),
    operationOf: (method, path) => operation(method, path)?.operationId,
    validateResponse(method, path, status, body) {
      const found = operation(method, path);
      if (!found) return [`${method} ${path} is not in the specification`];
      const response = found.responses[status];
      if (!response) return [`${method} ${path} has no answer ${status} in the specification`];
      return response.schema === undefined ? [] : check(response.schema, body);
    },
    validateRequest(method, path, body) {
      const found = operation(method, path);
      if (!found) return [`${method} ${path} is not in the specification`];
      const schema = found.parameters?.find((p) => p.in === "body")?.schema;
      return schema === undefined ? [`${method} ${path} takes no body`] : check(schema, body);
    },
  };
}

const CLUSTER = ["Swarm", "Node", "Service", "Task", "Secret", "Config", "Plugin"];

function singleMachine(spec: Document): SpecOperation[] {
  return Object.entries(spec.paths).flatMap(([path, verbs]) =>
    Object.entries(verbs)
      .filter(([, operation]) => operation.responses && !CLUSTER.includes(operation.tags?.[0] ?? ""))
      .map(([method, { operationId: id, responses }]) => {
        return { id, method: method.toUpperCase(), path, statuses: Object.keys(responses).map(Number) };
      }),
  );
}

function holes(template: string): number {
  return template.split("{").length;
}

function patternOf(template: string): RegExp {
  const parts = template.split(/\{[^}]+\}/).map((s) => s.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  // Only an image's name holds slashes.
  return new RegExp(`^${parts.join(/^\/(images|distribution)\//.test(template) ? "(.+)" : "([^/]+)")}$`);
}

/** Words of Swagger that say nothing about a value, and `default` and `example`, whose content is no schema. */
const PROSE = new Set(["description", "title", "example", "default", "externalDocs", "discriminator"]);

/** Swagger 2.0 to JSON Schema: references into the definitions, `x-nullable`; prose dropped. */
function convert(schema: unknown, goNulls: boolean): unknown {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return schema;
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (PROSE.has(key) || key.startsWith("x-")) continue;
    if (key === "$ref") out[key] = String(value).replace("#/", "spec#/");
    else if (key === "properties") out[key] = eachSchema(value, goNulls);
    else if (key === "allOf" && Array.isArray(value)) out[key] = value.map((s) => convert(s, goNulls));
    else out[key] = convert(value, goNulls);
  }
  const nullable = "x-nullable" in schema && schema["x-nullable"] === true;
  const empty = goNulls && (out["type"] === "array" || out["type"] === "object");
  return nullable || empty ? { anyOf: [{ type: "null" }, out] } : out;
}

function eachSchema(schemas: unknown, goNulls: boolean): Record<string, unknown> {
  const entries = Object.entries(schemas as object);
  return Object.fromEntries(entries.map(([name, s]): [string, unknown] => [name, convert(s, goNulls)]));
}

function addFormats(ajv: Ajv): void {
  ajv.addFormat("int64", { type: "number", validate: Number.isInteger });
  for (const bits of [8, 16, 32, 64]) {
    const validate = (n: number): boolean => Number.isInteger(n) && n >= 0 && n <= 2 ** bits;
    ajv.addFormat(`uint${bits}`, { type: "number", validate });
  }
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
  for (const name of ["dateTime", "date-time"]) ajv.addFormat(name, time);
  for (const name of ["binary", "ip-address", "uri", "CIDR", "cidr", "json"]) ajv.addFormat(name, true);
}
