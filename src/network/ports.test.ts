import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { PortMap } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import { NetLab } from "../testing/netlab.ts";
import { boundPorts, PortLedger, parsePorts, publishedOf } from "./ports.ts";

/** `proto/port hostIp from-to` of each wish. */
const words = (ports: PortMap): string[] =>
  parsePorts(ports).map((p) => `${p.proto}/${p.port} ${p.hostIps.join()} ${p.from}-${p.to}`);

const one = (key: string, HostPort?: string, HostIp?: string): PortMap => ({
  [key]: [{ ...(HostPort === undefined ? {} : { HostPort }), ...(HostIp === undefined ? {} : { HostIp }) }],
});

describe("what a port map asks for", () => {
  test.each<[string, PortMap, string[]]>([
    ["a number", one("80/tcp", "8080", ""), ["tcp/80 0.0.0.0 8080-8080"]],
    ["no protocol means tcp", one("80", "8080"), ["tcp/80 0.0.0.0 8080-8080"]],
    ["protocols in any case", one("53/UDP", "53"), ["udp/53 0.0.0.0 53-53"]],
    ["no host port: any free one", one("80/tcp"), ["tcp/80 0.0.0.0 0-0"]],
    ["an empty host port: any free one", one("80/tcp", ""), ["tcp/80 0.0.0.0 0-0"]],
    ["host port 0: any free one", one("80/tcp", "0"), ["tcp/80 0.0.0.0 0-0"]],
    ["a range", one("80/tcp", "8000-8010"), ["tcp/80 0.0.0.0 8000-8010"]],
    ["a range of one", one("80/tcp", "8000-8000"), ["tcp/80 0.0.0.0 8000-8000"]],
    ["leading zeros", one("80/tcp", "00080"), ["tcp/80 0.0.0.0 80-80"]],
    ["the last port", one("65535/udp", "65535"), ["udp/65535 0.0.0.0 65535-65535"]],
    ["an address", one("80/tcp", "80", "127.0.0.1"), ["tcp/80 127.0.0.1 80-80"]],
    ["all addresses by name", one("80/tcp", "80", "0.0.0.0"), ["tcp/80 0.0.0.0 80-80"]],
    ["merely exposed", { "80/tcp": null, "81/udp": [] }, []],
    ["exposed sctp", { "80/sctp": null }, []],
    ["sctp", one("80/SCTP", "90"), ["sctp/80 0.0.0.0 90-90"]],
    [
      "several on one port, in order",
      { "80/tcp": [{ HostPort: "2" }, { HostPort: "1" }], "80/udp": [{ HostPort: "1" }] },
      ["tcp/80 0.0.0.0 2-2", "tcp/80 0.0.0.0 1-1", "udp/80 0.0.0.0 1-1"],
    ],
  ])("%s", (_, ports, expected) => {
    expect(words(ports)).toEqual(expected);
  });

  test.each<[PortMap, string]>([
    [one("0/tcp", "80"), 'invalid port specification: "0/tcp"'],
    [one("65536/tcp", "80"), 'invalid port specification: "65536/tcp"'],
    [one("80/icmp", "80"), 'invalid port specification: "80/icmp"'],
    [one("http/tcp", "80"), 'invalid port specification: "http/tcp"'],
    [one("-1/tcp", "80"), 'invalid port specification: "-1/tcp"'],
    [one("80/tcp/udp", "80"), 'invalid port specification: "80/tcp/udp"'],
    [one("80 /tcp", "80"), 'invalid port specification: "80 /tcp"'],
    [one("", "80"), 'invalid port specification: ""'],
    [one("80/tcp", "65536"), "invalid hostPort: 65536"],
    [one("80/tcp", "-1"), "invalid hostPort: -1"],
    [one("80/tcp", "80-70"), "invalid hostPort: 80-70"],
    [one("80/tcp", "80-65536"), "invalid hostPort: 80-65536"],
    [one("80/tcp", "80-"), "invalid hostPort: 80-"],
    [one("80/tcp", "1-2-3"), "invalid hostPort: 1-2-3"],
    [one("80/tcp", "8o"), "invalid hostPort: 8o"],
    [one("80/tcp", " 80"), "invalid hostPort:  80"],
    [one("80/tcp", "1e3"), "invalid hostPort: 1e3"],
    [one("80/tcp", "80", "localhost"), "invalid IP address: localhost"],
    [one("80/tcp", "80", "1.2.3.256"), "invalid IP address: 1.2.3.256"],
    [one("80/tcp", "80", "01.2.3.4"), "invalid IP address: 01.2.3.4"],
    [one("80/tcp", "80", "::"), "cannot publish on ::: the container has no IPv6 address there"],
  ])("%j is refused", (ports, message) => {
    expect(() => parsePorts(ports)).toThrow(message);
    try {
      parsePorts(ports);
    } catch (error) {
      expect(error).toBeInstanceOf(BerthError);
      expect((error as BerthError).kind).toMatch(/^(invalid-argument|not-implemented)$/);
    }
  });

  test.each<[string, string, string[]]>([
    ["", "both", ["0.0.0.0", "::"]],
    ["", "v6 alone", ["::"]],
    ["127.0.0.1", "v6 alone", []],
    ["0.0.0.0", "both", ["0.0.0.0"]],
    ["::", "both", ["::"]],
    ["[::1]", "both", ["::1"]],
    ["2001:DB8:0::1", "v6 alone", ["2001:db8::1"]],
  ])("an address %j for a container with %s", (hostIp, what, expected) => {
    const families = { v4: what === "both", v6: true };
    expect(parsePorts(one("80/tcp", "80", hostIp), families).flatMap((p) => p.hostIps)).toEqual(expected);
  });

  test("what is bound on both families leads to the address of each, or to the one that is there", () => {
    const bound = ["0.0.0.0", "::"].map((hostIp) => ({ key: "80/tcp", hostIp, hostPort: 8080 }));
    const shown = boundPorts(one("80/tcp", "8080"), bound);
    expect(shown["80/tcp"]).toEqual([
      { HostIp: "0.0.0.0", HostPort: "8080" },
      { HostIp: "::", HostPort: "8080" },
    ]);
    const leads = (to: { ip: string; ip6?: string }): string[] =>
      publishedOf(shown, to).map((p) => `${p.hostIp} ${p.hostPort} ${p.ip} ${p.port}`);
    expect(leads({ ip: "10.0.0.2", ip6: "fd00::2" })).toEqual(["0.0.0.0 8080 10.0.0.2 80", ":: 8080 fd00::2 80"]);
    expect(leads({ ip: "", ip6: "fd00::2" })).toEqual([":: 8080 fd00::2 80"]);
    expect(leads({ ip: "10.0.0.2" })).toEqual(["0.0.0.0 8080 10.0.0.2 80"]);
  });

  test("what was bound is shown under its key, the rest as null, and is what nftables gets", () => {
    const ports: PortMap = {
      "80/tcp": [{ HostPort: "0" }, { HostPort: "81" }],
      "9": [{ HostPort: "9" }],
      "7/udp": null,
    };
    const shown = boundPorts(ports, [
      { key: "80/tcp", hostIp: "0.0.0.0", hostPort: 40000 },
      { key: "9", hostIp: "127.0.0.1", hostPort: 9 },
      { key: "80/tcp", hostIp: "0.0.0.0", hostPort: 81 },
    ]);
    expect(shown).toEqual({
      "80/tcp": [
        { HostIp: "0.0.0.0", HostPort: "40000" },
        { HostIp: "0.0.0.0", HostPort: "81" },
      ],
      "9": [{ HostIp: "127.0.0.1", HostPort: "9" }],
      "7/udp": null,
    });
    expect(
      publishedOf(shown, { ip: "172.18.0.2" })
        .map((p) => `${p.hostIp}:${p.hostPort} ${p.ip}:${p.port}/${p.proto}`)
        .sort(),
    ).toEqual(["0.0.0.0:40000 172.18.0.2:80/tcp", "0.0.0.0:81 172.18.0.2:80/tcp", "127.0.0.1:9 172.18.0.2:9/tcp"]);
  });
});

