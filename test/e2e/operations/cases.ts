import type { TestDaemon } from "../../../src/testing/daemon.ts";
import type { Answer, Send } from "./exchange.ts";

/** What the cases of one run share. */
export interface World {
  daemon: TestDaemon;
  /** Values that later requests name as `{key}`, such as an exec's id. */
  names: Map<string, string>;
}

/** One request and the status that it has to get. They run in order: what one makes, later ones use. */
export interface Case extends Send {
  status: number;
  /** Runs before the request. */
  before?: (world: World) => Promise<unknown>;
  /** What else has to hold of the answer. */
  check?: (answer: Answer, world: World) => void;
  /** Without what the specification cannot say of an answer, before it is validated: one line of a stream, a null. */
  adapt?: (body: unknown) => unknown;
  /** Answers that are no JSON in fact (a tar, raw frames), or whose shape the specification gives wrongly. */
  unchecked?: true;
}
