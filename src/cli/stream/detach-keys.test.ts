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

test.each([
  ["a", [97]],
  ["Z", [90]],
  [" ", [32]],
  ["ctrl-a", [1]],
  ["ctrl-z", [26]],
  ["ctrl-@", [0]],
  ["ctrl-[", [27]],
  ["ctrl-\\", [28]],
  ["ctrl-]", [29]],
  ["ctrl-^", [30]],
  ["ctrl-_", [31]],
  ["d,e,t", [100, 101, 116]],
  ["ctrl-x,x,ctrl-x", [24, 120, 24]],
])("the keys %j are %j", (text, keys) => {
  expect(parseDetachKeys(text)).toEqual(keys);
});

test.each([
  ["ctrl-", "ctrl-"],
  ["ctrl-1", "ctrl-1"],
  ["ctrl-Q", "ctrl-Q"],
  ["ctrl-ab", "ctrl-ab"],
  ["Ctrl-a", "Ctrl-a"],
  ["ab", "ab"],
  ["a,", ""],
  [",", ""],
  ["a,,b", ""],
  ["ctrl-a, ctrl-b", " ctrl-b"],
  ["DEL", "DEL"],
])("the keys %j are refused, naming %j", (text, bad) => {
  expect(() => parseDetachKeys(text)).toThrow(`Unknown character: '${bad}'`);
});

test("however typing is cut, the same is sent, and the sequence is found", () => {
  const keys = [97, 98, 99];
  const typed = Buffer.from("xabxababab\x00\xffaabbcab");
  for (let at = 0; at <= typed.length; at++) {
    const filter = new DetachFilter(keys);
    const parts = [filter.push(typed.subarray(0, at)), filter.push(typed.subarray(at))];
    // The start of a sequence at the end is held back.
    expect(Buffer.concat(parts.map((p) => p.send)).toString("latin1")).toBe(typed.subarray(0, -2).toString("latin1"));
    expect(parts.some((p) => p.detach)).toBe(false);
    expect(filter.push(Buffer.from("c!"))).toEqual({ send: new Uint8Array(0), detach: true });
  }
});

test("a single key detaches, and a filter may be used again behind that", () => {
  const filter = new DetachFilter([4]);
  expect(push(filter, "ab\x04c")).toEqual({ send: "ab", detach: true });
  expect(push(filter, "c\x04")).toEqual({ send: "c", detach: true });
  expect(push(filter, "")).toEqual({ send: "", detach: false });
});
