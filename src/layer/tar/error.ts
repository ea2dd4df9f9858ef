import { BerthError } from "../../spec/errors.ts";

/** What every malformed archive ends in: `invalid-argument`, one line, the cause named. */
export function badTar(cause: string): BerthError {
  return new BerthError("invalid-argument", `invalid tar archive: ${cause}`, {
    hint: "make the archive again, or fetch it once more",
  });
}

/** `name` as it may stand in a message: quoted, control characters escaped, at most 120 characters. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 117)}...` : name);
}
