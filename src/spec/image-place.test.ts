import { expect, test } from "bun:test";
import { formatImagePlace, parseImagePlace } from "./image-place.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

test.each([
  ["app", "app:latest"],
  ["docker://app:1", "app:1"],
  ["host:5000/a/b:1", "host:5000/a/b:1"],
  [`a/b@${DIGEST}`, `a/b@${DIGEST}`],
  ["-", "oci-archive:-"],
  ["oci:/srv/lay", "oci:/srv/lay"],
  ["oci:rel/lay:v1", "oci:rel/lay:v1"],
  ["oci-archive:/x/a.tar:host:5000/app:v1", "oci-archive:/x/a.tar:host:5000/app:v1"],
  ["docker-archive:-", "docker-archive:-"],
  ["docker-archive:-:app:1", "docker-archive:-:app:1"],
  [`oci:lay@${DIGEST}`, `oci:lay@${DIGEST}`],
])("%s", (text, shown) => expect(formatImagePlace(parseImagePlace(text))).toBe(shown));

test("the path ends at the first colon; a digest is behind an @", () => {
  expect(parseImagePlace("oci-archive:a.tar:x:y")).toEqual({ kind: "oci-archive", path: "a.tar", name: "x:y" });
  expect(parseImagePlace(`oci-archive:a.tar@${DIGEST}`)).toEqual({
    kind: "oci-archive",
    path: "a.tar",
    digest: DIGEST,
  } as never);
  expect(parseImagePlace("oci:we@ird")).toEqual({ kind: "oci", path: "we@ird" });
  expect(parseImagePlace("docker.io/library/oci:1").kind).toBe("registry");
});

test.each([
  ["", "invalid reference format"],
  ["oci:", "it has no path"],
  ["oci::x", "it has no path"],
  ["oci:x:", "it has no name behind the colon"],
  ["oci:-", "a folder cannot be a stream"],
  ["/etc/passwd", "invalid reference format"],
  ["https://host/app", 'there is no transport "https"'],
  ["dir:x", 'there is no transport "dir"'],
  ["x".repeat(10_000), "names no image"],
])("%s is refused, in one short line that says what would do", (text, words) => {
  let message = "";
  try {
    parseImagePlace(text);
  } catch (error) {
    message = String(error);
  }
  expect(message).toContain(words);
  expect(message).toContain("oci-archive:FILE[:NAME]");
  expect(message.length).toBeLessThan(600);
});
