// Serves the bare repositories of a folder on a port of 127.0.0.1, to be run in a test daemon's network.
// usage: bun git-server.ts FOLDER PORT
import { answerGit } from "../../../src/testing/git-server.ts";

const [folder = "", port = ""] = process.argv.slice(2);
Bun.serve({ hostname: "127.0.0.1", port: Number(port), fetch: (request) => answerGit(folder, request) });
console.log("ready");