const BOTH = { v4: true, v6: true };
const TO = { ip: "172.18.0.9", ip6: "fd00::9" };

describe("who has which host port", () => {
  let lab: NetLab;
  beforeAll(() => {
    lab = new NetLab();
  });
  afterAll(() => lab.close());

  /** Claims and tells the port of the first wish. */
  async function claimed(ledger: PortLedger, owner: string, ports: PortMap): Promise<number> {
    const [bound] = await ledger.claim(owner, parsePorts(ports, BOTH), { ip: "172.18.0.2", ip6: "fd00::2" });
    if (!bound) throw new Error("nothing was bound");
    return bound.hostPort;
  }
  const outcome = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => "fine",
      (error: unknown) => (error instanceof Error ? error.message.replace(/:\d+ failed/, ":N failed") : String(error)),
    );

  test.each([
    ["tcp", "0.0.0.0", "tcp", "127.0.0.1", "Bind for 127.0.0.1:N failed: port is already allocated"],
    ["tcp", "127.0.0.1", "tcp", "0.0.0.0", "Bind for 0.0.0.0:N failed: port is already allocated"],
    ["tcp", "127.0.0.1", "tcp", "127.0.0.1", "Bind for 127.0.0.1:N failed: port is already allocated"],
    ["tcp", "127.0.0.1", "tcp", "127.0.0.2", "fine"],
    ["tcp", "0.0.0.0", "udp", "0.0.0.0", "fine"],
    ["udp", "127.0.0.1", "udp", "127.0.0.1", "Bind for 127.0.0.1:N failed: port is already allocated"],
    ["tcp", "::", "tcp", "::1", "Bind for [::1]:N failed: port is already allocated"],
    ["udp", "::1", "udp", "::", "Bind for [::]:N failed: port is already allocated"],
    ["tcp", "::", "tcp", "0.0.0.0", "fine"],
    ["udp", "0.0.0.0", "udp", "::", "fine"],
  ])("%s on %s, then %s on %s: %s", async (proto, ip, secondProto, secondIp, expected) => {
    const ledger = new PortLedger();
    try {
      const port = await claimed(ledger, "a", one(`80/${proto}`, "0", ip));
      const second = ledger.claim("b", parsePorts(one(`80/${secondProto}`, String(port), secondIp), BOTH), TO);
      expect(await outcome(second)).toBe(expected);
      if (expected === "fine") return;
      ledger.release("a");
      expect(await claimed(ledger, "b", one(`80/${secondProto}`, String(port), secondIp))).toBe(port);
    } finally {
      ledger.clear();
    }
  });

  test("a number for both families is free on both, or another is taken", async () => {
    const ledger = new PortLedger();
    try {
      const taken = await claimed(ledger, "a", one("80/tcp", "0", "::"));
      const range = `${taken}-${taken + 1}`;
      const bound = await ledger.claim("b", parsePorts(one("80/tcp", range), BOTH), TO);
      expect(bound.map((b) => [b.hostIp, b.hostPort])).toEqual([
        ["0.0.0.0", taken + 1],
        ["::", taken + 1],
      ]);
      // Nothing of the number that was not free on both is kept.
      expect(await claimed(ledger, "c", one("80/tcp", String(taken), "0.0.0.0"))).toBe(taken);
      const exact = ledger.claim("d", parsePorts(one("80/tcp", String(taken)), BOTH), TO);
      expect(await outcome(exact)).toContain("port is already allocated");
    } finally {
      ledger.clear();
    }
  });

  test("where one of several is taken all are given back; a range goes on behind what is taken", async () => {
    const ledger = new PortLedger();
    try {
      const taken = await claimed(ledger, "a", one("80/tcp", "0", "127.0.0.1"));
      const free = await claimed(ledger, "x", one("80/tcp", "0", "127.0.0.1"));
      ledger.release("x");
      const both: PortMap = {
        "80/tcp": [
          { HostIp: "127.0.0.1", HostPort: String(free) },
          { HostIp: "127.0.0.1", HostPort: String(taken) },
        ],
      };
      expect(await outcome(ledger.claim("b", parsePorts(both), { ip: "172.18.0.3", ip6: "fd00::3" }))).toContain(
        "already allocated",
      );
      expect(await claimed(ledger, "c", one("80/tcp", String(free), "127.0.0.1"))).toBe(free);
      const range = `${taken}-${Math.min(taken + 50, 65535)}`;
      expect(await claimed(ledger, "d", one("80/tcp", range, "127.0.0.1"))).toBeGreaterThan(taken);
    } finally {
      ledger.clear();
    }
  });

  test("a restarted daemon binds its ports again; one that is another's meanwhile is named and stays claimed", async () => {
    const [before, after] = [new PortLedger(), new PortLedger()];
    try {
      const port = await claimed(before, "a", one("80/tcp", "0", "127.0.0.1"));
      const published = publishedOf(
        { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: String(port) }] },
        { ip: "172.18.0.2" },
      );
      expect(await after.restore("a", published)).toEqual(published);
      expect(await outcome(after.claim("b", parsePorts(one("80/tcp", String(port), "127.0.0.1")), TO))).toContain(
        "already allocated",
      );
      after.clear();
      before.clear();
      expect(await after.restore("a", published)).toEqual([]);
    } finally {
      before.clear();
      after.clear();
    }
  });
});
