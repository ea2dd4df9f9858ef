import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { MediaType } from "../../../spec/oci.ts";
import { type RegistryKit, registryKit } from "../../../testing/registry-kit.ts";
import { openRooms } from "./body.ts";
import { type Place, Room, type RoomOptions } from "./room.ts";

const LONG = 60_000;
const never = new AbortController().signal;
const room = (options: Partial<RoomOptions> = {}): Room =>
  new Room({ bytes: 10, waitMs: LONG, patienceMs: LONG, ...options });
/** Whether it has come to an end by now. */
const settled = async (work: Promise<unknown>): Promise<boolean> => {
  const marker = Symbol();
  await delay(0);
  return (await Promise.race([work.catch(() => undefined), Promise.resolve(marker)])) !== marker;
};
const leave = (place: Place): void => place[Symbol.dispose]();

describe("a room", () => {
  test("is shared by as many as fit; who comes later waits its turn, also where it would fit", async () => {
    const own = room();
    const [one, two] = [await own.take(6, never), await own.take(4, never)];
    const large = own.take(5, never);
    const small = own.take(1, never);
    leave(two);
    expect([await settled(large), await settled(small)]).toEqual([false, false]);
    leave(one);
    const places = await Promise.all([large, small]);
    for (const place of places) leave(place);
    leave(await own.take(10, never));
  });

  test("a place that is given back twice counts once", async () => {
    const own = room();
    const one = await own.take(6, never);
    leave(one);
    leave(one);
    await own.take(10, never);
    expect(await settled(own.take(1, never))).toBe(false);
  });

  test("who gets none in time is told to come again, and those behind get theirs", async () => {
    const own = room({ waitMs: 50 });
    const one = await own.take(6, never);
    const large = own.take(9, never);
    await expect(large).rejects.toMatchObject({
      code: "TOOMANYREQUESTS",
      status: 503,
      headers: { "Retry-After": "5" },
    });
    leave(await own.take(4, never));
    leave(one);
    await own.take(10, never);
  });

  test("a client that goes leaves the line", async () => {
    const own = room();
    const one = await own.take(6, never);
    const leaving = new AbortController();
    const gone = own.take(9, leaving.signal);
    const next = own.take(4, never);
    leaving.abort();
    await expect(gone).rejects.toMatchObject({ code: "TOOMANYREQUESTS" });
    leave(await next);
    leave(one);
    await expect(own.take(1, AbortSignal.abort())).rejects.toMatchObject({ code: "TOOMANYREQUESTS" });
    await own.take(10, never);
  });
});

describe("a slow body", () => {
  /** Resolves when the place is wanted for others. */
  const wanted = ({ wanted: signal }: Place): Promise<void> =>
    new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

  test("keeps its place while nobody waits, and loses it to who does", async () => {
    const own = room({ patienceMs: 20 });
    const slow = await own.take(10, never);
    await delay(60);
    expect(slow.wanted.aborted).toBe(false);
    const next = own.take(10, never);
    await wanted(slow);
    leave(slow);
    await next;
  });

  test("of several only as many go as are needed; what is here already, or comes forward, stays", async () => {
    const own = room({ patienceMs: 20, bytes: 40 });
    const [here, quick, slow, slower] = [
      await own.take(10, never),
      await own.take(10, never),
      await own.take(10, never),
      await own.take(10, never),
    ];
    here?.arrived();
    const next = own.take(10, never);
    const comes = setInterval(() => quick?.came(1 << 20), 1);
    const first = await Promise.race([slow, slower].map((place) => wanted(place as Place).then(() => place)));
    leave(first as Place);
    await next;
    await delay(60);
    clearInterval(comes);
    const aborted = [here, quick, slow, slower].filter((place) => place?.wanted.aborted);
    expect(aborted).toEqual([first]);
  });

  test("time in which this process did nothing does not count", async () => {
    const own = room({ patienceMs: 200 });
    const one = await own.take(10, never);
    const next = own.take(10, never);
    const until = performance.now() + 400;
    while (performance.now() < until);
    await delay(0);
    expect(one.wanted.aborted).toBe(false);
    leave(one);
    await next;
  });
});

