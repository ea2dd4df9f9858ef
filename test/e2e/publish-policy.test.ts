import { expect, test } from "bun:test";
import { runOk } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

const SLEEP = ["busybox", "sleep", "1000"];

test("local: ports without an address are for this host, on every network; named ones go where they say", async () => {
  await using daemon = await TestDaemon.start({ flags: ["--publish-policy", "local"] });
  await daemon.ok("network", "create", "--ipv6", "dual");
  await daemon.ok("run", "-d", "--name", "plain", "-p", "8001:80", "-p", "53/udp", ...SLEEP);
  await daemon.ok("run", "-d", "--name", "dual", "--network", "dual", "-p", "8002:80", ...SLEEP);
  await daemon.ok("run", "-d", "--name", "named", "-p", "0.0.0.0:8003:80", ...SLEEP);
  expect(await daemon.ok("port", "plain", "80")).toBe("127.0.0.1:8001");
  expect(await daemon.ok("port", "plain", "53/udp")).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(await daemon.ok("port", "dual")).toBe("80/tcp -> 127.0.0.1:8002\n80/tcp -> [::1]:8002");
  expect((await daemon.docker("port", "named")).stdout).toBe("80/tcp -> 0.0.0.0:8003\n");
});

test("ask: a port without an address is refused and leaves nothing, on every network", async () => {
  await using daemon = await TestDaemon.start({ flags: ["--publish-policy", "ask"] });
  await daemon.ok("network", "create", "own");
  for (const network of ["bridge", "own"]) {
    const refused = await daemon.docker("run", "-d", "--rm", "--network", network, "-p", "8001:80", ...SLEEP);
    expect([refused.code, refused.stderr]).toEqual([
      125,
      expect.stringMatching(
        /(daemon|networking): cannot publish 80\/tcp: the daemon's publish-policy is ask; name an address/,
      ),
    ]);
  }
  expect(await daemon.ok("ps", "-aq")).toBe("");
  await daemon.ok("run", "-d", "--name", "named", "-p", "127.0.0.1:8001:80", ...SLEEP);
  expect(await daemon.ok("port", "named")).toBe("80/tcp -> 127.0.0.1:8001");
});

test("info warns of ports that are open past a firewall, and of a foreign chain that drops", async () => {
  await using daemon = await TestDaemon.start();
  await daemon.ok("run", "-d", "--name", "web", "-p", "8001:80", "-p", "127.0.0.1:8002:81", ...SLEEP);
  const warnings = async (): Promise<string[]> =>
    JSON.parse((await daemon.docker("info", "--format", "{{json .Warnings}}")).stdout) ?? [];
  const firewall = (lines: string[]): string[] => lines.filter((line) => /firewalld|nftables|ufw/.test(line));
  expect(firewall(await warnings())).toEqual([]);
  await runOk(daemon.inNet("nft", "add table inet firewalld; add chain inet firewalld filter_INPUT"));
  await runOk(
    daemon.inNet(
      "nft",
      "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
    ),
  );
  expect(firewall(await warnings())).toEqual([
    "WARNING: published ports are open to the world past firewalld: web 8001/tcp; see publish-policy",
    expect.stringContaining("WARNING: chain FORWARD of the nftables table ip filter drops what it does not know"),
  ]);
  expect((await daemon.berth("info")).stderr).toContain("past firewalld: web 8001/tcp");
  const listed = "WARNING: published ports are open to the world past firewalld: web 8001/tcp; see publish-policy\n";
  expect((await daemon.berth("ps")).stderr).toBe(listed);
  for (const quiet of [["-q"], ["--format", "{{.Names}}"], ["--format", "json"]])
    expect((await daemon.berth("ps", ...quiet)).stderr).toBe("");
  await runOk(daemon.inNet("nft", "delete table ip filter; delete table inet firewalld"));
  await runOk(daemon.inNet("nft", "add table ip filter; add chain ip filter ufw-user-input"));
  expect(firewall(await warnings())).toEqual([expect.stringContaining("open to the world past ufw: web 8001/tcp")]);
  await daemon.ok("rm", "-f", "web");
  expect(firewall(await warnings())).toEqual([]);
  await runOk(daemon.inNet("nft", "delete table ip filter"));
});
