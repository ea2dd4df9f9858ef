import { runCli } from "./cli/main.ts";
import { VERSION } from "./daemon/version.ts";
import { messageOf } from "./spec/errors.ts";

// The one entry of the executable. Everything but the command line is loaded only when it is asked for.

async function main(argv: string[]): Promise<number> {
  if (argv[0] === "daemon") return (await import("./daemon/main.ts")).runDaemon(argv.slice(1));
  if (argv[0] === "worker") return worker(argv[1]);
  return runCli(argv, {
    version: VERSION.version,
    files: () => import("./layer/files/local.ts"),
    registry: async () => (await import("./registry/open.ts")).openRemote,
    remote: () => import("./image/remote/remote.ts"),
    registryServer: () => import("./registry/server/commands.ts"),
    startDaemon: async () => (await import("./daemon/autostart.ts")).startDaemon(),
  });
}

/** `berth worker NAME`: a short-lived child of the daemon for work that should not weigh on it. Not for people. */
async function worker(name: string | undefined): Promise<number> {
  if (name === "unpack") return (await import("./layer/worker.ts")).runUnpackWorker();
  if (name === "files") return (await import("./layer/files/worker.ts")).runFilesWorker();
  if (name === "mount") return (await import("./volume/mount-worker.ts")).runMountWorker();
  process.stderr.write(`berth: unknown worker "${name ?? ""}"\n`);
  return 1;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
    process.exit();
  },
  (error: unknown) => {
    process.stderr.write(`berth: ${messageOf(error)}\n`);
    process.exit(1);
  },
);
