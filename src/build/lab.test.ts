import { afterAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openImageStore } from "../image/store.ts";
import type { Image } from "../image/types.ts";
import { openLayerStore } from "../layer/store.ts";
import type { TarHeader } from "../layer/tar/header.ts";
import { tarHeader, writeTar } from "../layer/tar/writer.ts";
import type { LayerStore, RootView } from "../layer/types.ts";
import { BerthError } from "../spec/errors.ts";
import { openBlobStore } from "../store/blobs.ts";
import { openDisk } from "../store/disk.ts";
import { openLeases } from "../store/leases.ts";
import { openRecords } from "../store/records.ts";
import { build } from "./build.ts";
import type { BuildDeps, BuildOptions, BuildProgress, Runner, RunStep } from "./types.ts";

/** A file of a test's tar: its text, or a header with a body. A name that ends in a slash is a folder. */
export type FileSpec = string | Buffer | (Partial<TarHeader> & { text?: string | Buffer });

const APPLETS = "sh cat chmod cp echo env false grep id ls mkdir mktemp printenv rm sleep stat touch true wc".split(
  " ",
);

/** A tar of the files, in the order given. */
export function tarOf(files: Record<string, FileSpec>): AsyncIterable<Uint8Array> {
  return writeTar(
    Object.entries(files).map(([path, spec]) => {
      const { text = "", ...parts } =
        typeof spec === "string" || Buffer.isBuffer(spec) ? { text: spec } : { text: "", ...spec };
      const body = Buffer.from(text);
      const dir = path.endsWith("/") ? { type: "dir" as const, mode: 0o755 } : {};
      return { header: tarHeader({ path, ...dir, mtimeSec: 1_700_000_000, size: body.length, ...parts }), body };
    }),
  );
}

/** The tar as one buffer, to be put inside another. */
export async function bytesOf(tar: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of tar) parts.push(piece);
  return Buffer.concat(parts);
}

/** What a build said and made. */
export interface Built {
  image: Image;
  text: string;
  messages: BuildProgress[];
}

/** A builder over real stores, with images `base` (busybox) and whatever tests add; commands run in a private mount namespace on a real overlay. */
export class Lab implements AsyncDisposable {
  readonly root = mkdtempSync(join(tmpdir(), "berth-build-"));
  readonly deps: BuildDeps;
  readonly runs: RunStep[] = [];

  private constructor() {
    const records = openRecords(join(this.root, "berth.db"));
    const disk = openDisk(this.root);
    const layers = openLayerStore({ root: join(this.root, "layers"), records, disk });
    const blobs = openBlobStore(this.root, disk);
    const leases = openLeases(records);
    const tmp = join(this.root, "build");
    mkdirSync(tmp);
    const images = openImageStore({ records, blobs, layers, leases, disk, tmp });
    this.deps = { records, blobs, layers, images, leases, pull: noRegistry, runner: this.runner(layers), tmp };
  }

  static async open(): Promise<Lab> {
    const lab = new Lab();
    const links = APPLETS.map((name) => [`bin/${name}`, { type: "symlink", link: "busybox", mode: 0o777 }]);
    const files: Record<string, FileSpec> = {
      "bin/": {},
      "bin/busybox": { text: readFileSync("/bin/busybox"), mode: 0o755 },
      ...Object.fromEntries(links),
      "etc/": {},
      "etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1001:1002::/home/app:/bin/sh\n",
      "etc/group": "root:x:0:\nstaff:x:50:\n",
      "opt/": { mode: 0o700, uid: 7, gid: 8 },
      "tmp/": { mode: 0o1777 },
    };
    const run = { Cmd: ["sh"], Env: ["PATH=/bin"] };
    await lab.deps.images.importTar(tarOf(files), { reference: "base", run });
    return lab;
  }

