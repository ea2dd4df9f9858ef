import { BerthError } from "../../spec/errors.ts";
import { invalid } from "../errors.ts";
import { HIJACKED } from "../responses.ts";
import { holdSession } from "../session.ts";
import type { ApiResponse, Context, Route } from "../types.ts";

/** Routes of BuildKit's protocol (specification, tag "Session"). Sessions are held, with nobody who asks anything of them; there is no BuildKit. */
export function sessionRoutes(): Route[] {
  const open = new Set<string>();
  return [
    ["POST", "/session", (context) => session(context, open)],
    ["POST", "/grpc", grpc],
  ];
}

const HEAD = {
  status: 101,
  reason: "Switching Protocols",
  headers: { Connection: "Upgrade", Upgrade: "h2c" },
} as const;

/** Holds the client's session until it leaves; one id is open once. */
async function session({ request }: Context, open: Set<string>): Promise<ApiResponse> {
  const upgrade = request.headers["upgrade"];
  if (upgrade === undefined) throw invalid("no upgrade proto in request");
  if (upgrade !== "h2c") throw invalid(`protocol ${upgrade} not supported`);
  const id = request.headers["x-docker-expose-session-uuid"] ?? "";
  if (open.has(id)) throw invalid(`session ${id} already exists`);
  open.add(id);
  try {
    await holdSession(request.hijack(HEAD));
  } finally {
    open.delete(id);
  }
  return HIJACKED;
}

/** As with Docker a bad upgrade is a 500 here. */
async function grpc({ request }: Context): Promise<ApiResponse> {
  const upgrade = request.headers["upgrade"];
  if (upgrade === undefined) throw new BerthError("internal", "no upgrade proto in request");
  if (upgrade !== "h2c") throw new BerthError("internal", `protocol ${upgrade} not supported`);
  throw new BerthError("not-implemented", "BuildKit is not implemented by Berth", {
    hint: "set DOCKER_BUILDKIT=0 to build",
  });
}
