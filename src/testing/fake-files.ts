import type { FilesBackend, PathStat } from "../api/backend.ts";
import { BerthError } from "../spec/errors.ts";

/** Files of the fake: every container has one, /file with "data"; what is written is counted. */
export function fakeFiles(): FilesBackend {
  const stat: PathStat = { name: "file", size: 4, mode: 0o644, mtime: "2026-01-01T00:00:00Z", linkTarget: "" };
  const known = (id: string, path: string): void => {
    if (path !== "/file") throw new BerthError("not-found", `Could not find the file ${path} in container ${id}`);
  };
  return {
    async stat(id, { path }) {
      known(id, path);
      return stat;
    },
    async read(id, { path }) {
      known(id, path);
      return { stat, tar: bytes() };
    },
    async write(_id, _options, tar) {
      for await (const _ of tar);
    },
    export: async () => bytes(),
    changes: async () => [{ Path: "/file", Kind: 1 }],
    commit: async () => ({ Id: `sha256:${"0".repeat(64)}` }),
  };
}

async function* bytes(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("data");
}
