import type { NativeKernel, NativeSys } from "./sys-types.ts";

let loaded: (NativeSys & NativeKernel) | undefined;

/**
 * The N-API addon sys.node, loaded at the first call: the command line never pays for it. The literal path makes the bundler embed
 * the addon into the compiled executable; in development it is .build/sys.node, made by tools/build-native.
 */
export function addon(): NativeSys & NativeKernel {
  loaded ??= require("../../.build/sys.node") as NativeSys & NativeKernel;
  return loaded;
}
