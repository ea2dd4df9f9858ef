import { expect, test } from "bun:test";
import { parseCidr } from "./cidr.ts";
import { findNetwork, type NetworkRecord, viewNetwork } from "./networks.ts";

const RECORD: NetworkRecord = {
  id: "ab12".padEnd(64, "0"),
  name: "bridge",
  driver: "bridge",
  created: "2026-11-25T22:51:12.820Z",
};
const HOST: NetworkRecord = { id: "ab34".padEnd(64, "0"), name: "host", driver: "host", created: RECORD.created };

/** What `GET /networks/bridge` of dockerd 28.5 answers, with our bridge's name and MTU. */
const DOCKER = {
  Name: "bridge",
  Id: RECORD.id,
  Created: RECORD.created,
  Scope: "local",
  Driver: "bridge",
  EnableIPv4: true,
  EnableIPv6: false,
  IPAM: { Driver: "default", Options: null, Config: [{ Subnet: "172.17.0.0/16", Gateway: "172.17.0.1" }] },
  Internal: false,
  Attachable: false,
  Ingress: false,
  ConfigFrom: { Network: "" },
  ConfigOnly: false,
  Containers: {
    c1: {
      Name: "web",
      EndpointID: "e1",
      MacAddress: "02:42:ac:11:00:02",
      IPv4Address: "172.17.0.2/16",
      IPv6Address: "",
    },
  },
  Options: {
    "com.docker.network.bridge.default_bridge": "true",
    "com.docker.network.bridge.enable_icc": "true",
    "com.docker.network.bridge.enable_ip_masquerade": "true",
    "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
    "com.docker.network.bridge.name": "berth0",
    "com.docker.network.driver.mtu": "1400",
  },
  Labels: {},
};

test("the bridge looks exactly as Docker's, key by key in order; host has no addresses", () => {
  const { address: gateway, subnet } = parseCidr("172.17.0.1/16");
  const bridge = { name: "berth0", index: 5, mtu: 1400, subnet, gateway, owned: true };
  const endpoint = { containerId: "c1", name: "web", network: "bridge", networkId: RECORD.id, endpointId: "e1" };
  const place = { ip: "172.17.0.2", prefix: 16, gateway: "172.17.0.1", mac: "02:42:ac:11:00:02", ports: {} };
  const endpoints = [{ ...endpoint, ...place }];
  expect(JSON.stringify(viewNetwork(RECORD, endpoints, bridge))).toBe(JSON.stringify(DOCKER));
  expect(viewNetwork(HOST, endpoints, bridge) as unknown).toMatchObject({
    Driver: "host",
    IPAM: { Driver: "default", Options: null, Config: null },
    Containers: {},
    Options: {},
  });
});

test("found by name, id, and a prefix that fits one only", () => {
  const all = [RECORD, HOST];
  expect(findNetwork(all, "host")).toBe(HOST);
  expect(findNetwork(all, RECORD.id)).toBe(RECORD);
  expect(findNetwork(all, "ab1")).toBe(RECORD);
  expect(() => findNetwork(all, "ab")).toThrow("network ab is ambiguous (2 matches found based on ID prefix)");
  expect(() => findNetwork(all, "")).toThrow("network  not found");
});
