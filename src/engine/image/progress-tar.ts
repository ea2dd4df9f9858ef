/** A tar that is being made, with what its maker says meanwhile. */
export interface ProgressTar {
  /** Throws where making it fails, before its end. */
  bytes: AsyncIterable<Uint8Array>;
  /** Ends with the tar. */
  lines: AsyncIterable<string>;
  /** No more lines come, the maker has ended and its temporary files are gone. Repeatable. */
  finish(): Promise<void>;
  /** Stops the maker; `bytes` throws then. */
  cancel(): Promise<void>;
}
