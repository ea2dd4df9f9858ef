import { BerthError } from "../spec/errors.ts";
import { platformArgs } from "./args.ts";
import { expandNode, expandText } from "./dockerfile/expand-node.ts";
import type { Dockerfile, FromNode, Instruction, PairsNode } from "./dockerfile/syntax.ts";

/** One FROM with its steps. `base` and `needs` are indices of earlier stages. */
export interface Stage {
  readonly index: number;
  readonly name?: string;
  readonly from: FromNode;
  /** The image after expansion; `scratch` for none. Meaningless where `base` is given. */
  readonly image: string;
  readonly base?: number;
  /** Of --platform, after expansion. */
  readonly platform?: string;
  readonly steps: readonly Instruction[];
  readonly needs: readonly number[];
}

/** What is to be built: frozen data. `order` has the stages that the target needs, itself last; others are never built. */
export interface Graph {
  readonly file: string;
  readonly escape: string;
  /** ARG before the first FROM. */
  readonly globals: readonly PairsNode[];
  /** Their values, and the platform arguments. */
  readonly args: ReadonlyMap<string, string>;
  /** Names of all ARGs before the first FROM. */
  readonly declared: readonly string[];
  readonly stages: readonly Stage[];
  readonly target: number;
  readonly order: readonly number[];
}

/** What the graph depends on besides the file. */
export interface GraphOptions {
  buildArgs: Record<string, string | null>;
  target?: string;
  platform?: string;
}

/** Syntax tree → graph: FROM lines expanded, names resolved, unused stages left out. Throws `invalid-argument` with file and line. */
export function buildGraph(ast: Dockerfile, options: GraphOptions): Graph {
  if (ast.instructions.length === 0) {
    throw new BerthError("invalid-argument", `failed to parse Dockerfile: file with no instructions`);
  }
  const first = ast.instructions.findIndex((i) => i.keyword === "FROM");
  const head = first < 0 ? ast.instructions : ast.instructions.slice(0, first);
  const globals = head.filter((i): i is PairsNode => i.keyword === "ARG");
  if (first < 0 || head.some((i) => i.keyword !== "ARG")) {
    throw new BerthError("invalid-argument", "no build stage in current context");
  }
  const args = globalArgs(ast, globals, options);
  const stages: Stage[] = [];
  for (const { from, steps } of cutStages(ast.instructions.slice(first))) {
    stages.push(makeStage(ast, { from, steps }, { stages, args }));
  }
  const target = findTarget(stages, options.target);
  const declared = globals.flatMap((g) => g.pairs.map((p) => p.key.text));
  const order = orderOf(stages, target);
  return Object.freeze({ file: ast.file, escape: ast.escape, globals, args, declared, stages, target, order });
}

/** The stage that `--from=value` of stage `index` means: an earlier one by name or number; undefined: it is an image's name. */
export function stageOf(stages: readonly Stage[], index: number, value: string): number | undefined {
  const earlier = stages.slice(0, index);
  const named = earlier.findLast((s) => s.name === value.toLowerCase());
  if (named) return named.index;
  if (!/^[0-9]+$/.test(value)) return undefined;
  if (Number(value) < earlier.length) return Number(value);
  throw new BerthError("invalid-argument", `invalid from flag value ${value}: index out of bounds`);
}

function globalArgs(ast: Dockerfile, globals: PairsNode[], options: GraphOptions): Map<string, string> {
  const args = platformArgs(options.platform, options.target);
  for (const node of globals) {
    const lookup = (name: string): string | undefined => args.get(name);
    for (const { key, value } of expandNode(node, { ...ast, lookup }).pairs) {
      const chosen = options.buildArgs[key.text] ?? value?.text;
      if (chosen !== undefined) args.set(key.text, chosen);
    }
  }
  return args;
}

function cutStages(instructions: readonly Instruction[]): { from: FromNode; steps: Instruction[] }[] {
  const cut: { from: FromNode; steps: Instruction[] }[] = [];
  for (const node of instructions) {
    if (node.keyword === "FROM") cut.push({ from: node, steps: [] });
    else cut.at(-1)?.steps.push(node);
  }
  return cut;
}

function makeStage(
  ast: Dockerfile,
  cut: { from: FromNode; steps: Instruction[] },
  known: { stages: Stage[]; args: Map<string, string> },
): Stage {
  const { from, steps } = cut;
  const index = known.stages.length;
  const context = { ...ast, lookup: (name: string) => known.args.get(name) };
  const image = expandText(from.image.text, context);
  if (image === "") throw new BerthError("invalid-argument", `base name (${from.image.text}) should not be blank`);
  const flag = from.flags.find((f) => f.name === "platform");
  const platform = flag && expandText(flag.value, context);
  const base = known.stages.findLast((s) => s.name === image.toLowerCase())?.index;
  const copied = steps.flatMap((s) => copiedStage(s, known.stages, index));
  return Object.freeze({
    index,
    ...(from.name === undefined ? {} : { name: from.name }),
    from,
    image,
    ...(base === undefined ? {} : { base }),
    ...(platform ? { platform } : {}),
    steps,
    needs: [...new Set([...(base === undefined ? [] : [base]), ...copied])],
  });
}

function copiedStage(step: Instruction, stages: Stage[], index: number): number[] {
  const from = step.keyword === "COPY" ? step.flags.find((f) => f.name === "from") : undefined;
  if (!from) return [];
  const stage = stageOf(stages, index, from.value);
  return stage === undefined ? [] : [stage];
}

function findTarget(stages: Stage[], target: string | undefined): number {
  if (!target) return stages.length - 1;
  const named = stages.findLast((s) => s.name === target.toLowerCase());
  const found = named ?? (/^[0-9]+$/.test(target) ? stages[Number(target)] : undefined);
  if (found) return found.index;
  throw new BerthError("invalid-argument", `target stage "${target}" could not be found`);
}

function orderOf(stages: Stage[], target: number): number[] {
  const needed = new Set<number>();
  const visit = (index: number): void => {
    if (needed.has(index)) return;
    needed.add(index);
    for (const n of stages[index]?.needs ?? []) visit(n);
  };
  visit(target);
  return [...needed].sort((a, b) => a - b);
}
