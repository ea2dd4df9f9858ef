import { describe, expect, test } from "bun:test";
import type { HostConfig } from "../../spec/engine-api.ts";
import { caller, withCaller } from "./caller.ts";

const ROOT = { uid: 0, gid: 0 };
const ALICE = { uid: 1000, gid: 100 };

test.each([
  [{}, ROOT, ROOT],
  [{}, ALICE, ALICE],
  [{ SUDO_UID: "1000", SUDO_GID: "100" }, ROOT, ALICE],
  // Only root comes from sudo.
  [{ SUDO_UID: "0", SUDO_GID: "0" }, ALICE, ALICE],
  [{ SUDO_UID: "1000" }, ROOT, ROOT],
  [{ SUDO_UID: "me", SUDO_GID: "100" }, ROOT, ROOT],
])("who calls with %p as %p", (env, self, who) => expect(caller(env, self)).toEqual(who));

describe("map=me", () => {
  const named = (host: HostConfig): HostConfig => withCaller(host, ALICE);

  test.each([
    ["/a:/b:map=me", "/a:/b:map=1000.100"],
    ["/a:/b:ro,map=me,z", "/a:/b:ro,map=1000.100,z"],
    ["/a:/b:map=me@33", "/a:/b:map=1000.100@33"],
    ["/a:/b:map=7", "/a:/b:map=7"],
    ["/a:/b:map=mes", "/a:/b:map=mes"],
    ["/map=me:/b", "/map=me:/b"],
    ["v:/map=me:ro", "v:/map=me:ro"],
  ])("in the bind %p", (bind, wanted) => expect(named({ Binds: [bind] })).toEqual({ Binds: [wanted] }));

  test("in mounts", () => {
    const mounts = (map: string): HostConfig => ({
      Mounts: [
        { Type: "bind", Source: "/a", Target: "/b", BindOptions: { Propagation: "rslave", Map: map } },
        { Type: "volume", Source: "v", Target: "/v", VolumeOptions: { Map: map } },
        { Type: "tmpfs", Target: "/t" },
      ],
    });
    expect(named(mounts("me"))).toEqual(mounts("1000:100"));
    expect(named(mounts("me@5:6"))).toEqual(mounts("1000:100@5:6"));
    expect(named(mounts("8:9"))).toEqual(mounts("8:9"));
    expect(named({})).toEqual({});
  });
});
