import { describe, expect, test } from "bun:test";
import { Lab } from "./lab.test.ts";

describe("in a build", () => {
  const files = { "keep.txt": "1", "drop.log": "2", "dir/a": "3", "dir/b": "4", "gone/x/y": "5" };
  const names = async (ignore: Record<string, string>, dockerfile = "Dockerfile"): Promise<string[]> => {
    await using lab = await Lab.open();
    const { image } = await lab.build(
      { [dockerfile]: "FROM scratch\nCOPY . /\n", ...ignore, ...files },
      { dockerfile },
    );
    const view = lab.view(image);
    return ["/", "/dir", "/gone"].flatMap((d) => view.readdir(d).map((n) => `${d}/${n}`.replace("//", "/")));
  };

  test("what it names is not there, exceptions are", async () => {
    expect(await names({ ".dockerignore": "*.log\ndir\n!dir/b\ngone\n.dockerignore\nDockerfile\n" })).toEqual([
      "/dir",
      "/keep.txt",
      "/dir/b",
    ]);
  });

  test("a Dockerfile with an ignore file of its own", async () => {
    const ignores = { ".dockerignore": "keep.txt", "x.Dockerfile.dockerignore": "**\n!keep.txt\n" };
    expect(await names(ignores, "x.Dockerfile")).toEqual(["/keep.txt"]);
  });
});
