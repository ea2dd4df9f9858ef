import { afterAll, beforeAll, expect, test } from "bun:test";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../../../host/spawn.ts";
import { signingKey } from "./keys.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-keys-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("made once, for its owner alone, and the same ever after", () => {
  const path = join(folder, "own/token.key");
  const made = signingKey(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "own")).mode & 0o777).toBe(0o700);
  expect(signingKey(path).id).toBe(made.id);
  expect(made.id).toMatch(/^([A-Z2-7]{4}:){11}[A-Z2-7]{4}$/);
  expect(readdirSync(join(folder, "own"))).toEqual(["token.key"]);
});

test("many that begin at once have one", async () => {
  const path = join(folder, "shared.key");
  const script = `import { signingKey } from ${JSON.stringify(join(import.meta.dir, "keys.ts"))};
    console.log(signingKey(${JSON.stringify(path)}).id);`;
  const runs = await Promise.all(Array.from({ length: 4 }, () => run([process.execPath, "-e", script])));
  expect(runs.map(({ code, stderr }) => `${code} ${stderr}`)).toEqual(["0 ", "0 ", "0 ", "0 "]);
  expect(new Set(runs.map(({ stdout }) => stdout.trim()))).toEqual(new Set([signingKey(path).id]));
  expect(readdirSync(folder).filter((name) => name.endsWith(".new") || name.endsWith(".tmp"))).toEqual([]);
});

test("openssl's keys are taken, old form and new", async () => {
  const path = join(folder, "given.key");
  expect((await run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path])).code).toBe(0);
  expect(readFileSync(path, "utf8")).toContain("EC PRIVATE KEY");
  const { id } = signingKey(path);
  const modern = join(folder, "modern.key");
  expect((await run(["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", path, "-out", modern])).code).toBe(0);
  expect(signingKey(modern).id).toBe(id);
});

test("other keys, and what is none, are refused and stay as they are", () => {
  const pem = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }).toString();
  const files = {
    rsa: pem(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey),
    p384: pem(generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey),
    ed: pem(generateKeyPairSync("ed25519").privateKey),
    empty: "",
    text: "secret words",
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    writeFileSync(path, text);
    expect(() => signingKey(path)).toThrow(`${path}: no private key of the curve P-256 in PEM`);
    expect(readFileSync(path, "utf8")).toBe(text);
  }
  expect(() => signingKey(join(folder, "text/below"))).toThrow(/text\/below/);
  expect(existsSync(join(folder, "text/below"))).toBe(false);
});
