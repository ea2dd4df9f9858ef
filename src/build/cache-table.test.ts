// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type FileSpec, Lab } from "./lab.test.ts";
import type { BuildOptions } from "./types.ts";

/** One build: instructions after FROM, the context, options. */
type Input = [string, Record<string, FileSpec>?, Partial<BuildOptions>?];

let lab: Lab;
let row = 0;
beforeAll(async () => {
  lab = await Lab.open();
});
afterAll(() => lab[Symbol.asyncDispose]());

const file = (text: string, more: Partial<Exclude<FileSpec, string | Buffer>> = {}): FileSpec => ({ text, ...more });
const args = (buildArgs: Record<string, string | null>): Partial<BuildOptions> => ({ buildArgs });

/** Builds both on a base that no other row has; what the second finds in the cache, a letter per step: h hit, m miss. */
async function second(first: Input, then: Input): Promise<string> {
  row++;
  let text = "";
  for (const [lines, files = {}, options = {}] of [first, then]) {
    const Dockerfile = `FROM base\nCOPY <<ROW /row\n${row}\nROW\n${lines}\n`;
    ({ text } = await lab.build({ Dockerfile, ...files }, options));
  }
  const steps = text.split(/^Step \d+\/\d+ : /m).slice(3);
  return steps.map((step) => (step.includes("Using cache") ? "h" : "m")).join("");
}

