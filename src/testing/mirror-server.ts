import { join, normalize } from "node:path";

/** What a mirror's server did and shall do. */
export interface MirrorServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  url: string;
  /** Paths that were asked for. */
  asked: string[];
  /** Answers in place of the file, where it gives one. */
  intercept: (path: string) => Response | undefined | Promise<Response | undefined>;
}

/** The files of a folder by HTTP at 127.0.0.1. */
export function mirrorServer(folder: string, tls?: { key: string; cert: string }): MirrorServer {
  const asked: string[] = [];
  const own: MirrorServer = {
    url: "",
    asked,
    intercept: () => undefined,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    ...(tls ? { tls } : {}),
    async fetch(request) {
      const path = normalize(decodeURIComponent(new URL(request.url).pathname));
      asked.push(path);
      const answer = await own.intercept(path);
      if (answer) return answer;
      const file = Bun.file(join(folder, path));
      return (await file.exists()) ? new Response(file) : new Response("", { status: 404 });
    },
  });
  own.url = `${tls ? "https" : "http"}://127.0.0.1:${server.port}`;
  return own;
}
