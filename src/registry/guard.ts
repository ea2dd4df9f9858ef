import { type FetchAnswer, type FetchRequest, httpFetch, readBytes } from "../host/fetch.ts";
import { STALLED } from "./retry.ts";

/** Bytes that have to come, or go, within the time: a server that gives one now and then is as good as silent. */
const LEAST = 1024;
/** For an answer's head: a registry may have to fetch, or to verify, what it is asked for. In stalls. */
const HEAD_WAIT = { read: 2, write: 10 };
/** For the whole of a small answer. In stalls. */
const SMALL_WAIT = 4;

/**
 * `httpFetch` that gives up on a connection on which nothing moves for `stallMs`, in either direction: throws an error with the code STALLED. Time that the caller
 * takes, to read an answer or to give a body's next piece, does not count.
 */
export async function guardedFetch(url: string, request: FetchRequest, stallMs: number): Promise<FetchAnswer> {
  const stop = new AbortController();
  const watch = new Watch(stallMs, stop);
  const { body, method } = request;
  const signal = request.signal ? AbortSignal.any([request.signal, stop.signal]) : stop.signal;
  const stream = typeof body === "object" && !(body instanceof Uint8Array);
  const headWait = method === "GET" || method === "HEAD" ? HEAD_WAIT.read : HEAD_WAIT.write;
  watch.begin(stream ? 1 : headWait);
  let answer: FetchAnswer;
  try {
    const sent = stream ? { body: sending(body, watch, headWait) } : {};
    answer = await httpFetch(url, { ...request, ...sent, signal });
  } finally {
    watch.end(LEAST);
  }
  return {
    status: answer.status,
    header: answer.header,
    body: () => receiving(answer.body(), watch),
    bytes: async (limit) => {
      const whole = setTimeout(() => stop.abort(stalled(stallMs * SMALL_WAIT)), stallMs * SMALL_WAIT);
      try {
        return await readBytes(receiving(answer.body(), watch), limit);
      } finally {
        clearTimeout(whole);
      }
    },
  };
}

function stalled(ms: number): Error {
  return Object.assign(new Error(`the connection stood still for ${Math.ceil(ms / 1000)} s`), { code: STALLED });
}

/** Time that was waited for the other side since the last `LEAST` bytes. */
class Watch {
  #waited = 0;
  #bytes = 0;
  #since = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly stallMs: number,
    private readonly stop: AbortController,
  ) {}

  begin(times = 1): void {
    clearTimeout(this.#timer);
    const ms = this.stallMs * times;
    this.#since = performance.now();
    this.#timer = setTimeout(() => this.stop.abort(stalled(ms)), Math.max(0, ms - this.#waited));
  }

  end(bytes: number): void {
    clearTimeout(this.#timer);
    this.#bytes += bytes;
    if (this.#bytes < LEAST) this.#waited += performance.now() - this.#since;
    else {
      this.#bytes = 0;
      this.#waited = 0;
    }
  }
}

async function* receiving(source: AsyncIterable<Uint8Array>, watch: Watch): AsyncGenerator<Uint8Array, void, void> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      watch.begin();
      const next = await iterator.next();
      watch.end(next.value?.byteLength ?? 0);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    watch.end(LEAST);
    await iterator.return?.();
  }
}

/** Between pieces the clock runs: the next one is asked for when there is room on the wire. */
async function* sending(
  source: AsyncIterable<Uint8Array>,
  watch: Watch,
  headWait: number,
): AsyncGenerator<Uint8Array, void, void> {
  let sent = LEAST;
  try {
    for (const iterator = source[Symbol.asyncIterator](); ; ) {
      watch.end(sent);
      const next = await iterator.next();
      if (next.done) return;
      sent = next.value.byteLength;
      watch.begin();
      yield next.value;
    }
  } finally {
    watch.begin(headWait);
  }
}
