import { BerthError } from "../spec/errors.ts";
import { placeOf } from "../spec/resolution.ts";
import { Connection } from "./connection.ts";
import { endpointsOf } from "./endpoints.ts";
import { MirrorHealth } from "./health.ts";
import { mirrored, mirrorReports } from "./mirrors.ts";
import { openRepository } from "./repository.ts";
import { searchIndex } from "./search.ts";
import type { Credentials, RegistryClient, RegistryOptions } from "./types.ts";

/** Registries over HTTP. Holds no connection: each repository has its own, with its tokens. What is known of mirrors is one for all. */
export function openRegistryClient(options: RegistryOptions): RegistryClient {
  const health = new MirrorHealth(options.health);
  return {
    options,
    repository(ref, how) {
      const { push = false, credentials = {}, signal } = how;
      const place = placeOf(ref, options);
      const own = place === ref || credentials.server === place.domain ? credentials : {};
      const retry = push ? options.retry : pullRetry(options);
      const connection = new Connection(endpointsOf(place.domain, options), own, {
        ...options,
        signal,
        ...(retry ? { retry } : {}),
      });
      const repository = openRepository(connection, place, { ...how, credentials: own });
      return push ? repository : mirrored(repository, place, { options, health, how });
    },
    login: (host, credentials) => login(host, credentials, options),
    search: (term, rest) => searchIndex(term, { ...rest, options }),
    mirrors: () => mirrorReports(options.mirrors, health),
  };
}

function pullRetry({ retry, transfers }: RegistryOptions): RegistryOptions["retry"] {
  return transfers?.attempts === undefined ? retry : { ...retry, attempts: transfers.attempts - 1 };
}

/** A `GET /v2/` with the credentials: the registry, or its token server, says whether they are good. */
async function login(
  host: string,
  credentials: Credentials,
  options: RegistryOptions,
): Promise<{ identityToken?: string }> {
  const connection = new Connection(endpointsOf(host, options), credentials, options);
  const answer = await connection.send({ method: "GET", path: "/v2/" }, "");
  await answer.bytes(1 << 20).catch(() => undefined);
  if (answer.status === 401 || answer.status === 403) {
    throw new BerthError(
      "unauthorized",
      `login attempt to https://${host}/v2/ failed with status: ${answer.status} Unauthorized`,
    );
  }
  if (answer.status >= 400)
    throw new BerthError("internal", `login attempt to ${host} failed with status: ${answer.status}`);
  const { challenge } = connection;
  if (challenge?.scheme !== "bearer") return {};
  const { identityToken } = await connection.token(challenge, { scope: "", offline: true });
  return identityToken ? { identityToken } : {};
}
