import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineHost } from "../../client/host.ts";

/** Runs on the other side: docker's command line where it is, else Berth's. A socket that was asked for is given to either. */
function remoteCommand(path: string): string {
  const quoted = `'${path.replaceAll("'", "'\\''")}'`;
  const host = path === "" ? "" : `--host unix://${quoted} `;
  const docker = `exec docker ${host}system dial-stdio`;
  return `if command -v docker >/dev/null 2>&1; then ${docker}; else exec berth ${host}system dial-stdio; fi`;
}

/**
 * A unix socket, for this process alone, whose connections are each carried by an `ssh` of their own to the engine over there.
 * It does not keep the process alive, and goes with it; a kill leaves an empty folder in the temporary one.
 */
export function sshBridge(host: EngineHost & { kind: "ssh" }): string {
  const folder = mkdtempSync(join(tmpdir(), "berth-ssh-"));
  const path = join(folder, "s");
  const server = createServer({ allowHalfOpen: true }, (socket) => carry(socket, host));
  server.listen(path).unref();
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return path;
}

function carry(socket: Socket, host: EngineHost & { kind: "ssh" }): void {
  const ssh = spawn("ssh", [...host.destination, remoteCommand(host.path)], { stdio: ["pipe", "pipe", "inherit"] });
  socket.pipe(ssh.stdin);
  ssh.stdout.pipe(socket);
  // Either end may go first: ssh ends with the connection, the connection with ssh.
  ssh.stdin.on("error", () => undefined);
  socket.on("error", () => ssh.kill()).on("close", () => ssh.kill());
  ssh.on("error", () => socket.destroy());
}
