// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { BerthError } from "../spec/errors.ts";
import { Lab } from "./lab.test.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.open();
});
afterAll(() => lab[Symbol.asyncDispose]());

const failure = async (promise: Promise<unknown>): Promise<BerthError> => {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (!(error instanceof BerthError)) throw new Error(`no BerthError: ${error}`);
  return error;
};

describe("what docker build prints", () => {
  test("steps, ids, output of both streams, the end", async () => {
    const Dockerfile = "ARG V=latest\nFROM base:$V\nRUN echo out; echo err >&2\nENV a=b\n";
    const { image, text, messages } = await lab.build({ Dockerfile }, { tags: ["show", "other:1"] });
    const lines = text.replace(/[0-9a-f]{12}/g, "ID").split("\n");
    expect(lines.filter((l) => l !== "out" && l !== "\x1b[91merr")).toEqual([
      "Step 1/4 : ARG V=latest",
      "Step 2/4 : FROM base:$V",
      " ---> ID",
      "Step 3/4 : RUN echo out; echo err >&2",
      " ---> Running in ID",
      "\x1b[0m ---> Removed intermediate container ID",
      " ---> ID",
      "Step 4/4 : ENV a=b",
      " ---> Running in ID",
      " ---> Removed intermediate container ID",
      " ---> ID",
      "Successfully built ID",
      "Successfully tagged show:latest",
      "Successfully tagged other:1",
      "",
    ]);
    expect(text).toContain("out\n");
    expect(text).toContain("err\n");
    expect(text).toContain(` ---> ${image.id.slice(7, 19)}\nSuccessfully built ${image.id.slice(7, 19)}\n`);
    expect(messages.find((m) => m.aux)?.aux).toEqual({ ID: image.id });
    expect(image.tags.sort()).toEqual(["other:1", "show:latest"]);
  });

  test("quiet prints the id alone", async () => {
    const { image, messages } = await lab.build({ Dockerfile: "FROM base\nRUN echo noise\n" }, { quiet: true });
    expect(messages).toEqual([{ aux: { ID: image.id } }, { stream: `${image.id}\n` }]);
  });

  test("build arguments that no ARG asked for are named once", async () => {
    const buildArgs = { used: "1", foo: "1", bar: null, http_proxy: "http://p" };
    const { text } = await lab.build({ Dockerfile: "FROM base\nARG used\nCMD x\n" }, { buildArgs });
    expect(text).toContain("[Warning] One or more build-args [bar foo] were not consumed\n");
    expect(text.match(/Warning/g)).toHaveLength(1);
  });

  test("labels of the command line are a last step, and nothing in them is expanded", async () => {
    const labels = { b: "$HOME 'q' \"d\" \\", a: "1" };
    const { image, text } = await lab.build({ Dockerfile: "FROM base\nLABEL a=0\n" }, { labels });
    expect(text).toContain("Step 4/4 : LABEL b=$HOME");
    expect(image.config.config?.Labels).toEqual(labels);
  });
});

