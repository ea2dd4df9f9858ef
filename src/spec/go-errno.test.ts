import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { goErrno } from "./go-errno.ts";

test.each<[() => unknown, string]>([
  [() => mkdirSync("/proc"), "file exists"],
  [() => mkdirSync("/proc/version/x"), "not a directory"],
  [() => mkdirSync(`/${"x".repeat(300)}`), "file name too long"],
  [() => readFileSync("/proc"), "is a directory"],
  [() => readdirSync("/no/such"), "no such file or directory"],
])("%p", (action, words) => {
  let said = "";
  try {
    action();
  } catch (error) {
    said = goErrno(error);
  }
  expect(said).toBe(words);
});

test("what is no error of the system tells itself", () => {
  expect(goErrno(new Error("own words"))).toBe("own words");
  expect(goErrno(Object.assign(new Error("x"), { code: "ELOOP" }))).toBe("too many levels of symbolic links");
});
