import { expect, test } from "bun:test";
import { withinBounds } from "./bomb.ts";

async function passed(size: number, packed: number): Promise<number> {
  let sum = 0;
  async function* plain(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < size; at += 100) yield Buffer.alloc(Math.min(100, size - at));
  }
  for await (const chunk of withinBounds(plain(), packed, { free: 5000, ratio: 10 })) sum += chunk.byteLength;
  return sum;
}

test.each([
  ["up to the free size, whatever the ratio", 5000, 1],
  ["up to the ratio, whatever the size", 50_000, 5000],
])("a layer passes %s", async (_, size, packed) => expect(await passed(size, packed)).toBe(size));

test("one that goes beyond both is an error that tells both sizes", async () => {
  await expect(passed(100_000, 600)).rejects.toThrow("unpacks to more than 6100 bytes, over 10 times its 600");
});