  /** Builds; `files` is the context. */
  async build(files: Record<string, FileSpec>, options: Partial<BuildOptions> = {}): Promise<Built> {
    const steps = build(tarOf(files), { ...DEFAULTS, ...options }, this.deps);
    const messages: BuildProgress[] = [];
    for (;;) {
      const next = await steps.next();
      if (next.done) return { image: next.value, messages, text: messages.map((m) => m.stream ?? "").join("") };
      messages.push(next.value);
    }
  }

  /** The image's root. */
  view(image: Image): RootView {
    return this.deps.layers.view(image.top);
  }

  /** A text file of the image. */
  text(image: Image, path: string): string | undefined {
    return this.view(image).readFile(path)?.toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.deps.records.close();
    rmSync(this.root, { recursive: true, force: true });
  }

  private runner(layers: LayerStore): Runner {
    return {
      run: async (step) => {
        this.runs.push(step);
        const folder = mkdtempSync(join(this.root, "run-"));
        const [upper, work, merged] = ["upper", "work", "merged"].map((n) => join(folder, n));
        for (const path of [upper, work, merged]) mkdirSync(path ?? "");
        const mount = layers.mount(step.top, { upper: upper ?? "", work: work ?? "" });
        const data = `lowerdir=${mount.lower.join(":")},upperdir=${upper},workdir=${work}`;
        const script = `cd "$1" && mount -t overlay overlay -o "$2" "$3" && shift 2 && exec chroot "$@"`;
        const inside = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', step.run.WorkingDir || "/", ...step.args];
        const code = await this.spawn(
          ["-m", "--propagation", "private", "sh", "-c", script, "sh", mount.base, data, merged ?? "", ...inside],
          step,
        );
        const dispose = async (): Promise<void> => rmSync(folder, { recursive: true, force: true });
        return { code, upper: upper ?? "", [Symbol.asyncDispose]: dispose };
      },
    };
  }

  private spawn(args: string[], step: RunStep): Promise<number> {
    const env = Object.fromEntries(
      (step.run.Env ?? []).map((line) => [line.split("=", 1)[0], line.replace(/^[^=]*=/, "")]),
    );
    const child = spawn("/usr/bin/unshare", args, {
      env: { ...env, PATH: `${env["PATH"]}:/usr/sbin:/usr/bin` },
      stdio: ["ignore", "pipe", "pipe"],
      killSignal: "SIGKILL",
      ...(step.signal ? { signal: step.signal } : {}),
    });
    child.stdout.on("data", (b: Buffer) => step.output("stdout", b));
    child.stderr.on("data", (b: Buffer) => step.output("stderr", b));
    return new Promise((resolve) => {
      // A killed program is judged by its exit code.
      child.on("error", () => undefined);
      child.on("close", (code) => resolve(code ?? 137));
    });
  }
}

/** Options of a plain `docker build`. */
export const DEFAULTS: BuildOptions = {
  dockerfile: "Dockerfile",
  tags: [],
  buildArgs: {},
  labels: {},
  noCache: false,
  quiet: false,
};

const mounts = (): string[] => readFileSync("/proc/self/mounts", "utf8").split("\n");
afterAll(() => expect(mounts().filter((line) => line.includes("berth-build-"))).toEqual([]));

test("the lab runs commands on a real overlay and leaves nothing behind", async () => {
  let root: string;
  {
    await using lab = await Lab.open();
    root = lab.root;
    const { image } = await lab.build({ Dockerfile: "FROM base\nRUN echo hi >/greeting\n" });
    expect(lab.text(image, "/greeting")).toBe("hi\n");
    expect(readdirSync(lab.root).filter((n) => n.startsWith("run-"))).toEqual([]);
    expect(readdirSync(join(lab.root, "build"))).toEqual([]);
  }
  expect(() => readdirSync(root)).toThrow();
});

/** No registry anywhere: what is not here cannot be had. */
// biome-ignore lint/correctness/useYield: it fails before it yields, which is what it is for
async function* noRegistry(name: string): AsyncGenerator<never> {
  throw new BerthError("not-found", `No such image: ${name}`, { hint: "make it with 'berth bootstrap'" });
}
