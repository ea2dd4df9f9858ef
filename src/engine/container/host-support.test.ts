import { describe, expect, test } from "bun:test";
import { withoutUnsupported } from "./host-support.ts";

describe("what cgroup v2 cannot do", () => {
  test("is left out with a warning each", () => {
    const asked = { Memory: 1 << 26, MemorySwappiness: 10, OomKillDisable: true };
    const { hostConfig, warnings } = withoutUnsupported(asked, "v2");
    expect(hostConfig).toEqual({ Memory: 1 << 26 });
    expect(warnings.map((w) => w.split(" ").slice(-2).join(" "))).toEqual([
      "OomKillDisable discarded.",
      "swappiness discarded.",
    ]);
    expect(withoutUnsupported(asked, "v1")).toEqual({ hostConfig: asked, warnings: [] });
  });

  test("is silent where nothing of it was asked for", () => {
    expect(withoutUnsupported({ MemorySwappiness: -1, OomKillDisable: false }, "v2").warnings).toEqual([]);
    expect(withoutUnsupported({}, "v2").warnings).toEqual([]);
  });

  test("realtime bandwidth is refused", () => {
    expect(() => withoutUnsupported({ CpuRealtimeRuntime: 1000 }, "v2")).toThrow("real-time");
  });
});
