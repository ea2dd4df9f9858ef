import { expect, test } from "bun:test";
import { withEndpoints } from "./connections.ts";
import type { EndpointRecord } from "./networks.ts";
import type { Endpoint } from "./types.ts";

const endpoint = (network: string, more: Partial<Endpoint> = {}): Endpoint => ({
  ...{ network, networkId: `${network}-id`, endpointId: `${network}-endpoint`, ip: "10.0.0.2", prefix: 24 },
  ...{ gateway: "10.0.0.1", mac: "02:00:00:00:00:02" },
  ...more,
});

const LIMITED = endpoint("limited", {
  rates: { ingress: 1_000_000, egress: 2_000_000 },
  sysctls: [{ name: "ipv4.conf.IFNAME.forwarding", value: "1" }] as unknown as NonNullable<Endpoint["sysctls"]>,
  names: ["web"],
  linkLocal: ["169.254.1.1"],
});
const CONTAINER = {
  containerId: "c1",
  name: "web",
  ports: { "80/tcp": [] },
  netns: "/ns",
  dns: ["10.9.9.9"],
  portsOn: "",
};

test("an endpoint keeps all that it has when others come and go, wherever it stands in the record", () => {
  const record: EndpointRecord = { ...CONTAINER, ...endpoint("first"), more: [LIMITED] };
  const alone = withEndpoints(record, [LIMITED]);
  expect(alone).toEqual({ ...CONTAINER, ...LIMITED });
  const behind = withEndpoints(alone, [endpoint("new"), alone]);
  expect(behind).toEqual({ ...CONTAINER, ...endpoint("new"), more: [LIMITED] });
});

test("without any endpoint the container's own part stays", () => {
  const record: EndpointRecord = { ...CONTAINER, ...LIMITED, wanted: { "80/tcp": [] } };
  expect(withEndpoints(record, [])).toEqual({
    ...CONTAINER,
    wanted: { "80/tcp": [] },
    ...{ network: "", networkId: "", endpointId: "", ip: "", prefix: 0, gateway: "", mac: "" },
  });
});
