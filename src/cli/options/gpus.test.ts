import { expect, test } from "bun:test";
import { cdiRequests, gpuRequest, isCdiDevice } from "./gpus.ts";

// As docker 28.2 sends them.
test.each<[string, object]>([
  ["all", { Count: -1 }],
  ["2", { Count: 2 }],
  ["-1", { Count: -1 }],
  ["count=all", { Count: -1 }],
  ["device=0,1", { Count: 1, DeviceIDs: ["0"] }],
  ['"device=0,1",capabilities=utility', { DeviceIDs: ["0", "1"], Capabilities: [["utility", "gpu"]] }],
  ["driver=nvidia,count=2,capabilities=compute", { Driver: "nvidia", Count: 2, Capabilities: [["compute", "gpu"]] }],
  ["device=a=b", { DeviceIDs: ["a=b"] }],
  ["device=0,options=a", { DeviceIDs: ["0"], Options: { a: "" } }],
  ["capabilities=utility,options=a=b", { Count: 1, Capabilities: [["utility", "gpu"]], Options: { a: "b" } }],
  ["count=2,device=1", { Count: 2, DeviceIDs: ["1"] }],
])("--gpus %s", (text, wanted) => {
  expect(gpuRequest(text)).toEqual({ Driver: "", Count: 0, Capabilities: [["gpu"]], Options: {}, ...wanted });
});

test.each([
  ["", "EOF"],
  ["x=1", "unexpected key 'x' in 'x=1'"],
  ["some", 'invalid count (some): value must be either "all" or an integer'],
  ["count=x", 'invalid count (x): value must be either "all" or an integer'],
  ["device=0,device=1", "gpu request key 'device' can be specified only once"],
  ["1,count=2", "gpu request key 'count' can be specified only once"],
])("--gpus %j is refused", (text, why) => {
  expect(() => gpuRequest(text)).toThrow(`invalid argument ${JSON.stringify(text)} for "--gpus" flag: ${why}`);
});

test("devices by name are one request, paths are none", () => {
  expect(cdiRequests(["/dev/null", "vendor.com/class=a", "vendor.com/class=b:1"])).toEqual([
    { Driver: "cdi", DeviceIDs: ["vendor.com/class=a", "vendor.com/class=b:1"] },
  ]);
  expect(cdiRequests(["/dev/null", "/dev/a=b"])).toEqual([]);
  expect(["nvidia.com/gpu=0", "a/b=c", "/a/b=c", "a=b", "a/b", "a/b=", "1/b=c"].map(isCdiDevice)).toEqual([
    ...[true, true, false, false, false, false, false],
  ]);
});
