import { expect, test } from "bun:test";
import { Departed } from "./departed.ts";

test("an end is known for a minute, and of the last thousand only", () => {
  let now = 0;
  const departed = new Departed(() => now);
  departed.add("first", { code: 3 });
  expect(departed.get("first")).toEqual({ code: 3 });
  expect(departed.get("other")).toBeUndefined();
  now = 59_000;
  for (let i = 0; i < 999; i++) departed.add(`c${i}`, { code: i });
  expect(departed.get("first")).toEqual({ code: 3 });
  now = 61_000;
  expect(departed.get("first")).toBeUndefined();
  departed.add("c999", { code: 0 });
  departed.add("c1000", { code: 0 });
  expect(departed.get("c0")).toBeUndefined();
  expect(departed.get("c1")).toEqual({ code: 1 });
});
