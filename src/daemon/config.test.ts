import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "./config.ts";

function ofFile(settings: object, flags: string[] = []): ReturnType<typeof loadConfig> {
  const dir = mkdtempSync("/tmp/berth-config.");
  try {
    writeFileSync(join(dir, "daemon.json"), JSON.stringify(settings));
    return loadConfig(["--config-file", join(dir, "daemon.json"), ...flags]);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const ofFlags = (...flags: string[]) => loadConfig(["--config-file", "/dev/null/none", ...flags]);

test.each([
  [{ "log-driver": "frob" }, 'plugin "frob" not found'],
  [{ "log-opts": { frob: "1" } }, "unknown log opt 'frob' for json-file log driver"],
  [{ "log-opts": { "max-size": "big" } }, "invalid size: 'big'"],
  [{ "log-opts": { "max-file": 3 } }, "logOpt wants an object of strings"],
  [{ mtu: "abc" }, 'mtu wants a whole number from 68 to 65535, got "abc"'],
  [{ mtu: 12 }, "mtu wants a whole number from 68 to 65535, got 12"],
  [{ dns: ["frob"] }, "frob is not an ip address"],
  [{ labels: ["frob"] }, "bad attribute format: frob"],
  [{ runtimes: { kata: "/usr/bin/kata" } }, "runtimes wants an object like"],
  [{ "default-ulimits": ["nofile"] }, "invalid ulimit of nofile"],
  [{ "default-ulimits": { frob: { Name: "frob", Soft: 1, Hard: 1 } } }, "invalid ulimit type: frob"],
  [{ "default-ulimits": { nofile: { Name: "nofile", Soft: "1" } } }, "invalid ulimit of nofile"],
  [{ "default-address-pools": { base: "10.0.0.0/8" } }, "default-address-pools wants a list like"],
  [{ "default-address-pools": [{ base: "10.0.0.0/8" }] }, "default-address-pools wants a list like"],
  [{ "default-address-pools": [{ base: "10.0.0.0/8", size: "x" }] }, "default-address-pools wants a list like"],
  [
    { "default-ulimits": { nofile: { Name: "nofile", Soft: 5, Hard: 2 } } },
    "must be less than or equal to hard limit: 5 > 2",
  ],
])("daemon.json %j is refused: %s", (settings, message) => expect(() => ofFile(settings)).toThrow(message));

test.each(["nofile=x", "nofile=", "nofile=1:2:3", "nofile=5:2", "frob=1:2"])(
  "--default-ulimit %s is refused",
  (given) => {
    const dir = mkdtempSync("/tmp/berth-config.");
    writeFileSync(join(dir, "daemon.json"), "{}");
    try {
      expect(() => loadConfig(["--config-file", join(dir, "daemon.json"), "--default-ulimit", given])).toThrow(
        "ulimit",
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
);

test("address pools are the same by flags and by the file", () => {
  const addressPools = [
    { base: "10.5.0.0/16", size: 26 },
    { base: "fd00:5::/48", size: 64 },
  ];
  const flags = addressPools.flatMap(({ base, size }) => ["--default-address-pool", `base=${base},size=${size}`]);
  expect(ofFile({}, flags)).toMatchObject({ addressPools });
  expect(ofFile({ "default-address-pools": addressPools })).toMatchObject({ addressPools });
  expect(ofFile({})).toMatchObject({ addressPools: [] });
});

test("where ports go that name no address: the same by flags and by the file", () => {
  expect(ofFile({})).toMatchObject({ publish: { policy: "any" } });
  expect(ofFile({ "publish-policy": "lan" })).toMatchObject({ publish: { policy: "lan" } });
  expect(ofFile({}, ["--publish-policy", "ask"])).toMatchObject({ publish: { policy: "ask" } });
  for (const key of ["publish-default", "ip"]) {
    const publish = { policy: "any", address: "127.0.0.1" };
    expect(ofFile({ [key]: "127.0.0.1" })).toMatchObject({ publish });
    expect(ofFile({}, [`--${key}`, "127.0.0.1"])).toMatchObject({ publish });
  }
  expect(ofFile({ ip: "0.0.0.0", "publish-policy": "local" }).publish).toEqual({ policy: "any" });
  expect(() => ofFile({ "publish-policy": "some" })).toThrow("unknown publish-policy: some");
  expect(() => ofFile({ "publish-default": "localhost" })).toThrow("localhost is not an ip address");
});

test("names of containers for the host: off unless asked for", () => {
  expect(ofFile({})).toMatchObject({ hostNames: { kind: "off" } });
  expect(ofFile({ "host-names": "dns" })).toMatchObject({ hostNames: { kind: "dns", host: "127.0.0.111", port: 53 } });
  expect(ofFile({}, ["--host-names", "hosts"])).toMatchObject({ hostNames: { kind: "hosts", path: "/etc/hosts" } });
  expect(() => ofFile({ "host-names": "dns=192.0.2.1" })).toThrow('host-names: invalid: "dns=192.0.2.1"');
  expect(() => ofFile({ "host-names": true })).toThrow("hostNames wants a string");
});

test("transfers: the same by flags and by the file, in dockerd's words where they are wrong; 0 is the default", () => {
  const given = { "max-concurrent-downloads": 2, "max-concurrent-uploads": 7, "max-download-attempts": 1 };
  const transfers = { downloads: 2, uploads: 7, attempts: 1 };
  expect(ofFile(given).transfers).toEqual(transfers);
  const flags = Object.entries(given).flatMap(([key, n]) => [`--${key}`, String(n)]);
  expect(ofFile({}, flags).transfers).toEqual(transfers);
  expect(ofFile({ "max-concurrent-downloads": 0, "max-download-attempts": 0 }).transfers).toEqual({});
  expect(() => ofFile({ "max-concurrent-downloads": -1 })).toThrow("invalid max concurrent downloads: -1");
  expect(() => ofFile({ "max-concurrent-uploads": -5 })).toThrow("invalid max concurrent uploads: -5");
  expect(() => ofFile({ "max-download-attempts": "3" })).toThrow('invalid max download attempts: "3"');
  expect(() => ofFile(given, flags)).toThrow("specified both as a flag and in the configuration file");
});

test("what is right is taken", () => {
  const config = ofFile({
    "log-driver": "local",
    "log-opts": { "max-size": "1m" },
    mtu: 1400,
    labels: ["a=b"],
    runtimes: { kata: { path: "/usr/bin/kata", runtimeArgs: ["x"] } },
    "default-ulimits": { nofile: { Name: "nofile", Soft: 5, Hard: -1 }, core: { Name: "core", Soft: -1, Hard: -1 } },
  });
  expect(config).toMatchObject({
    logDriver: "local",
    logOpts: { "max-size": "1m" },
    mtu: 1400,
    labels: ["a=b"],
    runtimes: { kata: { path: "/usr/bin/kata", runtimeArgs: ["x"] } },
    defaultUlimits: { nofile: { Name: "nofile", Soft: 5, Hard: -1 }, core: { Name: "core", Soft: -1, Hard: -1 } },
  });
});

test("a configuration file that is not there is named", () =>
  expect(() => ofFlags()).toThrow("unable to configure the daemon with file /dev/null/none: no such file"));
