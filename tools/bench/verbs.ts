import { eachInTurns, elapsed, inTurns, type Pair, print, SHORT } from "./measure.ts";
import { drain, type Socket } from "./socket.ts";

const GOAL = "0.50";
const IMAGE = { Image: "busybox" };

/** Makes a container and tells its id. */
export async function create(engine: Socket, body: object = {}): Promise<string> {
  const { Id } = await engine.object<{ Id: string }>("POST /containers/create", {
    ...IMAGE,
    Cmd: ["sleep", "1000"],
    ...body,
  });
  return Id;
}

/** As `create`, and starts it. */
export async function start(engine: Socket, body: object = {}): Promise<string> {
  const id = await create(engine, body);
  await engine.call(`POST /containers/${id}/start`);
  return id;
}

/** Removes containers with what runs in them. */
export async function remove(engine: Socket, ids: string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += 20) {
    await Promise.all(ids.slice(at, at + 20).map((id) => engine.call(`DELETE /containers/${id}?force=1`)));
  }
}

/** The verbs of a container's life, one request each. */
export async function verbs(engines: Pair<Socket>, rounds: number): Promise<void> {
  const row = async (name: string, work: (engine: Socket) => Promise<number>): Promise<void> =>
    print({ name, goal: GOAL, ...(await inTurns(engines, rounds, work)) });

  await row("create", async (engine) => {
    let id = "";
    const ms = await elapsed(async () => (id = await create(engine)));
    await remove(engine, [id]);
    return ms;
  });
  await row("start", async (engine) => {
    const id = await create(engine);
    const ms = await elapsed(() => engine.call(`POST /containers/${id}/start`));
    await remove(engine, [id]);
    return ms;
  });
  await row("kill, until it has ended", async (engine) => {
    const id = await start(engine);
    const ms = await elapsed(() =>
      Promise.all([engine.call(`POST /containers/${id}/wait`), engine.call(`POST /containers/${id}/kill`)]),
    );
    await remove(engine, [id]);
    return ms;
  });
  await row("rm of a stopped container", async (engine) => {
    const id = await start(engine);
    await Promise.all([engine.call(`POST /containers/${id}/wait`), engine.call(`POST /containers/${id}/kill`)]);
    return elapsed(() => engine.call(`DELETE /containers/${id}`));
  });
  await row("rm -f of a running container", async (engine) => {
    const id = await start(engine);
    return elapsed(() => engine.call(`DELETE /containers/${id}?force=1`));
  });
  await withContainer(engines, async (ids) => {
    await row("exec true, to its end", (engine) => elapsed(() => exec(engine, ids.get(engine) ?? "")));
    const inspect = (engine: Socket): Promise<unknown> => engine.call(`GET /containers/${ids.get(engine)}/json`);
    print({ name: "inspect", goal: GOAL, ...(await eachInTurns(engines, { rounds, ...SHORT }, inspect)) });
  });
  // A few rounds: the peer waits for its time-out of 10 s each time.
  const stop = async (engine: Socket): Promise<number> => {
    const id = await start(engine);
    const ms = await elapsed(() => engine.call(`POST /containers/${id}/stop`));
    await remove(engine, [id]);
    return ms;
  };
  print({ name: "stop of a first process without a handler", goal: GOAL, ...(await inTurns(engines, 1, stop)) });
  await row("stop of a first process with a handler", async (engine) => {
    const id = await start(engine, { Cmd: ["sh", "-c", "trap 'exit 0' TERM; echo ready; sleep 1000 & wait"] });
    await ready(engine, id);
    const ms = await elapsed(() => engine.call(`POST /containers/${id}/stop`));
    await remove(engine, [id]);
    return ms;
  });
}

async function exec(engine: Socket, container: string): Promise<void> {
  const { Id } = await engine.object<{ Id: string }>(`POST /containers/${container}/exec`, {
    Cmd: ["true"],
    AttachStdout: true,
  });
  const { socket } = await engine.upgrade(`POST /exec/${Id}/start`, { Detach: false });
  await drain(socket);
}

async function ready(engine: Socket, id: string): Promise<void> {
  const logs = await engine.open(`GET /containers/${id}/logs?stdout=1&follow=1`);
  await new Promise<void>((resolve) => logs.once("data", () => resolve()));
  logs.destroy();
}

/** Runs `work` while each engine has a running container. */
async function withContainer(engines: Pair<Socket>, work: (ids: Map<Socket, string>) => Promise<void>): Promise<void> {
  const ids = new Map<Socket, string>();
  for (const engine of [engines.own, engines.peer]) if (engine) ids.set(engine, await start(engine));
  try {
    await work(ids);
  } finally {
    for (const [engine, id] of ids) await remove(engine, [id]);
  }
}
