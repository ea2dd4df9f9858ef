import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { type TarItem, tarHeader, writeTar } from "../../../layer/tar/writer.ts";
import { BerthError, errnoOf } from "../../../spec/errors.ts";
import { DEFAULT_PATH } from "../../container/config.ts";
import type { Recipe } from "./recipe.ts";

const BUSYBOX = "/bin/busybox";
const INSTALL = { hint: "install the package busybox-static" };
const FOLDERS: [path: string, mode: number][] = [
  ["bin", 0o755],
  ["dev", 0o755],
  ["etc", 0o755],
  ["home", 0o755],
  ["proc", 0o755],
  ["root", 0o700],
  ["sys", 0o755],
  ["tmp", 0o1777],
  ["usr", 0o755],
  ["var", 0o755],
  ["var/spool", 0o755],
  ["var/spool/mail", 0o755],
  ["var/www", 0o755],
];
const FILES: Record<string, string> = {
  "etc/group": "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nusers:x:100:\nnobody:x:65534:\n",
  "etc/passwd":
    "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
};

/** A root file system of this host's static busybox with all of its applets. The same program gives the same tar. */
export const busybox: Recipe = {
  name: "busybox",
  tags: "any",
  takes: [],
  run: { Env: [`PATH=${DEFAULT_PATH}`], Cmd: ["sh"] },
  prepare() {
    const program = readBusybox();
    const applets = execFileSync(BUSYBOX, ["--list"], { encoding: "utf8" }).trim().split("\n").sort();
    const mtimeSec = Math.floor(statSync(BUSYBOX).mtimeMs / 1000);
    return async function* (shop) {
      shop.say(`I: ${BUSYBOX}, ${applets.length} applets`);
      yield* writeTar(items(program, { applets, mtimeSec }));
    };
  },
};

function readBusybox(): Buffer {
  let program: Buffer;
  try {
    program = readFileSync(BUSYBOX);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") throw new BerthError("not-found", `bootstrap: ${BUSYBOX} is not there`, INSTALL);
    throw error;
  }
  // A dynamic program names its loader, which the image would not have (elf(5), PT_INTERP).
  if (/\/ld-(linux|musl)/.test(program.subarray(0, 4096).toString("latin1"))) {
    throw new BerthError("invalid-argument", `bootstrap: ${BUSYBOX} is not a static program`, INSTALL);
  }
  return program;
}

function* items(program: Buffer, with_: { applets: string[]; mtimeSec: number }): Generator<TarItem> {
  const { mtimeSec } = with_;
  for (const [path, mode] of FOLDERS) yield { header: tarHeader({ path, type: "dir", mode, mtimeSec }) };
  yield { header: tarHeader({ path: "bin/busybox", mode: 0o755, size: program.length, mtimeSec }), body: program };
  for (const applet of with_.applets) {
    if (applet === "busybox") continue;
    yield { header: tarHeader({ path: `bin/${applet}`, type: "link", link: "bin/busybox", mode: 0o755, mtimeSec }) };
  }
  for (const [path, text] of Object.entries(FILES)) {
    const body = Buffer.from(text);
    yield { header: tarHeader({ path, size: body.length, mtimeSec }), body };
  }
}
