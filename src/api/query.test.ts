import { expect, test } from "bun:test";
import { bool, filters, integer, moment, stringMap } from "./query.ts";

const q = (text: string): URLSearchParams => new URLSearchParams(text);

test("booleans as Docker reads them: only these words are false", () => {
  for (const word of ["", "0", "no", "false", "none", "False", " NO "]) {
    expect(bool(new URLSearchParams({ a: word }), "a", true)).toBe(false);
  }
  for (const word of ["1", "true", "yes", "x"]) expect(bool(q(`a=${word}`), "a")).toBe(true);
  expect(bool(q(""), "a")).toBe(false);
  expect(bool(q(""), "a", true)).toBe(true);
});

test("whole numbers: absent and empty are nothing, others name the parameter", () => {
  expect(integer(q("t=-1"), "t")).toBe(-1);
  expect(integer(q("t="), "t")).toBeUndefined();
  expect(integer(q(""), "t")).toBeUndefined();
  for (const bad of ["a", "1.5", "0x10", "1e3", "99999999999999999"]) {
    expect(() => integer(q(`t=${bad}`), "t")).toThrow(`invalid value "${bad}" for t`);
  }
});

test("filters in both of their forms", () => {
  const of = (value: unknown) => filters(new URLSearchParams({ filters: JSON.stringify(value) }));
  expect(of({ label: ["a", "b=c"] })).toEqual({ label: ["a", "b=c"] });
  expect(of({ label: { a: true, b: false } })).toEqual({ label: ["a"] });
  expect(of({})).toEqual({});
  expect(filters(q(""))).toEqual({});
  expect(filters(q("filters="))).toEqual({});
});

test("a filter that is none is one clear line", () => {
  expect(() => filters(q("filters=x"))).toThrow("invalid filter");
  expect(() => filters(q("filters=[1]"))).toThrow("invalid filter: not a JSON object");
  expect(() => filters(q('filters={"a":1}'))).toThrow('invalid filter: "a" must be a list of strings');
  expect(() => filters(q('filters={"a":[1]}'))).toThrow('invalid filter: "a" must be a list of strings');
});

test("build arguments keep their nulls and refuse what is no text", () => {
  expect(stringMap(q('buildargs={"A":"1","B":null}'), "buildargs")).toEqual({ A: "1", B: null });
  expect(() => stringMap(q('buildargs={"A":1}'), "buildargs")).toThrow('invalid buildargs: "A" must be a string');
  expect(() => stringMap(q("buildargs=x"), "buildargs")).toThrow("invalid buildargs: not JSON");
});

test("moments: unix seconds with fraction, RFC 3339, Go durations back from now", () => {
  const at = (value: string) => moment(new URLSearchParams({ since: value }), "since");
  expect(at("1700000000")).toBe(1_700_000_000_000);
  expect(at("1700000000.250000000")).toBe(1_700_000_000_250);
  expect(at("2023-11-14T22:13:20Z")).toBe(1_700_000_000_000);
  expect(at("2023-11-14T23:13:20.5+01:00")).toBe(1_700_000_000_500);
  expect(at("2023-11-14T22:13:20")).toBe(1_700_000_000_000);
  expect(at("2023-11-14")).toBe(Date.parse("2023-11-14T00:00:00Z"));
  const before = Date.now();
  const tenMinutesAgo = at("10m") ?? 0;
  expect(tenMinutesAgo).toBeGreaterThanOrEqual(before - 600_000);
  expect(tenMinutesAgo).toBeLessThanOrEqual(Date.now() - 600_000);
  expect((at("1h30m") ?? 0) - tenMinutesAgo).toBeLessThan(-4_700_000);
  for (const nothing of ["", "0"]) expect(at(nothing)).toBeUndefined();
});

test("a moment that is none names the forms that are", () => {
  for (const bad of ["zz", "yesterday", "2023-13-45", "1.2.3", "10 minutes"]) {
    expect(() => moment(new URLSearchParams({ since: bad }), "since")).toThrow(`invalid value "${bad}" for since`);
  }
});
