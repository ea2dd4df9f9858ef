import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { type ContainerRecord, freshState } from "../engine/record.ts";

/** A log server that keeps what arrives. */
export interface LogServer extends AsyncDisposable {
  /** 0 for a unix socket. */
  port: number;
  /** What has arrived: one entry a connection, or a datagram. */
  received: Buffer[];
  /** Resolves with all that has arrived, in one piece, once `enough` says so. */
  until(enough: (all: Buffer) => boolean): Promise<Buffer>;
  /** Answers each piece that arrives. */
  answer?: (bytes: Buffer) => Buffer | undefined;
}

class Receiver {
  readonly received: Buffer[] = [];
  #wake: () => void = () => undefined;

  changed(): void {
    this.#wake();
  }

  async until(enough: (all: Buffer) => boolean): Promise<Buffer> {
    for (;;) {
      const all = Buffer.concat(this.received);
      if (enough(all)) return all;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** Over TCP, TLS or, with a path, a unix stream. `port` 0: any free one. */
export async function streamServer(
  options: { port?: number; path?: string; tls?: TlsOptions; answer?: LogServer["answer"] } = {},
): Promise<LogServer> {
  const receiver = new Receiver();
  const sockets = new Set<Socket>();
  const accept = (socket: Socket): void => {
    const mine = receiver.received.push(Buffer.alloc(0)) - 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      receiver.received[mine] = Buffer.concat([receiver.received[mine] ?? Buffer.alloc(0), bytes]);
      const answer = options.answer?.(bytes);
      if (answer) socket.write(answer);
      receiver.changed();
    });
  };
  const server: Server = options.tls ? createTlsServer(options.tls, accept) : createServer(accept);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    if (options.path) server.listen(options.path, resolve);
    else server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" ? (address?.port ?? 0) : 0,
    received: receiver.received,
    until: (enough) => receiver.until(enough),
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Over UDP. */
export async function udpServer(): Promise<LogServer> {
  const receiver = new Receiver();
  const socket = createSocket("udp4");
  socket.on("message", (bytes) => {
    receiver.received.push(bytes);
    receiver.changed();
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return {
    port: socket.address().port,
    received: receiver.received,
    until: (enough) => receiver.until(enough),
    [Symbol.asyncDispose]: async () => void socket.close(),
  };
}

const RECEIVE = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("ready", flush=True)
while True: print(s.recv(1 << 20).hex(), flush=True)
`;

/** Over datagrams to a unix socket, which node:dgram does not have. */
export async function unixDatagramServer(path: string): Promise<LogServer> {
  const receiver = new Receiver();
  const child: ChildProcess = spawn("python3", ["-c", RECEIVE, path], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  await new Promise<void>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the receiver ended with ${code}`)));
    child.stdout?.on("data", (bytes: Buffer) => {
      const rows = (text + bytes.toString()).split("\n");
      text = rows.pop() ?? "";
      for (const row of rows) {
        if (row === "ready") resolve();
        else receiver.received.push(Buffer.from(row, "hex"));
      }
      receiver.changed();
    });
  });
  return {
    port: 0,
    received: receiver.received,
    until: (enough) => receiver.until(enough),
    [Symbol.asyncDispose]: async () => {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await gone;
    },
  };
}

/** The record of a container whose log is sent. */
export function loggedContainer(changes: Partial<ContainerRecord> = {}): ContainerRecord {
  return {
    id: "c0ffee".padEnd(64, "0"),
    name: "web",
    created: Date.UTC(2026, 0, 2),
    sequence: 1,
    image: `sha256:${"ab".repeat(32)}`,
    imageName: "busybox",
    config: { Labels: { "com.example.team": "blue", tier: "1" }, Env: ["REGION=eu", "EMPTY="] },
    hostConfig: {},
    argv: ["sh", "-c", "x"],
    mounts: [],
    state: freshState(),
    ...changes,
  };
}
