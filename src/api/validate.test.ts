import { expect, test } from "bun:test";
import { SHAPES } from "./shapes.ts";
import { conform } from "./validate.ts";

const host = (value: unknown): unknown => conform(value, "#HostConfig", SHAPES);
const config = (value: unknown): unknown => conform(value, "#ContainerConfig", SHAPES);

test("a wrong type names the field by its path, and both types", () => {
  const cases: [value: unknown, message: string][] = [
    [{ Memory: "1g" }, "json: cannot unmarshal string into Go struct field .Memory of type int64"],
    [{ Memory: 1.5 }, "cannot unmarshal number 1.5 into Go struct field .Memory of type int64"],
    [
      { PortBindings: { "80/tcp": [{ HostPort: 80 }] } },
      "json: cannot unmarshal number into Go struct field .PortBindings.80~1tcp.0.HostPort of type string",
    ],
    [{ Binds: "a:b" }, "cannot unmarshal string into Go struct field .Binds of type []string"],
    [
      { RestartPolicy: [] },
      "cannot unmarshal array into Go struct field .RestartPolicy of type container.RestartPolicy",
    ],
    [{ Privileged: "true" }, "cannot unmarshal string into Go struct field .Privileged of type bool"],
    [[], "cannot unmarshal array into Go value of type container.CreateRequest"],
  ];
  for (const [value, message] of cases) expect(() => host(value)).toThrow(message);
});

test("nulls vanish from objects and become the empty value in maps and lists", () => {
  expect(host({ Binds: null, Memory: null, PortBindings: { "80/tcp": null } })).toEqual({
    PortBindings: { "80/tcp": [] },
  });
  expect(config({ Labels: { a: null }, Env: ["A=b", null], ExposedPorts: { "80/tcp": null } })).toEqual({
    Labels: { a: "" },
    Env: ["A=b", ""],
    ExposedPorts: { "80/tcp": {} },
  });
});

test("unknown members are ignored and letter case of members does not matter", () => {
  expect(config({ image: "busybox", NoSuchThing: 1, HOSTNAME: "h" })).toEqual({ Image: "busybox", Hostname: "h" });
});

test("one string is a list where Docker takes it, a command, and nowhere else", () => {
  expect(config({ Cmd: "ls", Entrypoint: "sh" })).toEqual({ Cmd: ["ls"], Entrypoint: ["sh"] });
  expect(() => config({ Env: "A=b" })).toThrow("cannot unmarshal string into Go struct field .Env of type []string");
});

test("hostile names and depth do no harm", () => {
  const labels = JSON.parse('{"Labels":{"__proto__":"x","constructor":"y"}}') as unknown;
  const out = config(labels) as { Labels: Record<string, string> };
  expect(Object.entries(out.Labels)).toEqual([
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
  expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  expect(config(JSON.parse('{"__proto__":{"Image":"x"}}'))).toEqual({});
});
