import pkg from "../../package.json" with { type: "json" };

/** Which Berth this is: the package's version; commit and time are put in by tools/build.ts. */
export const VERSION = {
  version: pkg.version,
  gitCommit: process.env["BERTH_BUILD_COMMIT"] ?? "unknown",
  buildTime: process.env["BERTH_BUILD_TIME"] ?? "1970-01-01T00:00:00Z",
};