describe("failures", () => {
  test("a command that fails: Docker's words, the place, the code for the client", async () => {
    const error = await failure(lab.build({ Dockerfile: "FROM base\n\nRUN false\nRUN true\n" }));
    expect(error.message).toBe("The command '/bin/sh -c false' returned a non-zero code: 1");
    expect(error.cause).toEqual({ code: 1 });
  });

  test("finished steps stay in the cache, nothing else is left", async () => {
    const before = lab.deps.images.list({ all: true, filters: {} }).length;
    await failure(lab.build({ Dockerfile: "FROM base\nRUN echo kept >/kept\nRUN exit 7\n" }));
    expect(readdirSync(join(lab.root, "build"))).toEqual([]);
    expect(lab.deps.images.list({ all: true, filters: {} })).toHaveLength(before);
    const { text } = await lab.build({ Dockerfile: "FROM base\nRUN echo kept >/kept\n" });
    expect(text).toContain("Using cache");
  });

  test.each([
    ["FROM nosuch:1\n", "No such image: nosuch:1 (make it with 'berth bootstrap')"],
    ["FROM base\nEXPOSE abc\n", "Invalid containerPort: abc"],
    ["FROM base\nSTOPSIGNAL FOO\n", "invalid signal: FOO"],
    ["FROM base\nENV x=${y:?no}\n", 'failed to process "${y:?no}": y: no'],
    ["FROM base\nRUN --mount=type=cache,target=/x true\n", "the --mount option requires BuildKit."],
    ["FROM base\nCOPY --from=1 a b\n", "invalid from flag value 1: index out of bounds"],
    ["FROM base\nCOPY --chown=ghost Dockerfile /\n", "can't find uid for user ghost: no such user: ghost"],
    ["FROM --platform=linux/s390x base\n", "does not match the specified platform (linux/s390x)"],
    ["FROM scratch\n", "No image was generated. Is your Dockerfile empty?"],
    ["FROM $nothing\n", "base name ($nothing) should not be blank"],
    ["", "the Dockerfile (Dockerfile) cannot be empty"],
    ["RUN x\n", "no build stage in current context"],
    ["FROM base\nRUNN x\n", "dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)"],
  ])("%j", async (Dockerfile, message) => {
    const error = await failure(lab.build({ Dockerfile }));
    expect(error.message).toContain(message);
    expect(error.message).not.toContain("\n");
  });

  test("an image that is not here says how to get one", async () => {
    expect((await failure(lab.build({ Dockerfile: "FROM nosuch\n" }))).message).toContain("berth bootstrap");
  });

  test("bad options are refused before anything is unpacked", async () => {
    const Dockerfile = "FROM base\n";
    expect((await failure(lab.build({ Dockerfile }, { tags: ["Bad Name"] }))).message).toContain("invalid reference");
    const target = await failure(lab.build({ Dockerfile: "FROM base AS one\n" }, { target: "two" }));
    expect(target.message).toBe('target stage "two" could not be found');
    const epoch = lab.build({ Dockerfile }, { buildArgs: { SOURCE_DATE_EPOCH: "soon" } });
    expect((await failure(epoch)).message).toContain("invalid SOURCE_DATE_EPOCH: soon");
    expect(readdirSync(join(lab.root, "build"))).toEqual([]);
  });

  test("a cancelled build stops its command", async () => {
    const stop = new AbortController();
    const running = lab.build({ Dockerfile: "FROM base\nRUN echo started; sleep 600\n" }, { signal: stop.signal });
    const started = setInterval(() => {
      if (lab.runs.at(-1)?.args.at(-1)?.includes("sleep 600")) stop.abort();
    }, 20);
    const error = await failure(running);
    clearInterval(started);
    expect(error.message).toBe("build cancelled");
  });
});

describe("cache", () => {
  const context = { Dockerfile: 'FROM base\nWORKDIR /src\nCOPY . .\nRUN cat a >out\nCMD ["x"]\n', a: "1" };

  test("the same again: every step is there, the image is the same", async () => {
    const first = await lab.build(context);
    const runs = lab.runs.length;
    const second = await lab.build(context);
    expect(second.text.match(/Using cache/g)).toHaveLength(4);
    expect(second.image.id).toBe(first.image.id);
    expect(lab.runs).toHaveLength(runs);
  });

  test("touched files hit, changed bytes and modes miss", async () => {
    const { image } = await lab.build(context);
    const touched = await lab.build({ ...context, a: { text: "1", mtimeSec: 1_800_000_000 } });
    expect(touched.image.id).toBe(image.id);
    const bytes = await lab.build({ ...context, a: "2" });
    expect(lab.text(bytes.image, "/src/out")).toBe("2");
    const mode = await lab.build({ ...context, a: { text: "1", mode: 0o600 } });
    expect(mode.text.match(/Using cache/g)).toHaveLength(1);
  });

  test("without the cache everything runs again", async () => {
    await lab.build(context);
    const runs = lab.runs.length;
    const { text } = await lab.build(context, { noCache: true });
    expect(text).not.toContain("Using cache");
    expect(lab.runs).toHaveLength(runs + 1);
  });

  test("an entry whose layer is gone is a miss", async () => {
    const Dockerfile = "FROM base\nRUN echo x >/x\n";
    const { image } = await lab.build({ Dockerfile });
    const top = image.top;
    if (!top) throw new Error("no layer");
    await lab.deps.images.remove(image.id, { force: true, prune: true, users: [] });
    await lab.deps.images.gc({ chains: [], blobs: [] });
    expect(lab.deps.layers.get(top)).toBeUndefined();
    const again = await lab.build({ Dockerfile });
    expect(again.text).not.toContain("Using cache");
    expect(lab.text(again.image, "/x")).toBe("x\n");
  });

  test("two builds at once run an identical step once", async () => {
    const Dockerfile = "FROM base\nRUN sleep 0.3; echo once >/once\n";
    const runs = lab.runs.length;
    const [a, b] = await Promise.all([lab.build({ Dockerfile }), lab.build({ Dockerfile })]);
    expect(lab.runs).toHaveLength(runs + 1);
    expect(a.image.top).toBe(b.image.top);
    expect(a.text + b.text).toContain("Waiting for the same step of another build");
  });

  test("where the other build fails, this one tries itself", async () => {
    const Dockerfile = "FROM base\nRUN sleep 0.2; exit 3\n";
    const runs = lab.runs.length;
    const ends = await Promise.allSettled([lab.build({ Dockerfile }), lab.build({ Dockerfile })]);
    expect(ends.map((e) => e.status)).toEqual(["rejected", "rejected"]);
    expect(lab.runs).toHaveLength(runs + 2);
  });
});