test.each<[string, string, Input, Input]>([
  ["the same", "hhh", ["RUN true\nENV a=b\nCMD x"], ["RUN true\nENV a=b\nCMD x"]],
  [
    "a changed command, and all RUNs after it",
    "hmm",
    ["ENV a=b\nRUN echo 1 >/x\nRUN true"],
    ["ENV a=b\nRUN echo 2 >/x\nRUN true"],
  ],
  ["a changed command that changes nothing else", "mh", ["RUN true\nRUN true"], ["RUN true;\nRUN true"]],
  ["whitespace in a command counts", "m", ["RUN true  a"], ["RUN true a"]],
  ["shell and exec form are two commands", "m", ["RUN true"], ['RUN ["true"]']],
  ["comments and case of keywords do not count", "hh", ["RUN true\nUSER app"], ["# c\nrun true\n# d\nuser app"]],
  ["continuation lines are one line", "h", ["RUN true a b"], ["RUN true a \\\n# c\nb"]],
  ["ENV before RUN counts", "mm", ["ENV a=1\nRUN true"], ["ENV a=2\nRUN true"]],
  [
    "LABEL, CMD, EXPOSE before RUN do not",
    "mmmh",
    ["LABEL a=1\nCMD x\nEXPOSE 1\nRUN true"],
    ["LABEL a=2\nCMD y\nEXPOSE 2\nRUN true"],
  ],
  ["USER before RUN counts", "mm", ["USER 1\nRUN true"], ["USER 2\nRUN true"]],
  ["WORKDIR before RUN counts", "mm", ["WORKDIR /tmp\nRUN true"], ["WORKDIR /etc\nRUN true"]],
  [
    "SHELL before a shell form counts",
    "mm",
    ['SHELL ["/bin/sh", "-c"]\nRUN true'],
    ['SHELL ["/bin/sh", "-ec"]\nRUN true'],
  ],
  [
    "SHELL before an exec form does not",
    "mh",
    ['SHELL ["/bin/sh", "-c"]\nRUN ["true"]'],
    ['SHELL ["/bin/sh", "-ec"]\nRUN ["true"]'],
  ],
  [
    "a changed build argument",
    "hm",
    ["ARG v\nRUN true", {}, args({ v: "1" })],
    ["ARG v\nRUN true", {}, args({ v: "2" })],
  ],
  [
    "an argument declared after RUN does not count for it",
    "hh",
    ["RUN true\nARG v", {}, args({ v: "1" })],
    ["RUN true\nARG v", {}, args({ v: "2" })],
  ],
  [
    "a default and the same value given are the same",
    "hh",
    ["ARG v=1\nRUN true"],
    ["ARG v=1\nRUN true", {}, args({ v: "1" })],
  ],
  [
    "a proxy does not count",
    "h",
    ["RUN true", {}, args({ HTTP_PROXY: "http://a" })],
    ["RUN true", {}, args({ HTTP_PROXY: "http://b" })],
  ],
  ["a proxy that is not declared, then none", "h", ["RUN true", {}, args({ no_proxy: "x" })], ["RUN true"]],
  ["an argument nobody asked for does not count", "h", ["RUN true"], ["RUN true", {}, args({ other: "1" })]],
  ["an ENV hides a changed argument before it", "mhh", ["ARG v=1\nENV v=e\nRUN true"], ["ARG v=2\nENV v=e\nRUN true"]],
  ["another network", "m", ["RUN --network=none true"], ["RUN true"]],
  ["a time alone", "h", ["COPY a /a", { a: file("1") }], ["COPY a /a", { a: file("1", { mtimeSec: 1 }) }]],
  [
    "an owner in the context alone",
    "h",
    ["COPY a /a", { a: file("1") }],
    ["COPY a /a", { a: file("1", { uid: 9, gid: 9 }) }],
  ],
  ["a mode", "m", ["COPY a /a", { a: file("1") }], ["COPY a /a", { a: file("1", { mode: 0o755 }) }]],
  ["a byte of the same length", "m", ["COPY a /a", { a: "1" }], ["COPY a /a", { a: "2" }]],
  ["a file that is not copied", "h", ["COPY a /a", { a: "1" }], ["COPY a /a", { a: "1", b: "2" }]],
  ["a file more in a copied folder", "m", ["COPY d /d", { "d/a": "1" }], ["COPY d /d", { "d/a": "1", "d/b": "" }]],
  ["an empty folder more", "m", ["COPY d /d", { "d/a": "1" }], ["COPY d /d", { "d/a": "1", "d/e/": {} }]],
  ["a renamed file in a folder", "m", ["COPY d /d", { "d/a": "1" }], ["COPY d /d", { "d/b": "1" }]],
  [
    "another target of a link",
    "m",
    ["COPY d /d", { "d/l": { type: "symlink", link: "x" } }],
    ["COPY d /d", { "d/l": { type: "symlink", link: "y" } }],
  ],
  [
    "a file that .dockerignore takes away",
    "h",
    ["COPY . /d", { ".dockerignore": "*.log\nDockerfile", a: "1" }],
    ["COPY . /d", { ".dockerignore": "*.log\nDockerfile", a: "1", "b.log": "2" }],
  ],
  ["another destination", "m", ["COPY a /a", { a: "1" }], ["COPY a /b", { a: "1" }]],
  ["a destination written otherwise", "h", ["COPY a /a", { a: "1" }], ["COPY ./a /./a", { a: "1" }]],
  [
    "a pattern that now finds more",
    "m",
    ["COPY *.t /d/", { "a.t": "1" }],
    ["COPY *.t /d/", { "a.t": "1", "b.t": "2" }],
  ],
  ["another owner asked for", "m", ["COPY --chown=1 a /a", { a: "1" }], ["COPY --chown=2 a /a", { a: "1" }]],
  [
    "a name and its number are the same owner",
    "h",
    ["COPY --chown=app a /a", { a: "1" }],
    ["COPY --chown=1001:1002 a /a", { a: "1" }],
  ],
  ["another mode asked for", "m", ["COPY --chmod=700 a /a", { a: "1" }], ["COPY --chmod=711 a /a", { a: "1" }]],
  ["CMD before COPY does not count", "mh", ["CMD x\nCOPY a /a", { a: "1" }], ["CMD y\nCOPY a /a", { a: "1" }]],
  [
    "a layer before COPY does",
    "mm",
    ["RUN echo 1 >/x\nCOPY a /a", { a: "1" }],
    ["RUN echo 2 >/x\nCOPY a /a", { a: "1" }],
  ],
  ["a here-document's text", "m", ["COPY <<E /e\n1\nE"], ["COPY <<E /e\n2\nE"]],
  ["a variable in a here-document", "mm", ["ENV v=1\nCOPY <<E /e\n$v\nE"], ["ENV v=2\nCOPY <<E /e\n$v\nE"]],
  ["a here-document of RUN", "m", ["RUN <<E\ntrue 1\nE"], ["RUN <<E\ntrue 2\nE"]],
  ["without the cache", "mm", ["RUN true\nENV a=b"], ["RUN true\nENV a=b", {}, { noCache: true }]],
  ["another tag and quiet labels", "h", ["RUN true", {}, { tags: ["one:1"] }], ["RUN true", {}, { tags: ["two:1"] }]],
])("%s: %s", async (_, expected, first, then) => {
  expect(await second(first, then)).toBe(expected);
});

