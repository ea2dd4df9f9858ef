import { describe, expect, test } from "bun:test";
import { digestOf } from "../spec/digest.ts";
import { MediaType } from "../spec/oci.ts";
import { chooseMember, platformList } from "./choose.ts";
import { type ContentDescriptor, isContainerImage, parseContent } from "./content.ts";

const part = (mediaType: string, more: object = {}): ContentDescriptor => {
  return { mediaType, digest: digestOf(Buffer.from(mediaType)), size: 5, ...more };
};
const parse = (value: unknown, mediaType = "") => parseContent(Buffer.from(JSON.stringify(value)), mediaType, "it");
const image = {
  schemaVersion: 2,
  mediaType: MediaType.manifest,
  config: part(MediaType.config),
  layers: [part(MediaType.layer)],
};

test("a manifest: config, layers, subject, what it is for", () => {
  const subject = part(MediaType.manifest);
  const content = parse({ ...image, subject, artifactType: "a/b", unknown: 1 });
  expect(content).toMatchObject({
    kind: "manifest",
    config: image.config,
    layers: image.layers,
    subject,
    artifactType: "a/b",
  });
  expect(isContainerImage(content)).toBe(true);
  expect(isContainerImage(parse({ ...image, config: part("a/b") }))).toBe(false);
});

test("an index without a media type of its own has the one it came with; Docker's forms, artifacts' blobs", () => {
  expect(parse({ schemaVersion: 2, manifests: [part(MediaType.manifest)] }, MediaType.index).kind).toBe("index");
  expect(parse({ schemaVersion: 2, mediaType: MediaType.dockerIndex, manifests: [] }).kind).toBe("index");
  const docker = { ...image, mediaType: MediaType.dockerManifest, config: part(MediaType.dockerConfig) };
  expect(isContainerImage(parse(docker, MediaType.dockerManifest))).toBe(true);
  const artifact = { mediaType: "application/vnd.oci.artifact.manifest.v1+json", blobs: [part("x")] };
  expect(parse(artifact)).toMatchObject({ kind: "manifest", layers: [part("x")] });
});

describe("refused", () => {
  const cases: [value: unknown, mediaType: string, words: string][] = [
    [{ ...image, manifests: [] }, "", "ambiguous"],
    [{ schemaVersion: 2, manifests: [], config: part("x") }, MediaType.index, "ambiguous"],
    [image, MediaType.index, "was given as"],
    [{ ...image, mediaType: MediaType.index }, "", "form of something else"],
    [{ schemaVersion: 1, fsLayers: [] }, "", "schema 1 is not supported"],
    [{ schemaVersion: 2 }, "text/html", "unsupported media type"],
    [{ ...image, layers: {} }, "", "must be an array"],
    [{ ...image, layers: [{ ...part("x"), size: -1 }] }, "", "must be a number of bytes"],
    [{ ...image, layers: [{ ...part("x"), size: 1.5 }] }, "", "must be a number of bytes"],
    [{ ...image, layers: [{ ...part("x"), digest: `sha512:${"a".repeat(128)}` }] }, "", "must be a sha256 digest"],
    [{ ...image, layers: Array(20_000).fill(part("x")) }, "", "more than 16384 parts"],
    [[], "", "must be an object"],
    [null, "", "must be an object"],
  ];
  test.each(cases)("case %#", (value, mediaType, words) => {
    expect(() => parse(value, mediaType)).toThrow(words);
  });
  test("no JSON, or no UTF-8", () => {
    expect(() => parseContent(Buffer.from("{"), "", "it")).toThrow("it: not valid JSON");
    expect(() => parseContent(Buffer.from([0x7b, 0xff, 0x7d]), "", "it")).toThrow("it: not valid JSON");
  });
});

describe("the member for a platform", () => {
  const of = (os: string, architecture: string, variant?: string) =>
    part(MediaType.manifest, { platform: { os, architecture, ...(variant ? { variant } : {}) } });
  const members = [of("unknown", "unknown"), of("linux", "arm", "v7"), of("linux", "arm", "v6"), of("linux", "amd64")];
  test("the very variant, else one that fits, else none", () => {
    expect(chooseMember(members, { os: "linux", architecture: "arm", variant: "v6" })).toBe(
      members[2] as ContentDescriptor,
    );
    expect(chooseMember(members, { os: "linux", architecture: "arm" })).toBe(members[1] as ContentDescriptor);
    expect(chooseMember(members, { os: "linux", architecture: "s390x" })).toBeUndefined();
    expect(chooseMember([members[0] as ContentDescriptor], { os: "unknown", architecture: "unknown" })).toBeUndefined();
  });
  test("one that names no platform fits where no other does; what is no manifest never", () => {
    const bare = part(MediaType.manifest);
    expect(chooseMember([...members, bare], { os: "linux", architecture: "s390x" })).toBe(bare);
    expect(chooseMember([part(MediaType.layer)], { os: "linux", architecture: "s390x" })).toBeUndefined();
  });
  test("platforms for people", () => {
    expect(platformList([...members, members[3] as ContentDescriptor])).toBe("linux/arm/v7, linux/arm/v6, linux/amd64");
    expect(platformList([])).toBe("none");
  });
});