describe("stages", () => {
  test("copy from a stage by name and number, unused ones are not built", async () => {
    const Dockerfile = [
      "FROM base AS one\nRUN echo 1 >/f && chmod 4750 /f && touch /g",
      "FROM base AS unused\nRUN echo never >/never",
      "FROM scratch\nCOPY --from=one /f /a\nCOPY --from=0 /f /b/\nCOPY --from=base /etc/passwd /p\n",
    ].join("\n");
    const runs = lab.runs.length;
    const { image, text } = await lab.build({ Dockerfile });
    expect(lab.runs).toHaveLength(runs + 1);
    expect(text).toContain("Step 6/6");
    expect(lab.text(image, "/a")).toBe("1\n");
    expect(lab.view(image).lstat("/b/f")?.mode).toBe(0o4750);
    expect(lab.text(image, "/p")).toContain("root");
    expect(image.config.rootfs.diff_ids).toHaveLength(3);
  });

  test("a target, and a stage on a stage", async () => {
    const Dockerfile = "FROM base AS a\nENV x=1\nARG y=2\nFROM a AS b\nENV z=$x$y\nFROM b\nENV never=1\n";
    const { image } = await lab.build({ Dockerfile }, { target: "b" });
    expect(image.config.config?.Env).toEqual(["PATH=/bin", "x=1", "z=12"]);
  });

  test("a Dockerfile that only names an image gives it the tag", async () => {
    const { image } = await lab.build({ Dockerfile: "FROM base\n" }, { tags: ["alias"] });
    expect(image.id).toBe(lab.deps.images.resolve("base").id);
    expect(image.tags).toContain("alias:latest");
  });

  test("triggers of a base image run in its child only", async () => {
    const parent =
      "FROM base\nONBUILD COPY f /from-context\nONBUILD RUN <<E\necho trigger >/t\nE\nONBUILD ENV on=build\n";
    await lab.build({ Dockerfile: parent }, { tags: ["parent"] });
    const child = await lab.build({ Dockerfile: "FROM parent\nCMD x\n", f: "ctx" }, { tags: ["child"] });
    expect(child.text).toContain("# Executing 3 build triggers\n");
    expect(lab.text(child.image, "/from-context")).toBe("ctx");
    expect(lab.text(child.image, "/t")).toBe("trigger\n");
    expect(child.image.config.config?.Env).toContain("on=build");
    expect(child.image.config.config?.OnBuild).toBeUndefined();
    expect((await lab.build({ Dockerfile: "FROM child\nCMD y\n" })).text).not.toContain("trigger");
    const broken = await failure(lab.build({ Dockerfile: "\nFROM parent\n" }));
    expect(broken.message).toContain("stat f: file does not exist");
  });
});

