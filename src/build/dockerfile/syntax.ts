/** A range in a Dockerfile: lines and columns count from 1, columns in UTF-16 units; the end column is the one after the last character. */
export interface Span {
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** Text as it stands in the file (quotes, escapes and variables untouched), and where. */
export interface Word {
  readonly text: string;
  readonly span: Span;
}

/** `--name=value` before an instruction's arguments. A flag without a value has the value `true`. */
export interface Flag {
  readonly name: string;
  readonly value: string;
  readonly span: Span;
}

/** A here-document: `expand` is false where its name is quoted; `content` has its tabs removed where it was opened by `<<-`. */
export interface Heredoc {
  readonly name: string;
  readonly content: string;
  readonly expand: boolean;
}

/** What CMD, RUN and their like run: text for a shell, or an argument vector (Dockerfile reference, "Shell and exec form"). */
export type Command =
  | { readonly form: "shell"; readonly text: string }
  | { readonly form: "exec"; readonly args: readonly string[] };

/** `key=value` of ENV, LABEL and ARG. `value` is undefined for an ARG without a default. */
export interface Pair {
  readonly key: Word;
  readonly value?: Word;
}

/** What every instruction has. `text` is the instruction as written, continuation lines joined. */
export interface Node<K extends string> {
  readonly keyword: K;
  readonly text: string;
  readonly span: Span;
  readonly flags: readonly Flag[];
  readonly heredocs: readonly Heredoc[];
}

/** `FROM image [AS name]`. */
export interface FromNode extends Node<"FROM"> {
  readonly image: Word;
  readonly name?: string;
}

/** RUN, CMD and ENTRYPOINT. */
export interface CommandNode extends Node<"RUN" | "CMD" | "ENTRYPOINT"> {
  readonly command: Command;
}

/** COPY and ADD. A source `<<NAME` stands for the here-document of that name. */
export interface CopyNode extends Node<"COPY" | "ADD"> {
  readonly sources: readonly Word[];
  readonly destination: Word;
}

/** ENV, LABEL and ARG. */
export interface PairsNode extends Node<"ENV" | "LABEL" | "ARG"> {
  readonly pairs: readonly Pair[];
}

/** USER, WORKDIR, STOPSIGNAL and MAINTAINER. */
export interface ValueNode extends Node<"USER" | "WORKDIR" | "STOPSIGNAL" | "MAINTAINER"> {
  readonly value: Word;
}

/** EXPOSE and VOLUME. */
export interface ListNode extends Node<"EXPOSE" | "VOLUME"> {
  readonly values: readonly Word[];
}

/** `SHELL ["executable", "parameters"]`. */
export interface ShellNode extends Node<"SHELL"> {
  readonly args: readonly string[];
}

/** HEALTHCHECK; without `command` it is NONE. Times are in nanoseconds, 0 where not given. */
export interface HealthcheckNode extends Node<"HEALTHCHECK"> {
  readonly command?: Command;
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

/** ONBUILD with the instruction that a child image runs. */
export interface OnbuildNode extends Node<"ONBUILD"> {
  readonly trigger: Instruction;
}

/** One instruction of a Dockerfile. */
export type Instruction =
  | FromNode
  | CommandNode
  | CopyNode
  | PairsNode
  | ValueNode
  | ListNode
  | ShellNode
  | HealthcheckNode
  | OnbuildNode;

/** The names of all instructions, upper case. */
export type Keyword = Instruction["keyword"];

/** A parser directive, `# name=value`, of the file's head. The name is in lower case. */
export interface Directive {
  readonly name: string;
  readonly value: string;
  readonly span: Span;
}

/** The syntax tree of a Dockerfile: frozen plain data. `file` is the name that errors show. */
export interface Dockerfile {
  readonly file: string;
  readonly escape: "\\" | "`";
  readonly directives: readonly Directive[];
  readonly instructions: readonly Instruction[];
}
