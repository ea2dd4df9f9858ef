import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { messageOf } from "../spec/errors.ts";
import { build } from "./build.ts";
import { bytesOf, DEFAULTS, type FileSpec, Lab, tarOf } from "./lab.test.ts";
import type { BuildOptions } from "./types.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.open();
});
afterAll(() => lab[Symbol.asyncDispose]());

const failure = (files: Record<string, FileSpec>, options: Partial<BuildOptions> = {}): Promise<string> =>
  lab.build(files, options).then(() => "no failure", messageOf);
const FROM = "FROM base\nLABEL which=";

describe("the Dockerfile", () => {
  test.each([
    [{ Dockerfile: `${FROM}1`, dockerfile: `${FROM}2` }, "Dockerfile", "1"],
    [{ dockerfile: `${FROM}2` }, "Dockerfile", "2"],
    [{ "docker/prod": `${FROM}3` }, "docker/prod", "3"],
    [{ "docker/prod": `${FROM}3` }, "./docker/../docker/prod", "3"],
    [{ real: `${FROM}4`, Dockerfile: { type: "symlink" as const, link: "real" } }, "Dockerfile", "4"],
  ])("is found: %#", async (files, dockerfile, which) => {
    const { image } = await lab.build(files as Record<string, FileSpec>, { dockerfile });
    expect(image.config.config?.Labels?.["which"]).toBe(which);
  });

  test("is not found, or not inside", async () => {
    expect(await failure({ x: "" })).toContain("Cannot locate specified Dockerfile: Dockerfile");
    expect(await failure({ x: "" }, { dockerfile: "../x" })).toContain(
      "forbidden path outside the build context: ../x",
    );
    const out = { Dockerfile: { type: "symlink" as const, link: "../../../../../../../../etc/hostname" } };
    expect(await failure(out)).toContain("Cannot locate specified Dockerfile");
    expect(await failure({ "Dockerfile/": {} })).toContain("Cannot locate specified Dockerfile");
  });
});

describe("the archive", () => {
  const run = async (bytes: Buffer): Promise<string> => {
    const source = (async function* () {
      yield bytes;
    })();
    try {
      for await (const message of build(source, DEFAULTS, lab.deps)) if (message.aux) return message.aux.ID;
    } catch (error) {
      return messageOf(error);
    }
    return "";
  };

  test("may be compressed", async () => {
    const tar = await bytesOf(tarOf({ Dockerfile: `${FROM}z` }));
    expect(await run(gzipSync(tar))).toStartWith("sha256:");
  });

  test.each(["garbage", "truncated", "truncated gzip"])(
    "is refused when it is %s, and nothing is left",
    async (kind) => {
      const tar = await bytesOf(tarOf({ Dockerfile: `${FROM}t`, f: "x".repeat(5000) }));
      const zip = gzipSync(tar);
      const bad: Record<string, Buffer> = {
        garbage: Buffer.alloc(2048, "garbage"),
        truncated: tar.subarray(0, 2500),
        "truncated gzip": zip.subarray(0, zip.length - 20),
      };
      const message = await run(bad[kind] ?? Buffer.alloc(0));
      expect(message).not.toStartWith("sha256:");
      expect(message).not.toContain("\n");
      expect(readdirSync(join(lab.root, "build"))).toEqual([]);
    },
  );
});