describe("arguments and environment", () => {
  test("ARG and ENV scopes", async () => {
    const Dockerfile = [
      "ARG G=global",
      "FROM base",
      "ARG G\nARG D=default\nARG N\nARG E=arg",
      "ENV E=env",
      'RUN echo "$G,$D,$N,$E,${HTTP_PROXY}" >/seen\n',
    ].join("\n");
    const buildArgs = { D: "given", HTTP_PROXY: "http://proxy" };
    const { image } = await lab.build({ Dockerfile }, { buildArgs });
    expect(lab.text(image, "/seen")).toBe("global,given,,env,http://proxy\n");
    expect(JSON.stringify(image.config)).not.toContain("http://proxy");
    expect(image.config.config?.Env).toEqual(["PATH=/bin", "E=env"]);
  });

  test("a changed build argument misses, a changed proxy hits", async () => {
    const Dockerfile = "FROM base\nARG v\nRUN echo $v >/v\n";
    const one = await lab.build({ Dockerfile }, { buildArgs: { v: "1", http_proxy: "a" } });
    const two = await lab.build({ Dockerfile }, { buildArgs: { v: "2", http_proxy: "a" } });
    expect(lab.text(two.image, "/v")).toBe("2\n");
    const proxy = await lab.build({ Dockerfile }, { buildArgs: { v: "1", http_proxy: "b" } });
    expect(proxy.image.id).toBe(one.image.id);
  });

  test("platform arguments are there for FROM and after ARG", async () => {
    const Dockerfile = "FROM --platform=$BUILDPLATFORM base\nARG TARGETOS\nENV os=$TARGETOS none=$TARGETARCH\n";
    const { image } = await lab.build({ Dockerfile });
    expect(image.config.config?.Env?.slice(1)).toEqual(["os=linux", "none="]);
  });

  test("here-documents: as a script, with an interpreter, below a command", async () => {
    const Dockerfile = [
      "FROM base",
      "RUN <<EOF\necho one >/one\nfalse\necho two >>/one\nEOF",
      "RUN <<EOF\n#!/bin/cat\nnot shell: $(false)\nEOF",
      "ENV who=world",
      "RUN cat <<A >/a && cat <<'B' >/b\nhello $who\nA\nhello $who\nB",
      "COPY <<c.txt <<'d.txt' /dst/\nhello \"$who\"\nc.txt\nhello $who\nd.txt\n",
    ].join("\n");
    const { image, text } = await lab.build({ Dockerfile });
    expect(lab.text(image, "/one")).toBe("one\ntwo\n");
    expect(text).toContain("not shell: $(false)\n");
    expect(lab.text(image, "/a")).toBe("hello world\n");
    expect(lab.text(image, "/b")).toBe("hello $who\n");
    expect(lab.text(image, "/dst/c.txt")).toBe('hello "world"\n');
    expect(lab.text(image, "/dst/d.txt")).toBe("hello $who\n");
  });
});

test("configuration and history of an image", async () => {
  const Dockerfile = [
    "FROM base",
    "MAINTAINER me",
    'SHELL ["/bin/sh", "-ec"]',
    "EXPOSE 80 53/udp",
    "VOLUME /data",
    "USER app",
    "WORKDIR /home",
    "WORKDIR work",
    "STOPSIGNAL SIGQUIT",
    "HEALTHCHECK --interval=1s --retries=2 CMD exit 0",
    'ENTRYPOINT ["memcached"]',
    "RUN touch here",
    "CMD -v\n",
  ].join("\n");
  const { image } = await lab.build({ Dockerfile });
  expect(image.config.author).toBe("me");
  expect(image.config.config).toEqual({
    Env: ["PATH=/bin"],
    Shell: ["/bin/sh", "-ec"],
    ExposedPorts: { "80/tcp": {}, "53/udp": {} },
    Volumes: { "/data": {} },
    User: "app",
    WorkingDir: "/home/work",
    StopSignal: "SIGQUIT",
    Healthcheck: { Test: ["CMD-SHELL", "exit 0"], Interval: 1e9, Retries: 2 },
    Entrypoint: ["memcached"],
    Cmd: ["/bin/sh", "-ec", "-v"],
  });
  const { uid, gid, mode } = lab.view(image).lstat("/home/work") ?? {};
  expect({ uid, gid, mode }).toEqual({ uid: 1001, gid: 1002, mode: 0o755 });
  const history = image.config.history?.slice(-12) ?? [];
  expect(history.map((h) => [h.created_by, Boolean(h.empty_layer)])).toEqual([
    ["MAINTAINER me", true],
    ["SHELL [/bin/sh -ec]", true],
    ["EXPOSE [53/udp 80/tcp]", true],
    ["VOLUME [/data]", true],
    ["USER app", true],
    ["WORKDIR /home", false],
    ["WORKDIR /home/work", false],
    ["STOPSIGNAL SIGQUIT", true],
    ["HEALTHCHECK --interval=1s --retries=2 CMD exit 0", true],
    ['ENTRYPOINT ["memcached"]', true],
    ["RUN /bin/sh -ec touch here # buildkit", false],
    ['CMD ["/bin/sh" "-ec" "-v"]', true],
  ]);
  expect(history[0]?.comment).toBe("buildkit.dockerfile.v0");
});
