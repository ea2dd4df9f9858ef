import { BerthError, messageOf } from "../../spec/errors.ts";
import { expandWord, expandWords, type Lookup } from "./expand.ts";
import type { Heredoc, Instruction, Pair, Word } from "./syntax.ts";

/** What expansion needs to know of the file. */
export interface ExpandContext {
  file: string;
  escape: string;
  lookup: Lookup;
}

/**
 * The instruction with its variables expanded and its quotes removed, in the places where Docker does so: ADD, ARG, COPY, ENV, EXPOSE,
 * LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR. RUN, CMD and ENTRYPOINT are left to the shell, ONBUILD to the child image. All pairs of
 * one ENV see the values from before it.
 */
export function expandNode<T extends Instruction>(node: T, context: ExpandContext): T;
/** The same for an instruction of any kind. */
export function expandNode(node: Instruction, context: ExpandContext): Instruction {
  const place = (text: string): string => expandText(text, context);
  const word = (w: Word): Word => ({ ...w, text: place(w.text) });
  const pair = (p: Pair): Pair => ({ key: word(p.key), ...(p.value ? { value: word(p.value) } : {}) });
  switch (node.keyword) {
    case "ENV":
    case "LABEL":
    case "ARG":
      return { ...node, pairs: node.pairs.map(pair) };
    case "COPY":
    case "ADD": {
      const flags = node.flags.map((f) => (f.name === "from" ? f : { ...f, value: place(f.value) }));
      const heredocs = node.heredocs.map((h) => (h.expand ? expandHeredoc(h, context) : h));
      const names = node.heredocs.map((h) => h.name);
      const source = (w: Word): Word => (heredocOf(w.text, names) ? w : word(w));
      return { ...node, flags, heredocs, sources: node.sources.map(source), destination: word(node.destination) };
    }
    case "USER":
    case "WORKDIR":
    case "STOPSIGNAL":
      return { ...node, value: word(node.value) };
    case "VOLUME":
      return { ...node, values: node.values.map(word) };
    case "EXPOSE":
      return { ...node, values: node.values.flatMap((w) => expandList(w, context)) };
    default:
      return node;
  }
}

/** The name of the here-document that a source word `<<NAME` stands for, or undefined. */
export function heredocOf(source: string, names: readonly string[]): string | undefined {
  const name = /^\d*<<-?["']?([^<"']+)["']?$/.exec(source)?.[1];
  return name !== undefined && names.includes(name) ? name : undefined;
}

/** One word, expanded; errors name the text. */
export function expandText(text: string, context: ExpandContext): string {
  return guarded(text, () => expandWord(text, context));
}

function expandList(word: Word, context: ExpandContext): Word[] {
  const texts = guarded(word.text, () => expandWords(word.text, context));
  return texts.map((text) => ({ ...word, text }));
}

function expandHeredoc(doc: Heredoc, context: ExpandContext): Heredoc {
  const content = guarded(doc.name, () => expandWord(doc.content, { ...context, document: true }));
  return { ...doc, content };
}

function guarded<R>(text: string, body: () => R): R {
  try {
    return body();
  } catch (error) {
    throw new BerthError("invalid-argument", `failed to process "${text}": ${messageOf(error)}`, { cause: error });
  }
}
