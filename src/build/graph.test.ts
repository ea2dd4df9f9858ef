import { describe, expect, test } from "bun:test";
import { parseDockerfile } from "./dockerfile/parse.ts";
import { buildGraph, type Graph, type GraphOptions, stageOf } from "./graph.ts";
import { countSteps } from "./solve.ts";

const graphOf = (source: string, options: Partial<GraphOptions> = {}): Graph =>
  buildGraph(parseDockerfile(source), { buildArgs: {}, ...options });

const THREE =
  "FROM a AS base\nRUN 1\nFROM b AS Other\nRUN 2\nFROM base AS app\nCOPY --from=other x y\nFROM c AS lone\n";

describe("stages", () => {
  test("needs, bases and order", () => {
    const graph = graphOf(THREE, { target: "app" });
    expect(graph.stages.map((s) => [s.name, s.image, s.base, s.needs])).toEqual([
      ["base", "a", undefined, []],
      ["other", "b", undefined, []],
      ["app", "base", 0, [0, 1]],
      ["lone", "c", undefined, []],
    ]);
    expect(graph.order).toEqual([0, 1, 2]);
    expect(countSteps(graph, {})).toBe(6);
    expect(countSteps(graph, { a: "b" })).toBe(7);
  });

  test("targets by name, in any case, by number, the last by default", () => {
    expect(graphOf(THREE).order).toEqual([3]);
    expect(graphOf(THREE, { target: "OTHER" }).order).toEqual([1]);
    expect(graphOf(THREE, { target: "1" }).target).toBe(1);
    expect(() => graphOf(THREE, { target: "9" })).toThrow('target stage "9" could not be found');
  });

  test("a later stage takes over a name; an earlier one cannot see it", () => {
    const { stages } = graphOf("FROM a AS x\nFROM b AS x\nFROM x\n");
    expect(stages[2]?.base).toBe(1);
    expect(stageOf(stages, 1, "x")).toBe(0);
    expect(stageOf(stages, 0, "x")).toBeUndefined();
    expect(stageOf(stages, 2, "busybox")).toBeUndefined();
    expect(() => stageOf(stages, 1, "1")).toThrow("invalid from flag value 1: index out of bounds");
  });

  test("it is frozen", () => {
    const graph = graphOf(THREE);
    expect(Object.isFrozen(graph) && Object.isFrozen(graph.stages[0])).toBe(true);
  });
});

describe("arguments of the head", () => {
  test("defaults, given values, one from another", () => {
    const source = "ARG v=1\nARG image=debian:$v\nFROM $image\nFROM --platform=$TARGETPLATFORM x\n";
    expect(graphOf(source).stages[0]?.image).toBe("debian:1");
    expect(graphOf(source, { buildArgs: { v: "2" } }).stages[0]?.image).toBe("debian:2");
    expect(graphOf(source, { buildArgs: { v: null } }).stages[0]?.image).toBe("debian:1");
    expect(graphOf(source, { platform: "linux/arm64/v8" }).stages[1]?.platform).toBe("linux/arm64/v8");
  });

  test("an argument without a value leaves no image", () => {
    expect(() => graphOf("ARG v\n\nFROM $v\n")).toThrow("base name ($v) should not be blank");
  });

  test("nothing but ARG may come before FROM", () => {
    expect(() => graphOf("ARG a\nENV b=c\nFROM x\n")).toThrow("no build stage in current context");
    expect(() => graphOf("ARG a\n")).toThrow("no build stage");
  });
});
