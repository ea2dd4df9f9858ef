import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Image } from "../image/types.ts";
import { Lab } from "./lab.test.ts";

// What a build takes from images (`--cache-from`), and what it makes one layer of (`--squash`).

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.open();
});
afterAll(() => lab[Symbol.asyncDispose]());

const CONTEXT = {
  Dockerfile: 'FROM base\nENV A=1\nWORKDIR /src\nCOPY a .\nRUN cat a >out\nRUN echo 2 >>out\nCMD ["x"]\n',
  a: "1",
};

/** Forgets the cache's entries, as on a machine that has the image from elsewhere. */
function forget(): void {
  const { records } = lab.deps;
  const table = records.table<object>("buildcache");
  records.transaction(() => {
    for (const [key] of table.entries()) table.delete(key);
  });
}

const digests = (image: Image): string[] => lab.deps.layers.chain(image.top ?? "sha256:").map((l) => l.diffId);

describe("cache from an image", () => {
  test("the same Dockerfile gives the image itself and runs nothing", async () => {
    const { image } = await lab.build(CONTEXT, { tags: ["app"] });
    forget();
    const runs = lab.runs.length;
    const again = await lab.build(CONTEXT, { cacheFrom: ["nowhere:1", "app"] });
    expect(again.image.id).toBe(image.id);
    expect(again.text.match(/Using cache/g)).toHaveLength(6);
    expect(lab.runs).toHaveLength(runs);
    // From now on they are entries of the cache.
    expect((await lab.build(CONTEXT)).text.match(/Using cache/g)).toHaveLength(6);
  });

  test("what comes before a changed file is taken, what comes after is made", async () => {
    await lab.build(CONTEXT, { tags: ["app"] });
    forget();
    const runs = lab.runs.length;
    const { text, image } = await lab.build({ ...CONTEXT, a: "changed" }, { cacheFrom: ["app"] });
    expect(text.match(/Using cache/g)).toHaveLength(2);
    expect(lab.runs).toHaveLength(runs + 2);
    expect(lab.text(image, "/src/out")).toBe("changed2\n");
  });

  test("another command, other arguments, another base: nothing is taken", async () => {
    await lab.build({ Dockerfile: "FROM base\nARG V\nRUN echo $V >/v\n" }, { tags: ["args"], buildArgs: { V: "1" } });
    await lab.build({ Dockerfile: "FROM base\nRUN echo other >/base\n" }, { tags: ["otherbase"] });
    for (const [Dockerfile, V] of [
      ["FROM base\nARG V\nRUN echo $V >/v\n", "2"],
      ["FROM base\nARG V\nRUN echo x$V >/v\n", "1"],
      ["FROM otherbase\nARG V\nRUN echo $V >/v\n", "1"],
    ] as const) {
      forget();
      const runs = lab.runs.length;
      await lab.build({ Dockerfile }, { cacheFrom: ["args"], buildArgs: { V } });
      expect(lab.runs).toHaveLength(runs + 1);
    }
  });

  test("without the cache it is none either", async () => {
    await lab.build(CONTEXT, { tags: ["app"] });
    const runs = lab.runs.length;
    await lab.build(CONTEXT, { cacheFrom: ["app"], noCache: true });
    expect(lab.runs).toHaveLength(runs + 2);
  });
});

describe("squash", () => {
  const Dockerfile = "FROM base\nRUN echo 1 >/a && echo 1 >/b\nRUN rm /a && echo 2 >/b && rm /etc/passwd\nENV A=1\n";

  test("the layers above the base are one, what was removed is gone, the steps stay in the history", async () => {
    const plain = await lab.build({ Dockerfile });
    const { image, text } = await lab.build({ Dockerfile }, { squash: true, tags: ["flat"] });
    const base = lab.deps.images.resolve("base");
    expect(digests(image).slice(1)).toEqual(digests(base));
    expect(image.tags).toEqual(["flat:latest"]);
    expect(["/a", "/b", "/etc/passwd"].map((path) => lab.text(image, path))).toEqual([undefined, "2\n", undefined]);
    expect(image.config.config).toEqual(plain.image.config.config);
    const { history = [] } = image.config;
    const { history: steps = [] } = plain.image.config;
    expect(history.slice(0, -1).map((h) => h.created_by)).toEqual(steps.map((h) => h.created_by));
    expect(history.slice(-4)).toMatchObject([
      { empty_layer: true },
      { empty_layer: true },
      { empty_layer: true },
      { comment: expect.stringMatching(new RegExp(`^merge sha256:[0-9a-f]{64} to ${base.id}$`)) },
    ]);
    expect(text).toContain("Successfully tagged flat:latest");
    // The same again is the same, and what its steps made is still in the cache.
    expect((await lab.build({ Dockerfile }, { squash: true })).image.id).toBe(image.id);
  });

  test("from scratch, and with nothing to squash", async () => {
    const scratch = await lab.build({ Dockerfile: "FROM scratch\nCOPY a /\nCOPY a /b\n", a: "1" }, { squash: true });
    expect(digests(scratch.image)).toHaveLength(1);
    expect(lab.text(scratch.image, "/b")).toBe("1");
    const only = await lab.build({ Dockerfile: "FROM base\nENV A=2\n" }, { squash: true });
    expect(digests(only.image)).toEqual(digests(lab.deps.images.resolve("base")));
  });
});
