/** Ends a command with an exit code of its own choice; the message, if any, goes to stderr as it is. */
export class ExitError extends Error {
  constructor(
    readonly code: number,
    message = "",
  ) {
    super(message);
  }
}
