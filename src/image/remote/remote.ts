/** Images of registries and archives, as the command line asks for them without the engine. */
export { copy } from "../copy/open.ts";
/** For lists of tags. */
export { describeRemote } from "./describe.ts";
/** As `image inspect`. */
export { inspectRemote } from "./inspect.ts";
