import type { EngineClient } from "../client/client.ts";
import type { ProgressLine } from "../client/images.ts";
import type { Digest } from "../spec/digest.ts";
import type { ImageInspect } from "../spec/engine-api.ts";
import type { ImagePlace } from "../spec/image-place.ts";
import type { Reference } from "../spec/reference.ts";
import type { Globals } from "./globals.ts";
import type { ClientConfig } from "./hosts/config-file.ts";
import type { CliIo } from "./io.ts";
import type { RegistryFlagValues } from "./options/registry.ts";

/** Tar archives of this machine's files. Given from outside: few commands need it, and none at its start. */
export interface LocalFiles {
  /** A file or folder, its entries beginning with `as`. */
  packLocal(path: string, as: string): AsyncIterable<Uint8Array>;
  /** Unpacks into an existing folder. */
  unpackLocal(tar: AsyncIterable<Uint8Array>, folder: string): Promise<void>;
  /** The same archive, names that begin with `from` beginning with `to`. */
  renameEntries(tar: AsyncIterable<Uint8Array>, from: string, to: string): AsyncIterable<Uint8Array>;
}

/** A repository of a registry: what the commands that work without the engine need of it. Errors have the kinds of src/registry. */
export interface RemoteRepository {
  manifest(target: string): Promise<{ digest: Digest; mediaType: string; bytes: Buffer }>;
  headManifest(target: string): Promise<{ digest: Digest } | undefined>;
  tags(): Promise<string[]>;
  blob(digest: Digest): Promise<AsyncIterable<Uint8Array>>;
  mountBlob(digest: Digest, from: string): Promise<boolean>;
  putManifest(target: string, manifest: { mediaType: string; bytes: Uint8Array }): Promise<Digest>;
}

/** Opens a repository. Given from outside, as the files are. `insecure`: any certificate will do, and plain HTTP. */
export type OpenRepository = (
  ref: Reference,
  options: { push: boolean; insecure: boolean; credentials: Credentials; signal?: AbortSignal },
) => RemoteRepository;

/** What is known of images of registries without the engine. Given from outside: the command line knows no images. */
export interface RemoteImages {
  /** The image of a platform (default: the host's) in the form of `image inspect`. `name` is for errors. */
  inspectRemote(
    repository: RemoteRepository,
    ref: Reference,
    options: { platform?: string | undefined; name: string },
  ): Promise<Partial<ImageInspect>>;
  /** What a tag stands for. `created`: RFC 3339; `size`: bytes of the compressed layers, of the host's platform where there are several. */
  describeRemote(
    repository: RemoteRepository,
    target: string,
  ): Promise<{ digest: Digest; created?: string; size: number }>;
  /** Copies images as they are; yields lines of progress, returns what was copied, in the order of `from`. Ends early, without a trace, when the signal is raised. */
  copy(request: {
    from: readonly CopyEnd[];
    to: CopyEnd;
    platform?: string | undefined;
    referrers?: boolean;
    signal: AbortSignal;
    /** For the path `-`. */
    input: () => AsyncIterable<Uint8Array>;
    output: (bytes: Uint8Array) => void;
  }): AsyncGenerator<ProgressLine, { digest: Digest }[]>;
}

/** One end of a copy; of a registry's image with its repository. */
export interface CopyEnd {
  place: ImagePlace;
  repository?: RemoteRepository;
}

/** A registry's own commands, which run in this process. Given from outside. They return exit codes; flags are as `commands/registry-serve.ts` has them. */
export interface RegistryCommands {
  runRegistry(flags: RegistryFlagValues, output: RegistryOutput): Promise<number>;
  collectRegistry(flags: RegistryFlagValues, output: RegistryOutput): Promise<number>;
  scrubRegistry(flags: RegistryFlagValues, output: RegistryOutput): Promise<number>;
  /** False where the user was there before. */
  addUser(request: { file: string; user: string; password: string }): Promise<boolean>;
  removeUser(request: { file: string; user: string }): void;
  listUsers(file: string): string[];
}

/** Lines: results, and what happens meanwhile. */
export interface RegistryOutput {
  out(line: string): void;
  log(line: string): void;
}

/** See `AuthConfig`; in the registry's own terms. */
export interface Credentials {
  username?: string;
  password?: string;
  identityToken?: string;
  registryToken?: string;
}

/** Everything a command works with. */
export interface Context {
  /** The command as it was called, for messages: `berth run`. */
  name: string;
  /** Made at its first use: an engine that cannot be found is an error only where it is wanted. */
  readonly engine: EngineClient;
  globals: Globals;
  config: ClientConfig;
  io: CliIo;
  env: NodeJS.ProcessEnv;
  files(): Promise<LocalFiles>;
  registry(): Promise<OpenRepository>;
  remote(): Promise<RemoteImages>;
  registryServer(): Promise<RegistryCommands>;
  /** Version of this program. */
  version: string;
}

/** What the program that contains the CLI gives it. */
export interface CliOptions {
  /** Starts a daemon on the default socket and resolves when it answers. Only called where nobody named another host. */
  startDaemon?: () => Promise<void>;
  files?: () => Promise<LocalFiles>;
  registry?: () => Promise<OpenRepository>;
  remote?: () => Promise<RemoteImages>;
  registryServer?: () => Promise<RegistryCommands>;
  /** Shown by `--version` and `version`. */
  version?: string;
  io?: CliIo;
  env?: NodeJS.ProcessEnv;
}

/** A full line to standard output. */
export function printLine(ctx: Context, text: string): void {
  ctx.io.out(`${text}\n`);
}
