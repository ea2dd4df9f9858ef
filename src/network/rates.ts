import { run } from "../host/spawn.ts";
import { BerthError } from "../spec/errors.ts";

/** How much an interface may carry, in bits per second. `ingress` comes to the container, `egress` leaves it; absent: no limit. */
export interface Rates {
  ingress?: number;
  egress?: number;
}

/** The options of a network, and of one endpoint, which wins. */
const OPTION = { ingress: "berth.ingress-rate", egress: "berth.egress-rate" } as const;
const UNITS: Record<string, number> = { "": 1, bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9, tbit: 1e12 };
const LEAST = 8000;
const MOST = 1e12;
/** What goes at once before the limit counts: the kernel needs a tick's worth at least, and whole packets of the largest kind. */
const BURST_BYTES = 128 * 1024;
const BURSTS_PER_SECOND = 100;
const QUEUE_MS = 50;

/** Reads the limits among options; others are nobody's business here. Throws `invalid-argument` for a value that is none. */
export function readRates(options: Record<string, string> = {}): Rates {
  const rates: Rates = {};
  for (const way of ["ingress", "egress"] as const) {
    const text = options[OPTION[way]];
    if (text !== undefined && text !== "") rates[way] = parseRate(OPTION[way], text);
  }
  return rates;
}

function parseRate(option: string, text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(text.toLowerCase()) ?? [];
  const bits = Number(number) * (UNITS[unit] ?? Number.NaN);
  if (number !== "" && bits >= LEAST && bits <= MOST) return Math.floor(bits);
  throw new BerthError("invalid-argument", `invalid ${option} ${JSON.stringify(text.slice(0, 40))}`, {
    hint: "bits per second from 8kbit to 1tbit, as in 10mbit or 500kbit",
  });
}

/** Why a network of such a driver cannot limit what comes in. */
export function noIngress(driver: string): string {
  return `${OPTION.ingress} is not supported by the driver ${driver}: its interfaces have no end on the host`;
}

/** True where nothing is limited. */
export function isFree({ ingress, egress }: Rates): boolean {
  return ingress === undefined && egress === undefined;
}

/** Holds what leaves `dev` to so many bits per second (tc-tbf(8)). `prefix` enters the device's namespace. */
export async function limitDevice(dev: string, bits: number, prefix: string[] = []): Promise<void> {
  const burst = Math.max(BURST_BYTES, Math.ceil(bits / 8 / BURSTS_PER_SECOND));
  const line = `qdisc replace dev ${dev} root tbf rate ${bits}bit burst ${burst}b latency ${QUEUE_MS}ms\n`;
  const { code, stderr } = await run([...prefix, "tc", "-batch", "-"], { input: line });
  if (code === 0) return;
  throw new BerthError("unavailable", `cannot limit the rate of ${dev}: ${stderr.trim().split("\n")[0] ?? "failed"}`, {
    hint: "the kernel needs the tbf queueing discipline (sch_tbf)",
  });
}
