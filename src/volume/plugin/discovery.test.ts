import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Plugins } from "./client.ts";
import { findPlugin, pluginNames } from "./discovery.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "plugins-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const file = (name: string, text: string): void => writeFileSync(join(dir, name), text);
const tls = (more: object): string =>
  JSON.stringify({ Name: "t", Addr: "https://plugin.example:8443", TLSConfig: { InsecureSkipVerify: true, ...more } });

test("sockets, addresses and descriptions are found, the first folder first, and other files are none", async () => {
  file("a.spec", "unix:///somewhere/a.sock\n");
  file("b.spec", "tcp://plugin.example:8080");
  file("c.json", JSON.stringify({ Name: "c", Addr: "http://[::1]:90" }));
  file("ca.pem", "CA");
  file("t.json", tls({ CAFile: join(dir, "ca.pem") }));
  file("plain.sock", "not a socket");
  file(".hidden.spec", "unix:///x");
  mkdirSync(join(dir, "sub"));
  const server = createServer().listen(join(dir, "sub", "sub.sock"));
  await new Promise((resolve) => server.once("listening", resolve));
  const dirs = [join(dir, "nosuch"), dir];
  expect(findPlugin(dirs, "a")).toEqual({ socket: "/somewhere/a.sock" });
  expect(findPlugin(dirs, "b")).toEqual({ host: "plugin.example", port: 8080 });
  expect(findPlugin(dirs, "c")).toEqual({ host: "::1", port: 90 });
  expect(findPlugin(dirs, "sub")).toEqual({ socket: join(dir, "sub", "sub.sock") });
  expect(findPlugin(dirs, "t")).toMatchObject({ port: 8443, tls: { ca: Buffer.from("CA"), insecure: true } });
  for (const none of ["plain", "nosuch", "../a", "", ".hidden", "a/b", "a\0"])
    expect(findPlugin(dirs, none)).toBeUndefined();
  expect(pluginNames(dirs)).toEqual(["a", "b", "c", "sub", "t"]);
  server.close();
});

test.each([
  ["bad.spec", "somewhere"],
  ["bad.spec", "ftp://a:1"],
  ["bad.spec", "tcp://nohost"],
  ["bad.spec", ""],
  ["bad.json", "{"],
  ["bad.json", "{}"],
  ["bad.json", tls({ CAFile: "/nosuch/ca.pem" })],
])("%s with %p is said to be none", async (name, text) => {
  file(name, text);
  expect(() => findPlugin([dir], "bad")).toThrow('plugin "bad"');
  expect(pluginNames([dir])).toEqual(["bad"]);
  await expect(new Plugins({ dirs: [dir], timeoutMs: 1000 }).driver("bad")).rejects.toThrow('plugin "bad"');
});

test("answers that never end, are endless, or are of another kind of plugin are refused", async () => {
  const answers: Record<string, () => Response> = {
    "/kind": () => new Response('{"Implements":["NetworkDriver"]}'),
    "/long": () => new Response("x".repeat(9 << 20)),
    "/null": () => new Response("null"),
  };
  for (const [kind, answer] of Object.entries(answers)) {
    const name = kind.slice(1);
    const server = Bun.serve({ unix: join(dir, `${name}.sock`), fetch: answer });
    const driver = new Plugins({ dirs: [dir], timeoutMs: 5000 }).driver(name);
    await expect(driver).rejects.toThrow(name === "long" ? "is longer than" : "does not implement VolumeDriver");
    await server.stop(true);
  }
});
