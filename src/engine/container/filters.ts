import type { Filters } from "../../image/types.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { hasLabel } from "../../spec/labels.ts";
import type { Container } from "../container.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { withProtocol } from "./join.ts";
import { endpoints } from "./networks-view.ts";
import { shownHealth, shownStatus } from "./status.ts";

type Test = (container: Container) => boolean;
const STATES = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const MAX_PORT = 65_535;
const HEALTH = ["none", "starting", "healthy", "unhealthy"];

/** One test for all filters of `ps`: values of one key are alternatives (labels all count), keys must all match. Throws `invalid-argument` for what Docker refuses. */
export function containerFilter(ctx: EngineContext, filters: Filters): Test {
  const tests = Object.entries(filters)
    .filter(([, values]) => values.length > 0)
    .map(([key, values]) => testFor(ctx, key, values));
  return (container) => tests.every((test) => test(container));
}

/** True where a filter by state or exit code was asked for: then `ps` looks at stopped containers too. */
export function looksAtStopped(filters: Filters): boolean {
  return ["status", "exited", "before", "since"].some((key) => (filters[key] ?? []).length > 0);
}

function testFor(ctx: EngineContext, key: string, values: string[]): Test {
  const any =
    (test: (container: Container, value: string) => boolean): Test =>
    (c) =>
      values.some((v) => test(c, v));
  switch (key) {
    case "id":
      return any((c, v) => c.record.id.startsWith(v));
    case "name":
      return byPattern(values, ({ name }) => [name, `/${name}`]);
    case "label":
      return (c) => values.every((v) => hasLabel(c.record.config.Labels, v));
    case "status":
      check(key, values, STATES);
      return any((c, v) => shownStatus(c) === v);
    case "health":
      check(key, values, HEALTH);
      return any((c, v) => (shownHealth(c)?.status ?? "none") === v);
    case "exited":
      for (const v of values)
        if (!/^[-+]?\d+$/.test(v)) throw invalid(key, v, `strconv.Atoi: parsing "${v}": invalid syntax`);
      return any((c, v) => c.record.state.status === "exited" && c.record.state.exitCode === Number(v));
    case "ancestor":
      return byAncestor(ctx, values);
    case "before":
    case "since":
      return byOrder(ctx, key, values);
    case "volume":
      return any((c, v) => c.record.mounts.some((m) => m.name === v || m.destination === v || m.source === v));
    case "network":
      return any((c, v) =>
        Object.entries(endpoints(ctx, c.record)).some(([name, e]) => name === v || (e.NetworkID ?? "").startsWith(v)),
      );
    case "publish":
    case "expose":
      for (const v of values) checkPorts(key, v);
      return any((c, v) => hasPort(ctx, c, { key, range: v }));
    case "is-task":
      for (const v of values)
        if (!/^(true|false|0|1)$/.test(v)) throw new BerthError("invalid-argument", `invalid filter 'is-task=[${v}]'`);
      return any((_, v) => v === "false" || v === "0");
    case "isolation":
      // Of Windows: on Linux it is no filter.
      return () => true;
    default:
      throw new BerthError("invalid-argument", `invalid filter '${key}'`);
  }
}

function invalid(key: string, value: string, why: string): BerthError {
  return new BerthError("invalid-argument", `invalid filter '${key}=${value}': ${why}`);
}

function check(key: "status" | "health", values: string[], known: string[]): void {
  const what = key === "status" ? "state" : key;
  for (const value of values) {
    if (!known.includes(value))
      throw invalid(key, value, `invalid value for ${what} (${value}): must be one of ${known.join(", ")}`);
  }
}

/** Values are regular expressions for any of a container's texts, a name with and without its slash; one that is none matches nothing. */
function byPattern(values: string[], textsOf: (record: ContainerRecord) => string[]): Test {
  const patterns = values.flatMap((value) => {
    try {
      return [new RegExp(value)];
    } catch {
      return [];
    }
  });
  return ({ record }) => textsOf(record).some((text) => patterns.some((p) => p.test(text)));
}

/** The image itself, or one built on it. */
function byAncestor(ctx: EngineContext, values: string[]): Test {
  const ids = new Set<string>();
  for (const value of values) {
    try {
      ids.add(ctx.images.resolve(value).id);
    } catch (error) {
      ctx.log("debug", `ancestor ${value}: ${messageOf(error)}`); // An unknown image has no containers.
    }
  }
  return ({ record }) => {
    for (let image = ctx.images.get(record.image); image; image = image.parent && ctx.images.get(image.parent)) {
      if (ids.has(image.id)) return true;
    }
    return false;
  };
}

function byOrder(ctx: EngineContext, key: "before" | "since", values: string[]): Test {
  const marks = values.map((value) => ctx.containers.find(value).record.sequence);
  return key === "before"
    ? ({ record }) => marks.some((m) => record.sequence < m)
    : ({ record }) => marks.some((m) => record.sequence > m);
}

function checkPorts(key: string, value: string): void {
  const [range = ""] = value.split("/");
  const [from = 0, to = from] = range.split("-").map(Number);
  for (const port of range.split("-")) {
    const why = !/^\d+$/.test(port) ? "invalid syntax" : Number(port) > MAX_PORT ? "value out of range" : undefined;
    if (why) {
      throw new BerthError(
        "invalid-argument",
        `error while looking up for ${key} ${value}: strconv.ParseUint: parsing "${port}": ${why}`,
      );
    }
  }
  if (from > to) {
    const why = `Invalid range specified for the Port: ${range}`;
    throw new BerthError("invalid-argument", `error while looking up for ${key} ${value}: ${why}`);
  }
}

/** `80`, `80/udp`, `8000-8010/tcp`. */
function hasPort(
  ctx: EngineContext,
  container: Container,
  wanted: { key: "publish" | "expose"; range: string },
): boolean {
  const [range = "", protocol = "tcp"] = wanted.range.split("/");
  const [from = 0, to = from] = range.split("-").map(Number);
  const within = (port: number): boolean => port >= from && port <= to;
  const { record } = container;
  if (wanted.key === "expose") {
    const keys = [
      ...Object.keys(record.config.ExposedPorts ?? {}),
      ...Object.keys(record.hostConfig.PortBindings ?? {}),
    ];
    return keys.map(withProtocol).some((k) => k.endsWith(`/${protocol}`) && within(Number(k.split("/")[0])));
  }
  const bound = ctx.network.get(record.id)?.ports ?? record.hostConfig.PortBindings ?? {};
  return Object.entries(bound).some(
    ([k, bindings]) =>
      withProtocol(k).endsWith(`/${protocol}`) && (bindings ?? []).some((b) => within(Number(b.HostPort))),
  );
}
