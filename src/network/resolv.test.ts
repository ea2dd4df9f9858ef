import { expect, test } from "bun:test";
import { containerResolvConf, type ResolvOverrides } from "./resolv.ts";

const NONE: ResolvOverrides = { dns: [], search: [], options: [] };
const HOST = `# a comment
nameserver 127.0.0.1
nameserver 192.0.2.53
nameserver fd00::53
search old.example
search a.example b.example
options ndots:2 timeout:1
`;

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

function isolated(host: string, overrides: Partial<ResolvOverrides> = {}): string[] {
  return lines(containerResolvConf(host, { isolated: true, overrides: { ...NONE, ...overrides } }));
}

test("servers that a container cannot reach are left out; the last search line counts", () => {
  expect(isolated(HOST)).toEqual(["nameserver 192.0.2.53", "search a.example b.example", "options ndots:2 timeout:1"]);
});

test("where no server is left, Docker's public ones stand in", () => {
  expect(isolated("nameserver 127.0.0.53\n")).toEqual(["nameserver 8.8.8.8", "nameserver 8.8.4.4"]);
  expect(isolated("")).toEqual(["nameserver 8.8.8.8", "nameserver 8.8.4.4"]);
});

test("overrides replace, each its own kind; a dot as search domain means none", () => {
  expect(isolated(HOST, { dns: ["127.0.0.1", "1.1.1.1"] })).toEqual([
    "nameserver 127.0.0.1",
    "nameserver 1.1.1.1",
    "search a.example b.example",
    "options ndots:2 timeout:1",
  ]);
  expect(isolated(HOST, { search: ["."], options: ["ndots:9"] })).toEqual(["nameserver 192.0.2.53", "options ndots:9"]);
  expect(isolated("domain corp.example\nnameserver 192.0.2.1")).toEqual([
    "nameserver 192.0.2.1",
    "search corp.example",
  ]);
});

test("host mode has the host's very text, unless something is overridden", () => {
  expect(containerResolvConf(HOST, { isolated: false, overrides: NONE })).toBe(HOST);
  const changed = containerResolvConf(HOST, { isolated: false, overrides: { ...NONE, search: ["x.example"] } });
  expect(lines(changed)).toContain("nameserver 127.0.0.1");
  expect(lines(changed)).toContain("search x.example");
});