test("small bodies have a room of their own", async () => {
  const rooms = openRooms({ bytes: 10 });
  await rooms.any.take(10, never);
  expect(await settled(rooms.any.take(1, never))).toBe(false);
  await rooms.small.take(10, never);
});

describe("manifests over a socket", () => {
  const SIZE = 300_000;
  let kit: RegistryKit;
  let host = "";
  let sockets: Socket[];
  const logged: string[] = [];
  const open = (room: Partial<RoomOptions>): void => {
    kit = registryKit({ room: { bytes: SIZE, ...room }, log: (line) => logged.push(line) });
    host = kit.listen();
  };
  beforeEach(() => {
    sockets = [];
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await kit[Symbol.asyncDispose]();
    expect(logged).toEqual([]);
  });

  const manifest = (size = SIZE): Buffer => {
    const text = JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests: [] });
    return Buffer.from(text.padEnd(size));
  };
  const put = (tag: string, body: Buffer | ReadableStream): Promise<Response> =>
    fetch(`http://${host}/v2/a/manifests/${tag}`, {
      method: "PUT",
      body,
      headers: { "Content-Type": MediaType.index },
    });
  /** Says that it sends so much, and sends a part. Gives what is answered, once all of it has come. */
  const silent = async (size = SIZE): Promise<{ answer: Promise<string>; socket: Socket }> => {
    const socket = connect(Number(host.split(":")[1]), "127.0.0.1");
    sockets.push(socket.on("error", () => undefined));
    let said = "";
    socket.on("data", (data) => {
      said += data.toString();
    });
    const answer = new Promise<string>((resolve) => socket.once("close", () => resolve(said)));
    const head = `PUT /v2/a/manifests/silent HTTP/1.1\r\nHost: a\r\nContent-Type: ${MediaType.index}\r\nConnection: close\r\n`;
    await new Promise<void>((resolve) => socket.write(`${head}Content-Length: ${size}\r\n\r\n{`, () => resolve()));
    // Its head has been read by the time that others are answered.
    while ((await fetch(`http://${host}/v2/`)).status !== 200);
    return { answer, socket };
  };

  test("one after the other where there is room for one; all are taken, and the room is whole again", async () => {
    open({});
    for (let round = 0; round < 2; round++) {
      const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => put(`t${i}`, manifest())));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    }
    expect(Buffer.from(await (await fetch(`http://${host}/v2/a/manifests/t7`)).arrayBuffer()).equals(manifest())).toBe(
      true,
    );
  });

  test("a client that stops in the middle does not keep others out, and is told", async () => {
    open({ patienceMs: 50 });
    const { answer } = await silent();
    expect((await put("next", manifest())).status).toBe(201);
    expect(await answer).toMatch(/^HTTP\/1.1 503 [\s\S]*retry-after: 5\r\n[\s\S]*TOOMANYREQUESTS/i);
  });

  test("one that is refused, or goes, gives its room back", async () => {
    open({ waitMs: LONG, patienceMs: LONG });
    const { socket } = await silent();
    const next = put("next", manifest());
    socket.destroy();
    expect((await next).status).toBe(201);
    expect((await put("none", Buffer.alloc(SIZE, "x"))).status).toBe(400);
    expect((await put("next", manifest())).status).toBe(201);
  });

  test("where there is none in time: 503 with Retry-After, and small ones go past", async () => {
    open({ waitMs: 50, patienceMs: LONG });
    await silent();
    const late = await put("late", manifest());
    expect([late.status, late.headers.get("retry-after"), await late.text()]).toEqual([
      503,
      "5",
      expect.stringContaining("TOOMANYREQUESTS"),
    ]);
    expect((await put("small", manifest(1000))).status).toBe(201);
  });

  test("a length that is not told counts as the largest, and what is kept is as large as it is", async () => {
    open({ bytes: 4 * 1024 * 1024 });
    expect((await put("told", new Blob([manifest(1000)]).stream())).status).toBe(201);
    const kept = await kit.registry.context.manifests.get("a", "told");
    expect([kept.bytes.byteLength, kept.bytes.buffer.byteLength < 10_000]).toEqual([1000, true]);
  });
});
