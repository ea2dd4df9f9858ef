import { BerthError } from "../../spec/errors.ts";
import { json } from "../responses.ts";
import type { Handler, Route } from "../types.ts";

type Method = Route[0];

/** A handler that answers 501, naming what is absent. */
export function notYet(what: string, hint?: string): Handler {
  return async () => {
    throw new BerthError("not-implemented", `${what} is not implemented by Berth`, hint ? { hint } : {});
  };
}

/** Cluster endpoints: Docker's words for a node outside a swarm, and why. */
const noSwarm: Handler = async () => {
  throw new BerthError(
    "unavailable",
    "This node is not a swarm manager: Berth is a single-node engine, and swarm mode is not part of it.",
  );
};

/** What Docker answers where no plugin of that name is installed. */
const noPlugin: Handler = async ({ params }) => {
  const name = (params["*"] ?? "").replace(/\/(json|enable|disable|push|set|upgrade)$/, "");
  throw new BerthError("not-found", `plugin "${name}" not found`);
};

const SWARM = ["swarm", "nodes", "services", "tasks", "secrets", "configs"];
const METHODS: Method[] = ["GET", "POST", "DELETE"];

const NOT_YET: [methods: Method[], paths: string[], what: string][] = [
  [["GET"], ["/plugins/privileges"], "installing a plugin"],
  [["POST"], ["/plugins/pull", "/plugins/create"], "installing a plugin"],
];

/** What the specification has and Berth has not: swarm answers 503, no plugin is installed, the rest is 501 by name. */
export const absentRoutes: Route[] = [
  ...SWARM.flatMap((name) =>
    METHODS.flatMap((method): Route[] => [
      [method, `/${name}`, noSwarm],
      [method, `/${name}/*`, noSwarm],
    ]),
  ),
  ["GET", "/plugins", async () => json([])],
  // `docker inspect NAME` asks here last and goes on after a 404.
  ...METHODS.map((method): Route => [method, "/plugins/*", noPlugin]),
  ...NOT_YET.flatMap(([methods, paths, what]) =>
    methods.flatMap((method) => paths.map((path): Route => [method, path, notYet(what)])),
  ),
];
