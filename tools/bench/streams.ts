import { elapsed, inTurns, type Pair, print } from "./measure.ts";
import { drain, type Socket } from "./socket.ts";
import { create, remove, start } from "./verbs.ts";

const MB = 1_000_000;
const SIZE = 100 * MB;
const EVENTS = 1000;
const LISTENERS = 10;
const FEW = 3;
/** For what takes a tenth of a second: the first rounds are a cold engine's. */
const MORE = 15;
const NEWLINE = 10;
/** Lines of 100 bytes; the log is kept whole by both engines. */
const TALK = {
  Cmd: ["sh", "-c", `yes ${"x".repeat(99)} | head -c ${SIZE}`],
  HostConfig: { LogConfig: { Type: "json-file", Config: { "max-size": "1g" } } },
};

/** Throughput of attach and logs, and of events. */
export async function streams(engines: Pair<Socket>): Promise<void> {
  const attach = await inTurns(engines, FEW, async (engine) => {
    const id = await create(engine, { ...TALK, AttachStdout: true });
    const { socket } = await engine.upgrade(`POST /containers/${id}/attach?stream=1&stdout=1`);
    const ms = await elapsed(() => Promise.all([drain(socket), engine.call(`POST /containers/${id}/start`)]));
    await remove(engine, [id]);
    return ms;
  });
  print({ name: `attach: ${SIZE / MB} MB of output`, goal: "0.50", ...attach });
  rate(attach);
  const written = new Map<Socket, string>();
  for (const engine of [engines.own, engines.peer]) {
    if (!engine) continue;
    const id = await start(engine, TALK);
    await engine.call(`POST /containers/${id}/wait`);
    written.set(engine, id);
  }
  const logs = await inTurns(engines, FEW, (engine) =>
    elapsed(async () => drain(await engine.open(`GET /containers/${written.get(engine)}/logs?stdout=1&stderr=1`))),
  );
  print({ name: `logs: ${SIZE / MB} MB`, goal: "0.50", ...logs });
  rate(logs);
  for (const [engine, id] of written) await remove(engine, [id]);
  print({
    name: `${EVENTS} events to ${LISTENERS} listeners`,
    goal: "0.50",
    ...(await inTurns(engines, MORE, events)),
  });
}

function rate({ own, peer }: { own: number; peer?: number }): void {
  const perSecond = (ms: number): string => `${(SIZE / MB / (ms / 1000)).toFixed(0)} MB/s`;
  console.log(
    `${"".padEnd(52)} ${perSecond(own).padStart(11)} ${peer === undefined ? "" : perSecond(peer).padStart(11)}`,
  );
}

/** Until the last listener has the last of the events; execs that are made and never started are the cheapest there are. */
async function events(engine: Socket): Promise<number> {
  const id = await start(engine);
  const heard = Array.from({ length: LISTENERS }, async () => {
    const stream = await engine.open(
      `GET /events?filters=${encodeURIComponent(JSON.stringify({ container: [id], event: ["exec_create"] }))}`,
    );
    return { stream, all: counted(stream) };
  });
  const listening = await Promise.all(heard);
  const ms = await elapsed(async () => {
    for (let at = 0; at < EVENTS; at += 50) {
      await Promise.all(
        Array.from({ length: 50 }, () => engine.call(`POST /containers/${id}/exec`, { Cmd: ["true"] })),
      );
    }
    await Promise.all(listening.map((l) => l.all));
  });
  for (const { stream } of listening) stream.destroy();
  await remove(engine, [id]);
  return ms;
}

function counted(
  stream: AsyncIterable<Uint8Array> & { on(name: "data", on: (chunk: Buffer) => void): unknown },
): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    stream.on("data", (chunk) => {
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) seen++;
      if (seen >= EVENTS) resolve();
    });
  });
}
