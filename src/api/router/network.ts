import type { EndpointSettings } from "../../spec/engine-api.ts";
import type { NetworkCreateBody } from "../backend.ts";
import { jsonBody } from "../body.ts";
import { invalid } from "../errors.ts";
import { filters, text } from "../query.ts";
import { empty, json } from "../responses.ts";
import type { ApiResponse, Context, Route } from "../types.ts";
import type { Shape } from "../validate.ts";

/** Routes of networks (specification, tag "Network"). */
export const networkRoutes: Route[] = [
  ["GET", "/networks", list],
  ["GET", "/networks/:id", inspect],
  ["DELETE", "/networks/:id", remove],
  ["POST", "/networks/create", create],
  ["POST", "/networks/prune", prune],
  ["POST", "/networks/:id/connect", connect],
  ["POST", "/networks/:id/disconnect", disconnect],
];

const CREATE_BODY: Shape = {
  object: {
    Name: "string",
    CheckDuplicate: "boolean",
    Driver: "string",
    Scope: "string",
    Internal: "boolean",
    Attachable: "boolean",
    Ingress: "boolean",
    ConfigOnly: "boolean",
    ConfigFrom: { object: { Network: "string" } },
    IPAM: {
      object: {
        Driver: "string",
        Options: { map: "string" },
        Config: {
          array: {
            object: { Subnet: "string", IPRange: "string", Gateway: "string", AuxiliaryAddresses: { map: "string" } },
          },
        },
      },
    },
    EnableIPv4: "boolean",
    EnableIPv6: "boolean",
    Options: { map: "string" },
    Labels: { map: "string" },
  },
};
const CONNECT_BODY: Shape = { object: { Container: "string", EndpointConfig: "#EndpointSettings" } };
const DISCONNECT_BODY: Shape = { object: { Container: "string", Force: "boolean" } };
const BOOLEAN = /^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/;

function idOf({ params }: Context): string {
  return params["id"] ?? "";
}

async function list({ backend, query }: Context): Promise<ApiResponse> {
  return json(await backend.network.list(filters(query)));
}

async function prune({ backend, query }: Context): Promise<ApiResponse> {
  return json(await backend.network.prune(filters(query)));
}

/** `verbose` adds what only swarm services have. */
async function inspect(context: Context): Promise<ApiResponse> {
  const { backend, query } = context;
  const verbose = text(query, "verbose");
  if (verbose !== undefined && !BOOLEAN.test(verbose))
    throw invalid(`invalid value for verbose: ${verbose}: strconv.ParseBool: parsing "${verbose}": invalid syntax`);
  return json(await backend.network.inspect(idOf(context), { scope: text(query, "scope") ?? "" }));
}

async function create({ backend, request, version }: Context): Promise<ApiResponse> {
  const body = (await jsonBody<NetworkCreateBody>(request, CREATE_BODY)) ?? {};
  // Switching IPv4 off came with 1.48.
  const { EnableIPv4: _unknown, ...older } = body;
  return json(await backend.network.create(version < 48 ? older : body), 201);
}

async function remove(context: Context): Promise<ApiResponse> {
  await context.backend.network.remove(idOf(context));
  return empty();
}

async function connect(context: Context): Promise<ApiResponse> {
  type Body = { Container?: string; EndpointConfig?: EndpointSettings };
  const body = (await jsonBody<Body>(context.request, CONNECT_BODY)) ?? {};
  await context.backend.network.connect(idOf(context), body);
  return empty(200);
}

async function disconnect(context: Context): Promise<ApiResponse> {
  const body = (await jsonBody<{ Container?: string; Force?: boolean }>(context.request, DISCONNECT_BODY)) ?? {};
  await context.backend.network.disconnect(idOf(context), body);
  return empty(200);
}