test("COPY --from hits while the other stage's files are the same, however they were made", async () => {
  const build = (command: string) =>
    lab.build({ Dockerfile: `FROM base AS one\nRUN ${command}\nFROM base\nCOPY --from=one /f /g\nRUN cat /g\n` });
  await build("echo 1 >/f");
  const same = await build("echo 1 >/f; true");
  expect(same.text.match(/Using cache/g)).toHaveLength(2);
  const other = await build("echo 2 >/f");
  expect(other.text).not.toContain("Using cache");
  expect(lab.text(other.image, "/g")).toBe("2\n");
});

test("stages that the target does not need are not built, whatever refers to them", async () => {
  const Dockerfile = [
    "FROM base AS a\nRUN echo a >/a",
    "FROM base AS b\nRUN exit 1",
    "FROM a AS c\nRUN echo c >/c",
    "FROM base AS d\nCOPY --from=b /x /x",
    "FROM base AS e\nCOPY --from=c /c /c\nCOPY --from=0 /a /a",
    "FROM d AS last\nRUN exit 2\n",
  ].join("\n");
  const commands = (from: number): string[] => lab.runs.slice(from).map((r) => r.args.at(-1) ?? "");
  const begun = lab.runs.length;
  const { image } = await lab.build({ Dockerfile }, { target: "e" });
  expect(commands(begun)).toEqual(["echo a >/a", "echo c >/c"]);
  expect(lab.text(image, "/c")).toBe("c\n");
  expect(lab.text(image, "/a")).toBe("a\n");
  expect((await lab.build({ Dockerfile }, { target: "2" })).text).toContain("Using cache");
  expect(lab.build({ Dockerfile })).rejects.toThrow("returned a non-zero code: 1");
});

test("ONBUILD chains: triggers of triggers' images run once each, in order, and are not inherited", async () => {
  await lab.build(
    { Dockerfile: "FROM base\nONBUILD RUN echo one >>/log\nONBUILD RUN echo two >>/log\n" },
    { tags: ["on1"] },
  );
  const mid = "FROM on1\nRUN echo mid >>/log\nONBUILD RUN echo three >>/log\nONBUILD WORKDIR /w\n";
  const middle = await lab.build({ Dockerfile: mid }, { tags: ["on2"] });
  expect(lab.text(middle.image, "/log")).toBe("one\ntwo\nmid\n");
  expect(middle.image.config.config?.OnBuild).toEqual(["RUN echo three >>/log", "WORKDIR /w"]);
  const Dockerfile = "FROM on2 AS x\nRUN echo x >>/log\nFROM x\nRUN echo y >>/log\n";
  const last = await lab.build({ Dockerfile }, { tags: ["on3"] });
  expect(lab.text(last.image, "/log")).toBe("one\ntwo\nmid\nthree\nx\ny\n");
  expect(last.image.config.config?.WorkingDir).toBe("/w");
  expect(last.image.config.config?.OnBuild).toBeUndefined();
});
