import { BerthError } from "../spec/errors.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const RULE = "[a-zA-Z0-9][a-zA-Z0-9_.-]";
const MAX_NAME = 255;

/** Throws `invalid-argument` in Docker's words for a name that a local volume cannot have. */
export function checkVolumeName(name: string): void {
  const bad = (why: string): BerthError =>
    new BerthError("invalid-argument", `create ${name.slice(0, MAX_NAME)}: ${why}`);
  if (name.length === 1) throw bad("volume name is too short, names should be at least two alphanumeric characters");
  if (!NAME.test(name)) {
    throw bad(
      `"${name.slice(0, MAX_NAME)}" includes invalid characters for a local volume name, only "${RULE}" are allowed. ` +
        "If you intended to pass a host directory, use absolute path",
    );
  }
  if (name.length > MAX_NAME) throw bad(`the name is longer than ${MAX_NAME} characters`);
}

/** Throws `not-found` for a volume driver other than ours. */
export function checkDriver(name: string, driver: string | undefined): void {
  if (driver === undefined || driver === "" || driver === "local") return;
  throw new BerthError(
    "not-found",
    `create ${name}: error looking up volume plugin ${driver}: plugin "${driver}" not found`,
  );
}

/** Throws for driver options: Docker's words for unknown ones, `not-implemented` for those that would mount something. */
export function checkOptions(name: string, options: Record<string, string>): void {
  for (const key of Object.keys(options)) {
    if (!["type", "o", "device", "size"].includes(key)) {
      throw new BerthError("invalid-argument", `create ${name}: invalid option: "${key}"`);
    }
    throw new BerthError("not-implemented", `create ${name}: the local driver's option "${key}" is not supported`, {
      hint: "use a bind mount or --tmpfs instead",
    });
  }
}
