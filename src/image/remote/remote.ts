/** Images of registries, as the command line asks for them without the engine. */
export { describeRemote } from "./describe.ts";
/** As `image inspect`. */
export { inspectRemote } from "./inspect.ts";
