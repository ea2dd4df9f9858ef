import { expect, test } from "bun:test";
import { Channel } from "./channel.ts";

test("messages come in order, those after a wait too, and the end comes last", async () => {
  const channel = new Channel<number>(10);
  channel.push(1);
  const read: number[] = [];
  const reading = (async () => {
    for await (const n of channel) read.push(n);
  })();
  await Promise.resolve();
  channel.push(2);
  channel.push(3);
  channel.close();
  await reading;
  expect(read).toEqual([1, 2, 3]);
});

test("what is offered waits up to the limit; reading makes room; pushed messages always fit", async () => {
  const channel = new Channel<string>(10);
  expect(channel.offer("a", 6)).toBe(true);
  expect(channel.offer("b", 6)).toBe(false);
  channel.push("c");
  const reader = channel[Symbol.asyncIterator]();
  expect((await reader.next()).value).toBe("a");
  expect(channel.offer("d", 10)).toBe(true);
  channel.close();
  expect([(await reader.next()).value, (await reader.next()).value, (await reader.next()).done]).toEqual([
    "c",
    "d",
    true,
  ]);
});
