// Makes dist/berth: the C parts, then one executable that holds them, the command line and the daemon.
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");

function run(argv: string[]): string {
  const [file = "", ...args] = argv;
  const done = spawnSync(file, args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  if (done.status !== 0) {
    process.stderr.write(
      `${argv.slice(0, 3).join(" ")}: failed\n${done.stdout ?? ""}${done.stderr ?? done.error?.message ?? ""}\n`,
    );
    process.exit(1);
  }
  return done.stdout.trim();
}

function commit(): string {
  const done = spawnSync("git", ["-c", "safe.directory=*", "rev-parse", "--short=12", "HEAD"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  return done.status === 0 ? done.stdout.trim() : "unknown";
}

const started = Date.now();
run(["tools/build-native"]);
mkdirSync(join(ROOT, "dist"), { recursive: true });
const define = (name: string, value: string): string[] => ["--define", `process.env.${name}=${JSON.stringify(value)}`];
run([
  process.execPath,
  "build",
  "--compile",
  "--bytecode",
  "--minify",
  // Chunks: the command line does not load the daemon's code, which halves the start of a command.
  "--splitting",
  "--format=esm",
  // A file .env or bunfig.toml of the folder where a command happens to run is nobody's setting for Berth.
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  ...define("BERTH_BUILD_COMMIT", commit()),
  ...define("BERTH_BUILD_TIME", new Date().toISOString().replace(/\.\d+Z$/, "Z")),
  "src/main.ts",
  "--outfile",
  "dist/berth.new",
]);
// A running daemon keeps the old file; whoever starts next gets the new one, whole.
renameSync(join(ROOT, "dist/berth.new"), join(ROOT, "dist/berth"));
const size = statSync(join(ROOT, "dist/berth")).size;
process.stdout.write(`dist/berth: ${(size / 1e6).toFixed(0)} MB in ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
