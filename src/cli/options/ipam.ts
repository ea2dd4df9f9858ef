import { BerthError } from "../../spec/errors.ts";
import { inNet, parseIp, parseNet } from "../../spec/ipnet.ts";

interface Entry {
  Subnet: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses: Record<string, string>;
}

const invalid = (message: string): BerthError => new BerthError("invalid-argument", message);

/** The subnets of `network create`, each with the range, gateway and auxiliary addresses that lie in it. Throws in docker's words. */
export function ipamConfig(given: {
  subnets: string[];
  ranges: string[];
  gateways: string[];
  extra: Record<string, string>;
}): Entry[] {
  const { subnets, ranges, gateways, extra } = given;
  if (subnets.length < ranges.length || subnets.length < gateways.length)
    throw invalid("every ip-range or gateway must have a corresponding subnet");
  const entries: Entry[] = [];
  for (const subnet of subnets) {
    if (entries.some((e) => within(subnet, e.Subnet) || within(e.Subnet, subnet)))
      throw invalid("multiple overlapping subnet configuration is not supported");
    entries.push({ Subnet: subnet, AuxiliaryAddresses: {} });
  }
  for (const range of ranges) {
    const entry = homeOf(entries, range, "range");
    if (entry.IPRange)
      throw invalid(
        `cannot configure multiple ranges (${range}, ${entry.IPRange}) on the same subnet (${entry.Subnet})`,
      );
    entry.IPRange = range;
  }
  for (const gateway of gateways) {
    const entry = homeOf(entries, gateway, "gateway");
    if (entry.Gateway) {
      const both = `(${gateway}, ${entry.Gateway})`;
      throw invalid(`cannot configure multiple gateways ${both} for the same subnet (${entry.Subnet})`);
    }
    entry.Gateway = gateway;
  }
  for (const [name, address] of Object.entries(extra))
    homeOf(entries, address, "aux-address").AuxiliaryAddresses[name] = address;
  return entries;
}

function homeOf(entries: Entry[], text: string, what: string): Entry {
  const entry = entries.find((e) => within(e.Subnet, text));
  if (entry) return entry;
  throw invalid(`no matching subnet for ${what} ${text}`);
}

/** True where an address, or a subnet's, lies in the subnet. */
function within(subnet: string, text: string): boolean {
  const net = parseNet(subnet);
  if (!net) throw invalid(`invalid CIDR address: ${subnet}`);
  const ip = text.includes("/") ? parseNet(text)?.address : parseIp(text);
  if (!ip) throw invalid(text.includes("/") ? `invalid CIDR address: ${text}` : `invalid IP address: ${text}`);
  return inNet(net.net, ip);
}
