import { expect, test } from "bun:test";
import { portsText } from "./ports.ts";
import { alignTable } from "./table.ts";
import { ellipsis, goQuote, joinHostPort, shortId } from "./text.ts";
import { goTimeOf, unixOf } from "./time.ts";
import { timeArgument } from "./time-argument.ts";

test("tables have columns of at least ten, three spaces apart, and no blanks at the end of lines", () => {
  expect(
    alignTable([
      ["A", "B"],
      ["much longer cell", "x"],
    ]),
  ).toBe("A                  B\nmuch longer cell   x\n");
  expect(
    alignTable([
      ["A", "B", "C"],
      ["", "é", ""],
    ]),
  ).toBe("A         B         C\n          é         \n");
  expect(alignTable([])).toBe("");
});

test("quotes are Go's", () => {
  expect(goQuote('sh -c "echo \\ hi"\n')).toBe('"sh -c \\"echo \\\\ hi\\"\\n"');
  expect(goQuote("é\u0001\u200b")).toBe('"é\\x01\\u200b"');
});

test("long text is cut by code points", () => {
  expect(ellipsis("abcdef", 6)).toBe("abcdef");
  expect(ellipsis("abcdefg", 6)).toBe("abcde…");
  expect(ellipsis("😀😀😀", 2)).toBe("😀…");
});

test("ids lose their algorithm, addresses of IPv6 get brackets", () => {
  expect(shortId(`sha256:${"a".repeat(64)}`)).toBe("aaaaaaaaaaaa");
  expect(joinHostPort("::", 80)).toBe("[::]:80");
  expect(joinHostPort("0.0.0.0", 80)).toBe("0.0.0.0:80");
});

test("ports are joined to ranges where both sides agree, other mappings come last", () => {
  const udp = [9000, 9001, 9002].map((n) => ({ IP: "127.0.0.1", PrivatePort: n, PublicPort: n, Type: "udp" as const }));
  const web = ["0.0.0.0", "::"].map((IP) => ({ IP, PrivatePort: 80, PublicPort: 8080, Type: "tcp" as const }));
  expect(portsText([...web, ...udp])).toBe(
    "127.0.0.1:9000-9002->9000-9002/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
  );
  expect(portsText([5, 1, 2, 7].map((n) => ({ PrivatePort: n, Type: "tcp" as const })))).toBe("1-2/tcp, 5/tcp, 7/tcp");
  expect(portsText([])).toBe("");
});

test("times of the API keep their fraction, Go's zero time counts as none", () => {
  expect(goTimeOf("2026-11-25T22:51:12.82082604Z")).toMatch(/^2026-11-2\d \d\d:\d\d:12\.82082604 /);
  expect(unixOf("0001-01-01T00:00:00Z")).toBe(0);
  expect(unixOf("nonsense")).toBe(0);
});

const NOW = 1_700_000_000_000;
test.each([
  ["", undefined],
  ["1700000000", "1700000000"],
  ["1700000000.5", "1700000000.5"],
  ["10m", "1699999400.000000000"],
  ["1h30m", "1699994600.000000000"],
  ["2023-11-14T22:13:20Z", "1700000000.000000000"],
  ["2023-11-14T22:13:20.000000001Z", "1700000000.000000001"],
  ["2023-11-14T23:13+01:00", "1699999980.000000000"],
])("--since %p asks for %p", (text, seconds) => {
  expect(timeArgument(text, "since", NOW)).toBe(seconds);
});

test.each(["foo", "2023-13-45T00:00:00Z", "10q"])("--since %p is refused", (text) => {
  expect(() => timeArgument(text, "since", NOW)).toThrow('invalid value for "since"');
});
