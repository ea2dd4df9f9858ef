import { BerthError } from "../spec/errors.ts";
import { parseInstruction } from "./dockerfile/parse.ts";
import type { Instruction, PairsNode } from "./dockerfile/syntax.ts";
import { ensureImage, startOf, withoutTriggers } from "./from.ts";
import type { Graph, Stage } from "./graph.ts";
import { type Session, type StageState, stateId } from "./state.ts";
import { placed, type StepPlace, solveStep } from "./step.ts";

/** How many steps the target takes: ARGs of the head, each needed stage's FROM and steps, and one for each label of the command line. */
export function countSteps(graph: Graph, labels: Record<string, string>): number {
  const inStages = graph.order.reduce((sum, i) => sum + 1 + (graph.stages[i]?.steps.length ?? 0), 0);
  return graph.globals.length + inStages + Object.keys(labels).length;
}

/**
 * Solves the graph's target: its stages in the order of the Dockerfile, each once, unused ones never. The last step's ` ---> id` is left to the
 * caller, who knows the image's id.
 */
export async function solve(session: Session): Promise<StageState> {
  const { graph, options } = session;
  for (const node of graph.globals) {
    announce(session, node);
    for (const { key } of node.pairs) session.consumed.add(key.text);
  }
  for (const index of graph.order) await solveStage(session, index);
  let result = await solveStage(session, graph.target);
  const labels = Object.entries(options.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const label of labels) {
    const node = labelNode(label, graph);
    announce(session, node);
    result = await solveStep(session, result, node, placeOf(session, graph.target));
    arrow(session, stateId(result));
  }
  return result;
}

async function solveStage(session: Session, index: number): Promise<StageState> {
  const known = session.stages.get(index);
  const stage = session.graph.stages[index];
  if (known) return known;
  if (!stage) throw new BerthError("internal", `no stage ${index}`);
  announce(session, stage.from);
  let state = await begin(session, stage);
  for (const node of stage.steps) {
    announce(session, node);
    state = await solveStep(session, state, node, placeOf(session, index));
    arrow(session, stateId(state));
  }
  session.stages.set(index, state);
  return state;
}

async function begin(session: Session, stage: Stage): Promise<StageState> {
  const inherited = stage.base === undefined ? undefined : await solveStage(session, stage.base);
  let state: StageState;
  try {
    if (!inherited) await ensureImage(session, stage.image, stage.platform);
    state = inherited ? { ...inherited, cmdSet: false } : startOf(session, stage);
  } catch (error) {
    throw placed(error, session, stage.from);
  }
  const triggers = state.run.OnBuild ?? [];
  if (triggers.length === 0) {
    arrow(session, stateId(state));
    return state;
  }
  session.emit({ stream: `# Executing ${triggers.length} build trigger${triggers.length > 1 ? "s" : ""}\n` });
  state = { ...state, run: withoutTriggers(state.run) };
  for (const text of triggers) {
    const node = atLine(parseInstruction(text, `ONBUILD of ${stage.image}`), stage);
    state = await solveStep(session, state, node, placeOf(session, stage.index));
  }
  arrow(session, stateId(state));
  return state;
}

/** A trigger has no line of its own in this Dockerfile: its place is the FROM that brought it. */
function atLine(trigger: Instruction, stage: Stage): Instruction {
  return { ...trigger, span: stage.from.span };
}

function placeOf(session: Session, stage: number): StepPlace {
  return { stage, solved: (index) => solveStage(session, index) };
}

function announce(session: Session, node: Instruction): void {
  session.steps.done++;
  session.emit({ stream: `Step ${session.steps.done}/${session.steps.total} : ${node.text}\n` });
}

function arrow(session: Session, id: string): void {
  const last = session.steps.done === session.steps.total;
  if (!last || id === "") session.emit({ stream: ` ---> ${id}\n` });
}

/** The LABEL that stands for a label of the command line. Quoted, so that nothing in them is expanded. */
function labelNode([key, value]: [string, string], graph: Graph): PairsNode {
  const span = { line: 1, column: 1, endLine: 1, endColumn: 1 };
  const word = (text: string) => ({ text: quoteLiteral(text, graph.escape), span });
  const pairs = [{ key: word(key), value: word(value) }];
  const text = `LABEL ${key}=${value}`;
  return { keyword: "LABEL", text, span, flags: [], heredocs: [], pairs };
}

function quoteLiteral(text: string, esc: string): string {
  return text.replace(/["'$\\`]/g, (c) => (c === "`" && esc !== "`" ? c : c === "\\" && esc !== "\\" ? c : esc + c));
}
