import { expect, test } from "bun:test";
import { DetachFilter, parseDetachKeys } from "./detach-keys.ts";

test("keys are named as Docker names them", () => {
  expect(parseDetachKeys("ctrl-p,ctrl-q")).toEqual([16, 17]);
  expect(parseDetachKeys("a,ctrl-@,ctrl-[,ctrl-_")).toEqual([97, 0, 27, 31]);
  for (const bad of ["ctrl-", "zz", "ctrl-P", ""]) expect(() => parseDetachKeys(bad)).toThrow("Unknown character");
});

const push = (filter: DetachFilter, text: string) => {
  const { send, detach } = filter.push(Buffer.from(text));
  return { send: Buffer.from(send).toString(), detach };
};

test("the sequence detaches, in one piece or key by key, and what stood before it is sent", () => {
  expect(push(new DetachFilter([16, 17]), "ab\x10\x11cd")).toEqual({ send: "ab", detach: true });
  const filter = new DetachFilter([16, 17]);
  expect(push(filter, "\x10")).toEqual({ send: "", detach: false });
  expect(push(filter, "\x11")).toEqual({ send: "", detach: true });
});

test("the start of a sequence that does not go on is sent after all", () => {
  const filter = new DetachFilter([16, 17]);
  expect(push(filter, "\x10")).toEqual({ send: "", detach: false });
  expect(push(filter, "x")).toEqual({ send: "\x10x", detach: false });
  expect(push(filter, "\x10\x10\x11")).toEqual({ send: "\x10", detach: true });
});
