import { expect, test } from "bun:test";
import { ipamConfig } from "./ipam.ts";

const NONE = { subnets: [], ranges: [], gateways: [], extra: {} };

test("each range, gateway and auxiliary address goes to the subnet that it lies in, in both families", () => {
  expect(
    ipamConfig({
      subnets: ["10.5.0.0/16", "fd00:5::/64"],
      ranges: ["10.5.1.0/24"],
      gateways: ["fd00:5::9", "10.5.0.9"],
      extra: { printer: "10.5.0.7", scanner: "fd00:5::7" },
    }),
  ).toEqual([
    { Subnet: "10.5.0.0/16", IPRange: "10.5.1.0/24", Gateway: "10.5.0.9", AuxiliaryAddresses: { printer: "10.5.0.7" } },
    { Subnet: "fd00:5::/64", Gateway: "fd00:5::9", AuxiliaryAddresses: { scanner: "fd00:5::7" } },
  ]);
  expect(ipamConfig(NONE)).toEqual([]);
});

test.each([
  [{ gateways: ["10.5.0.1"] }, "every ip-range or gateway must have a corresponding subnet"],
  [{ ranges: ["10.5.0.0/24"] }, "every ip-range or gateway must have a corresponding subnet"],
  [{ subnets: ["10.5.0.0/16", "10.5.1.0/24"] }, "multiple overlapping subnet configuration is not supported"],
  [{ subnets: ["10.5.0.0/16"], ranges: ["10.6.0.0/24"] }, "no matching subnet for range 10.6.0.0/24"],
  [{ subnets: ["10.5.0.0/16"], gateways: ["10.6.0.1"] }, "no matching subnet for gateway 10.6.0.1"],
  [{ subnets: ["10.5.0.0/16"], extra: { a: "10.6.0.1" } }, "no matching subnet for aux-address 10.6.0.1"],
  [
    { subnets: ["10.5.0.0/16", "10.6.0.0/16"], gateways: ["10.5.0.1", "10.5.0.2"] },
    "cannot configure multiple gateways (10.5.0.2, 10.5.0.1) for the same subnet (10.5.0.0/16)",
  ],
  [
    { subnets: ["10.5.0.0/16", "10.6.0.0/16"], ranges: ["10.5.1.0/24", "10.5.2.0/24"] },
    "cannot configure multiple ranges (10.5.2.0/24, 10.5.1.0/24) on the same subnet (10.5.0.0/16)",
  ],
  [{ subnets: ["10.5.0.0"], gateways: ["10.5.0.1"] }, "invalid CIDR address: 10.5.0.0"],
  [{ subnets: ["10.5.0.0/16"], gateways: ["gate"] }, "invalid IP address: gate"],
])("%j: %s", (given, words) => {
  expect(() => ipamConfig({ ...NONE, ...given })).toThrow(words);
});
