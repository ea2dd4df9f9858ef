import { expect, test } from "bun:test";
import { buildLimits } from "./build-limits.ts";

const query = (text: string): URLSearchParams => new URLSearchParams(text);

test("what docker sends for limits that nobody asked for counts as none", () => {
  const zeros =
    "memory=0&memswap=0&cpushares=0&cpuperiod=0&cpuquota=0&shmsize=0&cgroupparent=&cpusetcpus=&ulimits=null";
  expect(buildLimits(query(zeros))).toBeUndefined();
  expect(buildLimits(query(""))).toBeUndefined();
});

test("each parameter by its name, hosts repeated", () => {
  const given =
    "memory=64&memswap=-1&cpushares=2&cpuperiod=3&cpuquota=4&cpusetcpus=0&cpusetmems=1&shmsize=5&cgroupparent=/p&extrahosts=a:1.2.3.4&extrahosts=b:::1";
  expect(buildLimits(query(`${given}&ulimits=${encodeURIComponent('[{"Name":"nofile","Soft":1,"Hard":2}]')}`))).toEqual(
    {
      Memory: 64,
      MemorySwap: -1,
      CpuShares: 2,
      CpuPeriod: 3,
      CpuQuota: 4,
      CpusetCpus: "0",
      CpusetMems: "1",
      ShmSize: 5,
      CgroupParent: "/p",
      ExtraHosts: ["a:1.2.3.4", "b:::1"],
      Ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }],
    },
  );
});

test.each([
  ["ulimits=frob", "error reading ulimit settings: not JSON"],
  ["ulimits={}", "error reading ulimit settings: not a JSON list"],
  ['ulimits=[{"Name":"nofile"}]', "error reading ulimit settings: want"],
  ["memory=abc", 'invalid value "abc" for memory'],
])("%s is refused", (text, words) => expect(() => buildLimits(query(text))).toThrow(words));
