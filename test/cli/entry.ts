// The command line as a program, for tests that need a process of its own: a terminal, signals, closed pipes.
import { runCli } from "../../src/cli/main.ts";

process.exit(await runCli(process.argv.slice(2), { version: "1.2.3" }));
