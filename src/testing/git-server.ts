import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join, normalize } from "node:path";

const BACKEND = "/usr/lib/git-core/git-http-backend";

/**
 * Serves the bare repositories of a folder over http: `/smart/NAME` by git's own backend (git-http-backend(1), CGI), `/plain/NAME` as files, as a
 * web server without it does. Every repository asked for below `/locked/` wants a password.
 */
export async function answerGit(root: string, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const [, kind, ...rest] = url.pathname.split("/");
  const path = normalize(`/${rest.join("/")}`);
  if (kind === "plain") return file(join(root, path));
  if (kind !== "smart")
    return new Response("no", { status: 401, headers: { "WWW-Authenticate": 'Basic realm="git"' } });
  const child = spawn(BACKEND, {
    env: {
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: path,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers.get("content-type") ?? "",
      HTTP_CONTENT_ENCODING: request.headers.get("content-encoding") ?? "",
      GIT_PROTOCOL: request.headers.get("git-protocol") ?? "",
      // The repositories may be another user's.
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.stdin.end(Buffer.from(await request.arrayBuffer()));
  const parts: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => parts.push(bytes));
  await once(child, "close");
  return cgiAnswer(Buffer.concat(parts));
}

function file(path: string): Response {
  try {
    return new Response(readFileSync(path));
  } catch {
    return new Response("no", { status: 404 });
  }
}

function cgiAnswer(out: Buffer): Response {
  const end = out.indexOf("\r\n\r\n");
  const lines = out.toString("latin1", 0, end).split("\r\n");
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const status = Number(headers.find(([name]) => name === "Status")?.[1]?.slice(0, 3) ?? 200);
  return new Response(out.subarray(end + 4), { status, headers: headers.filter(([name]) => name !== "Status") });
}
