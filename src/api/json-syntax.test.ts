import { expect, test } from "bun:test";
import { scanJson } from "./json-syntax.ts";

// As Docker 28.5 answers them.
test.each([
  ["", "unexpected EOF"],
  ["x", "invalid character 'x' looking for beginning of value"],
  ['{"Image":tru}', "invalid character '}' in literal true (expecting 'e')"],
  ['{"Image":"a\nb"}', "invalid character '\\n' in string"],
  ['{"Image" "x"}', "invalid character '\"' after object key"],
  ['{"Image":"x",}', "invalid character '}' looking for beginning of object key string"],
  ["{,}", "invalid character ',' looking for beginning of object key string"],
  ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
  ["[1 2]", "invalid character '2' after array element"],
  ['{"a":01}', "invalid character '1' after object key:value pair"],
  ['{"a":-}', "invalid character '}' in numeric literal"],
  ['{"a":1.}', "invalid character '}' in numeric literal"],
  ['{"a":1e}', "invalid character '}' in numeric literal"],
  ['{"a":"\\x"}', "invalid escape sequence `\\x` in string"],
  ['{"a":"\\u12"}', 'invalid escape sequence `\\u12"}` in string'],
  ["nul", "unexpected EOF"],
  ['"abc', "unexpected EOF"],
  ['{"a":tx}', "invalid character 'x' in literal true (expecting 'r')"],
  ["{1:2}", "invalid character '1' looking for beginning of object key string"],
  ['{"a":[1,]}', "invalid character ']' looking for beginning of value"],
  ["{'a':1}", "invalid character '\\'' looking for beginning of object key string"],
  ["\ufeff{}", "invalid character '\\ufeff' looking for beginning of value"],
  ["[", "unexpected EOF"],
  ['{"a"', "unexpected EOF"],
  ['{"a":', "unexpected EOF"],
  ['{"a":1,', "unexpected EOF"],
  ["[".repeat(10_002), "exceeded max depth"],
])("%j: %s", (text, error) => {
  expect(scanJson(text)).toEqual({ error });
});

test.each([
  ["{}", 2],
  ["{} x", 2],
  [' {"a":[1,-2.5e+3,true,false,null,"\\u00e9\\n",{}]} {}', 48],
  ["null", 4],
  ['"é\u007f"', 4],
  ["1}", 1],
])("%j ends at %d", (text, end) => {
  expect(scanJson(text)).toEqual({ end });
});

test("it agrees with the platform's parser on what is a document", () => {
  const parts = ["{", "}", "[", "]", '"a"', ":", ",", "1", "-", "0", ".5", "e", "true", "nul", "null", " ", "\\", '"'];
  // The same texts each time (a linear congruential generator).
  let state = 1;
  const next = (n: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state % n;
  };
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: 1 + next(7) }, () => parts[next(parts.length)]).join("");
    const scan = scanJson(text);
    const whole = "end" in scan && text.slice(scan.end).trim() === "";
    expect([text, whole]).toEqual([text, isJson(text)]);
  }
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
