import { expect, test } from "bun:test";
import { outerKeys } from "./json-keys.ts";

const keys = (text: string): string[] => {
  JSON.parse(text);
  return outerKeys(Buffer.from(text), 10);
};

test("keys of the outermost object only, as often as they are there", () => {
  expect(keys('{"a":1,"b":{"c":2,"a":[{"d":3}]},"a":null}')).toEqual(["a", "b", "a"]);
  expect(keys(' {\n "a" : [ "x" , "y:z" ] , "b": "c" }\n')).toEqual(["a", "b"]);
  expect(keys("{}")).toEqual([]);
});

test("quotes, escapes and brackets in texts are texts", () => {
  expect(keys('{"a\\"b":"{\\"x\\":[}","c\\\\":"\\\\","\\u0061":"é{","é":":"}')).toEqual(['a"b', "c\\", "a", "é"]);
});

test("values that are no objects have none", () => {
  for (const text of ["[1,2]", '"a:b"', "null", "1", '[{"a":1}]']) expect(keys(text)).toEqual([]);
});

test("depth is bounded, counted over all brackets", () => {
  const deep = (n: number): Buffer => Buffer.from(`{"a":${"[".repeat(n - 1)}${"]".repeat(n - 1)}}`);
  expect(outerKeys(deep(10), 10)).toEqual(["a"]);
  expect(() => outerKeys(deep(11), 10)).toThrow(RangeError);
  expect(() => outerKeys(Buffer.alloc(4_000_000, "["), 10)).toThrow(RangeError);
  expect(outerKeys(Buffer.from(`{"a":"${"[".repeat(100)}"}`), 10)).toEqual(["a"]);
});

test("what is no sound JSON does no harm", () => {
  for (const text of ["", "{", '{"', '{"a', '{"a\\', "}}}}", '{"a":1', ":::", '{,"a":1}'])
    outerKeys(Buffer.from(text), 10);
});
