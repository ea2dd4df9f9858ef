import { expect, test } from "bun:test";
import { SHAPES } from "./shapes.ts";
import { conform } from "./validate.ts";

const host = (value: unknown): unknown => conform(value, "#HostConfig", SHAPES);
const config = (value: unknown): unknown => conform(value, "#ContainerConfig", SHAPES);

test("a wrong type names the field by its path, and both types", () => {
  const cases: [value: unknown, message: string][] = [
    [{ Memory: "1g" }, "invalid request body: Memory must be an integer, not a string"],
    [{ Memory: 1.5 }, "Memory must be an integer, not 1.5"],
    [
      { PortBindings: { "80/tcp": [{ HostPort: 80 }] } },
      "PortBindings.80/tcp.0.HostPort must be a string, not a number",
    ],
    [{ Binds: "a:b" }, "Binds must be a list, not a string"],
    [{ RestartPolicy: [] }, "RestartPolicy must be an object, not a list"],
    [{ Privileged: "true" }, "Privileged must be a boolean, not a string"],
    [[], "it must be an object, not a list"],
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
  expect(() => config({ Env: "A=b" })).toThrow("Env must be a list");
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
