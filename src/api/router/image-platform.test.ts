import { expect, test } from "bun:test";
import type { ImageInspect } from "../../spec/engine-api.ts";
import { checkPlatform } from "./image-platform.ts";

const IMAGE = { Os: "linux", Architecture: "amd64" } as ImageInspect;

test.each([undefined, '{"os":"linux","architecture":"amd64"}'])("%s suits", (wanted) => {
  expect(() => checkPlatform(IMAGE, "busybox", wanted)).not.toThrow();
});

test.each([
  ["x", "failed to parse platform: invalid character 'x' looking for beginning of value"],
  ['{"os":"linux"}', "both OS and Architecture must be provided"],
  ["null", "both OS and Architecture must be provided"],
  [
    '{"os":"linux","architecture":"s390x"}',
    "image with reference busybox was found but its platform (linux/amd64) does not match the specified platform (linux/s390x)",
  ],
])("%s is refused in Docker's words", (wanted, words) => {
  expect(() => checkPlatform(IMAGE, "busybox", wanted)).toThrow(words);
});
