import { expect } from "bun:test";
import { tarOf } from "../../../src/testing/tar-kit.ts";
import type { Case } from "./cases.ts";
import type { Answer } from "./exchange.ts";

const tar = { "Content-Type": "application/x-tar" };
const built = await tarOf([{ path: "Dockerfile", body: "FROM busybox\nLABEL a=b\n" }]);
const broken = await tarOf([{ path: "Dockerfile", body: "NOSUCH instruction\n" }]);
const tree = await tarOf([{ path: "a", body: "b" }]);
const saved = ({ text }: Answer): void => expect(text.slice(257, 262)).toBe("ustar");

/** Images', builder's and registries' operations. */
export const imageCases: Case[] = [
  { line: "GET /images/json?manifests=0", status: 200 },
  { line: "GET /images/json?shared-size=1", status: 200 },
  { line: "GET /images/busybox/json", status: 200 },
  { line: "GET /images/nosuch/json", status: 404 },
  { line: "GET /images/busybox/history", status: 200 },
  { line: "GET /images/nosuch/history", status: 404 },
  { line: "POST /images/busybox/tag?repo=ops&tag=1", status: 201 },
  { line: "POST /images/busybox/tag?repo=OPS!&tag=1", status: 400 },
  { line: "POST /images/nosuch/tag?repo=ops&tag=1", status: 404 },
  { line: "GET /images/ops:1/get", status: 200, unchecked: true, check: saved },
  { line: "GET /images/get?names=ops:1&names=busybox", status: 200, unchecked: true, check: saved },
  { line: "GET /images/nosuch/get", status: 404 },
  { line: "POST /images/load", status: 200, body: tree, headers: tar },
  { line: "POST /images/create?fromSrc=-&repo=ops-imported", status: 200, body: tree, headers: tar },
  { line: "POST /images/create?fromImage=127.0.0.1:1/nosuch&tag=1", status: 500 },
  { line: "POST /build?t=ops-built", status: 200, body: built, headers: tar },
  { line: "POST /build", status: 400, body: broken, headers: tar },
  { line: "POST /build/prune", status: 200 },
  {
    line: "POST /commit?container=ops-files&repo=ops-committed",
    status: 201,
    json: { Labels: { committed: "yes" } },
  },
  { line: "POST /commit?container=nosuch", status: 404, json: {} },
  { line: "DELETE /images/ops:1", status: 200 },
  { line: "DELETE /images/nosuch", status: 404 },
  { line: "DELETE /images/busybox", status: 409 },
  { line: "POST /images/prune", status: 200 },
  { line: "POST /images/busybox/tag?repo=127.0.0.1:5000/ops&tag=1", status: 201 },
  { line: "POST /images/127.0.0.1:5000/ops/push?tag=1", status: 200, headers: { "X-Registry-Auth": "e30=" } },
  { line: "GET /distribution/127.0.0.1:5000/ops:1/json", status: 200 },
  { line: "GET /images/search?term=127.0.0.1:5002/found", status: 200 },
  { line: "GET /images/search?term=x&limit=500", status: 400 },
  { line: "POST /auth", status: 200, json: { username: "me", password: "secret", serveraddress: "127.0.0.1:5001" } },
  { line: "POST /auth", status: 401, json: { username: "me", password: "wrong", serveraddress: "127.0.0.1:5001" } },
  { line: "POST /images/create?fromImage=127.0.0.1:5000/nosuch&tag=1", status: 404 },
  {
    line: `POST /images/nosuch/push?platform=${encodeURIComponent('{"os":"linux","architecture":"amd64"}')}`,
    status: 404,
    headers: { "X-Registry-Auth": "e30=" },
  },
];

/** Volumes' operations. */
export const volumeCases: Case[] = [
  { line: "POST /volumes/create", status: 201, json: { Name: "ops", Labels: { a: "b" } } },
  { line: "GET /volumes", status: 200 },
  { line: "GET /volumes/ops", status: 200 },
  { line: "GET /volumes/nosuch", status: 404 },
  { line: "PUT /volumes/ops?version=1", status: 503, json: { Spec: {} } },
  {
    line: "POST /containers/create?name=ops-volume",
    status: 201,
    json: { Image: "busybox", HostConfig: { NetworkMode: "none", Binds: ["ops:/v"] } },
  },
  { line: "DELETE /volumes/ops", status: 409 },
  { line: "DELETE /containers/ops-volume", status: 204 },
  { line: "DELETE /volumes/ops", status: 204 },
  { line: "DELETE /volumes/ops", status: 404 },
  { line: "POST /volumes/prune", status: 200 },
];

/** Networks' operations. */
export const networkCases: Case[] = [
  { line: "POST /networks/create", status: 201, json: { Name: "ops", Labels: { a: "b" } } },
  { line: "POST /networks/create", status: 400, json: { Name: "" } },
  { line: "POST /networks/create", status: 403, json: { Name: "bridge" } },
  { line: "POST /networks/create", status: 404, json: { Name: "other", Driver: "nosuch" } },
  { line: "GET /networks", status: 200 },
  { line: "GET /networks/ops", status: 200 },
  { line: "GET /networks/nosuch", status: 404 },
  { line: "POST /containers/create?name=ops-net", status: 201, json: { Image: "busybox", Cmd: ["sleep", "1000"] } },
  { line: "POST /containers/ops-net/start", status: 204 },
  { line: "POST /networks/ops/connect", status: 200, json: { Container: "ops-net" } },
  { line: "POST /networks/ops/connect", status: 400, json: {} },
  { line: "POST /networks/ops/connect", status: 403, json: { Container: "ops-net" } },
  { line: "POST /networks/nosuch/connect", status: 404, json: { Container: "ops-net" } },
  { line: "POST /networks/ops/disconnect", status: 200, json: { Container: "ops-net" } },
  { line: "POST /networks/host/disconnect", status: 500, json: { Container: "ops-net" } },
  { line: "POST /networks/nosuch/disconnect", status: 404, json: { Container: "ops-net" } },
  { line: "DELETE /containers/ops-net?force=1", status: 204 },
  { line: "DELETE /networks/ops", status: 204 },
  { line: "DELETE /networks/bridge", status: 403 },
  { line: "DELETE /networks/nosuch", status: 404 },
  { line: "POST /networks/prune", status: 200 },
];

/** The daemon's own operations. */
export const systemCases: Case[] = [
  { line: "GET /_ping", status: 200 },
  { line: "HEAD /_ping", status: 200 },
  { line: "GET /version", status: 200 },
  { line: "GET /info", status: 200 },
  { line: "GET /system/df", status: 200 },
  { line: "GET /events?since=1&until=2000", status: 200, unchecked: true },
  { line: "GET /events?filters=%7Bbad", status: 400 },
  { line: "POST /session", status: 101, upgrade: "h2c" },
  { line: "POST /session", status: 400 },
];
