import { expect, test } from "bun:test";
import type { Context } from "../types.ts";
import { type PlatformParameter, platformIn } from "./image-platform.ts";

const PLATFORM: PlatformParameter = { name: "platform", since: 48, several: "only one" };
const AMD64 = '{"os":"linux","architecture":"amd64"}';

function ask(query: [string, string][], version = 51): { platform?: string } {
  return platformIn({ query: new URLSearchParams(query), version } as Context, PLATFORM);
}

test.each([
  [AMD64, { platform: "linux/amd64" }],
  ['{"os":"linux","architecture":"arm","variant":"v7"}', { platform: "linux/arm/v7" }],
  ["", {}],
])("%s is %p", (value, platform) => {
  expect(ask([["platform", value]])).toEqual(platform);
});

test("a version that does not know the parameter passes over it, whatever it is", () => {
  expect(ask([["platform", "bad"]], 47)).toEqual({});
  expect(ask([])).toEqual({});
});

test("several: refused in the parameter's own words, or the first", () => {
  const two = [AMD64, '{"os":"linux","architecture":"s390x"}'].map((value): [string, string] => ["platform", value]);
  expect(() => ask(two)).toThrow("only one");
  const { several: _, ...first } = PLATFORM;
  expect(platformIn({ query: new URLSearchParams(two), version: 51 } as Context, first)).toEqual({
    platform: "linux/amd64",
  });
});

test.each([
  ["x", "failed to parse platform: invalid character 'x' looking for beginning of value"],
  ["[]", "failed to parse platform: json: cannot unmarshal array into Go value of type v1.Platform"],
  ["1", "failed to parse platform: json: cannot unmarshal number into Go value of type v1.Platform"],
  ['{"os":"linux"}', "both OS and Architecture must be provided"],
  ["null", "both OS and Architecture must be provided"],
])("%s is refused in Docker's words", (wanted, words) => {
  expect(() => ask([["platform", wanted]])).toThrow(words);
});
