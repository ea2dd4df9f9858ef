import { expect, test } from "bun:test";
import { hostname } from "node:os";
import { loggedContainer } from "../../testing/log-servers.ts";
import { extraAttributes, fileAttributes } from "./attributes.ts";
import { logBound } from "./files.ts";
import { logTag } from "./tag.ts";

const RECORD = loggedContainer();

test.each([
  ["", ""],
  ["plain", "plain"],
  ["{{.ID}}", RECORD.id.slice(0, 12)],
  ["{{.FullID}}", RECORD.id],
  ["{{ .Name }}/{{- .ContainerName -}}", "web//web"],
  ["{{.ImageName}} {{.ImageFullID}}", `busybox ${RECORD.image}`],
  ["{{.ImageID}}", "ab".repeat(6)],
  ["{{.Command}} on {{.Hostname}} of {{.DaemonName}}", `sh -c x on ${hostname()} of docker`],
])("the tag %s", (template, tag) => {
  expect(logTag(RECORD, template)).toBe(tag);
});

test.each<[Record<string, string>, Record<string, string>]>([
  [{}, {}],
  [{ labels: "tier" }, { tier: "1" }],
  [{ labels: "tier,absent,com.example.team" }, { tier: "1", "com.example.team": "blue" }],
  [{ "labels-regex": "^com" }, { "com.example.team": "blue" }],
  [{ env: "REGION,EMPTY,NONE" }, { REGION: "eu", EMPTY: "" }],
  [{ "env-regex": "^E" }, { EMPTY: "" }],
  [
    { labels: "tier", env: "REGION" },
    { tier: "1", REGION: "eu" },
  ],
])("attributes for %j", (options, found) => {
  expect(extraAttributes(RECORD, options)).toEqual(found);
  expect(fileAttributes(RECORD, options)).toEqual(found);
});

test("a tag is among the file's attributes where one was asked for; names can be changed", () => {
  expect(fileAttributes(RECORD, { tag: "{{.Name}}" })).toEqual({ tag: "web" });
  expect(extraAttributes(RECORD, { labels: "tier" }, (name) => `_${name}`)).toEqual({ _tier: "1" });
});

test.each<[string, Record<string, string>, string]>([
  ["json-file", {}, "at most 5 files of 20MiB each, rotated ones compressed"],
  ["local", { "max-size": "3m", "max-file": "2", compress: "false" }, "at most 2 files of 3MiB each"],
  ["json-file", { "max-size": "10k", "max-file": "1" }, "at most 1 files of 10240B each"],
  ["syslog", { "cache-max-size": "1m" }, "at most 5 files of 1MiB each, rotated ones compressed"],
  ["none", {}, "none are kept"],
  ["json-file", { "max-size": "-1" }, "without bound"],
])("the bound of %s with %j", (driver, options, text) => {
  const bound = logBound(driver, options);
  expect(bound.text).toBe(text);
  expect(bound.warning !== undefined).toBe(options["max-size"] === "-1");
});
