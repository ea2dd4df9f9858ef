import { expect, test } from "bun:test";
import { containerDetails, diskUsage, eventLine, imageDetails, imageRow, splitVersion } from "./versions.ts";

const ROW = {
  Id: "i",
  ParentId: "",
  RepoTags: [],
  RepoDigests: [],
  Created: 1,
  Size: 7,
  SharedSize: -1,
  Labels: {},
  Containers: -1,
};

test("the version prefix is split off; without one it is the newest", () => {
  expect(splitVersion("/v1.24/containers/json")).toEqual({ version: 24, path: "/containers/json" });
  expect(splitVersion("/v1.51/_ping")).toEqual({ version: 51, path: "/_ping" });
  expect(splitVersion("/info")).toEqual({ version: 51, path: "/info" });
  expect(splitVersion("/volumes/v1.30")).toEqual({ version: 51, path: "/volumes/v1.30" });
  expect(splitVersion("/vabc/info")).toEqual({ version: 51, path: "/vabc/info" });
});

test("too old and too new, in Docker's words", () => {
  expect(() => splitVersion("/v1.23/info")).toThrow(
    "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
  );
  expect(() => splitVersion("/v0.9/info")).toThrow("client version 0.9 is too old");
  expect(() => splitVersion("/v1.99/info")).toThrow(
    "client version 1.99 is too new. Maximum supported API version is 1.51",
  );
  expect(() => splitVersion("/v2/info")).toThrow("client version 2 is too new");
});

test("old versions have the members that they had", () => {
  expect(imageRow(ROW, 43)).toMatchObject({ VirtualSize: 7 });
  expect(imageRow(ROW, 44)).not.toHaveProperty("VirtualSize");
  expect(imageRow(ROW, 42)).toMatchObject({ RepoTags: ["<none>:<none>"], RepoDigests: ["<none>@<none>"] });
  expect(imageRow({ ...ROW, RepoTags: ["a:b"] }, 42)).toMatchObject({ RepoTags: ["a:b"] });
  expect(imageDetails({ Size: 7, Config: { Cmd: ["a"] } }, 43)).toMatchObject({ VirtualSize: 7 });
  expect(imageDetails({ Config: { Cmd: ["a"] } }, 49)).toMatchObject({
    Config: { Cmd: ["a"], Hostname: "", Tty: false },
  });
  expect(imageDetails({ Config: { Cmd: ["a"] } }, 51)).toEqual({ Config: { Cmd: ["a"] } });
});

test("the descriptor of an image came with 1.48", () => {
  const Descriptor = { digest: "sha256:1" };
  expect([47, 48].map((version) => "Descriptor" in imageRow({ ...ROW, Descriptor }, version))).toEqual([false, true]);
  expect([47, 48].map((version) => "Descriptor" in imageDetails({ Descriptor }, version))).toEqual([false, true]);
  const [row] = (diskUsage({ Images: [{ ...ROW, Descriptor }] }, 47) as { Images: object[] }).Images;
  expect(row).not.toHaveProperty("Descriptor");
  expect(imageDetails({ Id: "i" }, 51)).toEqual({ Id: "i" });
});

test("events of containers and images carry status, id and from beside Action and Actor", () => {
  const actor = { ID: "c1", Attributes: { image: "busybox" } };
  expect(eventLine({ Type: "container", Action: "die", Actor: actor })).toMatchObject({
    status: "die",
    id: "c1",
    from: "busybox",
  });
  expect(eventLine({ Type: "network", Action: "connect", Actor: actor })).toEqual({
    Type: "network",
    Action: "connect",
    Actor: actor,
  });
});

test("before 1.45 aliases on networks of one's own hold the short id and the host name", () => {
  const Id = `${"a".repeat(12)}${"b".repeat(52)}`;
  const Networks = { bridge: { Aliases: null }, own: { Aliases: ["al"] }, bare: {} };
  const container = { Id, Config: { Hostname: "h" }, NetworkSettings: { Networks } } as never;
  expect(containerDetails(container, 45)).toBe(container);
  expect(containerDetails(container, 44)).toMatchObject({
    NetworkSettings: {
      Networks: {
        bridge: { Aliases: null },
        own: { Aliases: ["al", "aaaaaaaaaaaa", "h"] },
        bare: { Aliases: ["aaaaaaaaaaaa", "h"] },
      },
    },
  });
});
