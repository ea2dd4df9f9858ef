import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { berth } from "./harness.ts";

// Docker's own words, as docker 28 says them where no Notary server answers. Its command line leaves folders behind, so that
// it is not asked here.

const NO_KEYS =
  "Docker Content Trust is not part of Berth: it keeps no signing keys (sign with cosign or notation instead)\n";
const CLOSED = { DOCKER_CONTENT_TRUST_SERVER: "https://127.0.0.1:1" };
const REFUSED = "dial tcp 127.0.0.1:1: connect: connection refused";

const CASES: [argv: string[], code: number, out: string, err: string][] = [
  [["inspect", "busybox"], 1, "[]\n", "no signatures or cannot access busybox\n"],
  [["inspect", "--pretty", "busybox"], 1, "", "no signatures or cannot access busybox\n"],
  [["inspect", "BAD"], 1, "[]\n", "invalid reference format: repository name (library/BAD) must be lowercase\n"],
  [["revoke", "busybox"], 0, "Confirm you would like to delete all signature data for busybox? [y/N] ", ""],
  [["revoke", "-y", "busybox"], 1, "", `could not remove signature for busybox: ${REFUSED}\n`],
  [["revoke", "busybox:latest"], 1, "", `could not remove signature for busybox:latest: ${REFUSED}\n`],
  [["sign", "busybox"], 1, "", "no tag specified for busybox\n"],
  [["sign", "--local", "busybox:latest"], 1, "", `Error: error contacting notary server: ${REFUSED}\n`],
  [
    ["key", "generate", "bad name"],
    1,
    "",
    'key name "bad name" must start with lowercase alphanumeric characters and can include "-" or "_" after the first character\n',
  ],
  [["key", "generate", "good"], 1, "", NO_KEYS],
  [
    ["key", "load", "/nonexistent/key"],
    1,
    'Loading key from "/nonexistent/key"...\n',
    "refusing to load key from /nonexistent/key: stat /nonexistent/key: no such file or directory\n",
  ],
  [["signer", "add", "a", "b"], 1, "", "path to a public key must be provided using the `--key` flag\n"],
  [
    ["signer", "add", "--key", "/nonexistent/key", "a", "b"],
    1,
    "",
    "unable to read public key from file: open /nonexistent/key: no such file or directory\n",
  ],
  [
    ["signer", "remove", "a", "b"],
    1,
    'Removing signer "a" from b...\n',
    `error retrieving signers for b: ${REFUSED}\n\nerror removing signer from: b\n`,
  ],
];

test.each(CASES)("trust %p", async (argv, code, out, err) => {
  expect(await berth(["trust", ...argv], { env: CLOSED })).toEqual({ code, out, err });
});

test("keys that are there are refused in one line", async () => {
  const folder = mkdtempSync(join(tmpdir(), "trust-"));
  const key = join(folder, "key.pem");
  writeFileSync(key, "x");
  expect((await berth(["trust", "key", "load", key])).err).toBe(NO_KEYS);
  expect((await berth(["trust", "signer", "add", "--key", key, "a", "b"])).err).toBe(NO_KEYS);
  rmSync(folder, { recursive: true });
});

test("a server that answers is named", async () => {
  const server = createServer((_, response) => response.end("{}"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { err } = await berth(["trust", "sign", "x:y"], { env: { DOCKER_CONTENT_TRUST_SERVER: `http://${at}` } });
  server.close();
  expect(err).toBe(
    `Error: error contacting notary server: ${at} answers, but Berth does not speak to Notary servers\n`,
  );
});
