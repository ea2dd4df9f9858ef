import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RunOutcome, run } from "../../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../../src/testing/daemon.ts";

const BERTH = join(import.meta.dir, "../../../dist/berth");

/** Which program answers to `docker` in the lines of a tutorial. */
export type CommandLine = "docker" | "berth";

/**
 * A shell as the tutorials' authors had one: `docker` is on the PATH and talks to a daemon with an empty data root; the working folder is empty.
 * Lines are pasted from the documents.
 */
export class Tutorial implements AsyncDisposable {
  private constructor(
    readonly daemon: TestDaemon,
    readonly folder: string,
  ) {}

  static async start(commandLine: CommandLine, flags: string[], isolated: boolean): Promise<Tutorial> {
    const folder = mkdtempSync("/var/tmp/berth-seed.");
    const program = commandLine === "docker" ? (await run(["sh", "-c", `command -v ${DOCKER}`])).stdout.trim() : BERTH;
    symlinkSync(program, join(folder, "docker"));
    const daemon = await TestDaemon.start({ busybox: false, isolated, flags });
    return new Tutorial(daemon, folder);
  }

  /** Runs a line by bash in the daemon's network; its outcome whatever it is. */
  try(line: string): Promise<RunOutcome> {
    const env = {
      PATH: `${this.folder}:${process.env["PATH"]}`,
      HOME: this.folder,
      DOCKER_HOST: `unix://${this.daemon.socket}`,
      DOCKER_BUILDKIT: "0",
    };
    return run(this.daemon.inNet("bash", "-c", `cd ${this.folder}\n${line}`), { env });
  }

  /** The same for a line that has to succeed: its trimmed output. */
  async sh(line: string): Promise<string> {
    const done = await this.try(line);
    if (done.code !== 0)
      throw new Error(`${line}\nexit code ${done.code}\n${done.stdout}${done.stderr}${this.daemon.log}`);
    return done.stdout.trim();
  }

  /** A line at a terminal, with what a person types into it; all that the terminal shows. */
  async typed(line: string, ...keys: string[]): Promise<string> {
    const input = keys.map((k) => `${k}\n`).join("");
    writeFileSync(join(this.folder, ".keys"), input);
    return (await this.sh(`script -qec ${JSON.stringify(line)} /dev/null <.keys`)).replaceAll("\r", "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
