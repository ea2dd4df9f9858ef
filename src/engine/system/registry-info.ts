import type { RegistryClient } from "../../registry/types.ts";
import type { RegistryServiceConfig } from "../../spec/engine-api.ts";

const HUB = "docker.io";

/** `RegistryConfig` of `GET /info`. Docker knows mirrors of Docker Hub only; `MirrorStates` tells of all. */
export function registryInfo(registry: RegistryClient): RegistryServiceConfig {
  const { insecure, defaultRegistry, shortNames = {} } = registry.options;
  const ranges = insecure.filter((entry) => entry.includes("/"));
  const hosts = insecure.filter((entry) => !entry.includes("/"));
  const of = (name: string): string[] =>
    registry.options.mirrors.filter((mirror) => mirror.registry === name).map(({ url }) => withSlash(url));
  const names = new Set([HUB, ...hosts, ...registry.options.mirrors.map((mirror) => mirror.registry)]);
  const index = (name: string): object => ({
    Name: name,
    Mirrors: of(name),
    Secure: !hosts.includes(name),
    Official: name === HUB,
  });
  const states = mirrorStates(registry);
  return {
    IndexConfigs: Object.fromEntries([...names].map((name) => [name, index(name)])),
    InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8", ...ranges],
    Mirrors: of(HUB).length > 0 ? of(HUB) : (null as unknown as string[]), // As Go writes an empty list.
    ...(states.length > 0 ? { MirrorStates: states } : {}),
    ...(defaultRegistry ? { DefaultRegistry: defaultRegistry } : {}),
    ...(Object.keys(shortNames).length > 0 ? { ShortNames: shortNames } : {}),
  };
}

type MirrorStates = NonNullable<NonNullable<RegistryServiceConfig>["MirrorStates"]>;

function mirrorStates(registry: RegistryClient): MirrorStates {
  return registry.mirrors().map(({ registry: name, mirrors, last }) => ({
    Registry: name,
    ...(last ? { LastServedBy: last.by, LastServedAt: timeOf(last.at) } : {}),
    Mirrors: mirrors.map(({ url, state, since, retry, error, served }) => ({
      URL: url,
      State: state,
      ...(since === undefined ? {} : { FailingSince: timeOf(since) }),
      ...(retry === undefined ? {} : { NextTry: timeOf(retry) }),
      ...(error === undefined ? {} : { LastError: error }),
      ...(served === undefined ? {} : { LastServedAt: timeOf(served) }),
    })),
  }));
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

function withSlash(url: string): string {
  return url.endsWith("/") ? url : `${url}/`;
}
