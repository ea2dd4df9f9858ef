import { randomBytes } from "node:crypto";
import { writeTar } from "../layer/tar/writer.ts";
import type { RootView } from "../layer/types.ts";
import { BerthError, fromErrno } from "../spec/errors.ts";
import { PROXY_ARGS } from "./args.ts";
import { type Cached, cacheKey } from "./cache.ts";
import { applyConfig } from "./config.ts";
import { prepareCopy } from "./copy/copy.ts";
import { resolveOwner } from "./copy/owner.ts";
import { Placement } from "./copy/place.ts";
import { describe, HISTORY_COMMENT } from "./describe.ts";
import { expandNode } from "./dockerfile/expand-node.ts";
import type { CommandNode, CopyNode, Instruction, PairsNode, ValueNode } from "./dockerfile/syntax.ts";
import { ensureImage, findImage } from "./from.ts";
import { stageOf } from "./graph.ts";
import { prepareRun } from "./run.ts";
import { DEFAULT_EPOCH, lookupIn, type Session, type StageState, stateKey } from "./state.ts";

/** Where a step stands: its stage, and how another stage's state is had. */
export interface StepPlace {
  stage: number;
  solved: (stage: number) => Promise<StageState>;
}

/**
 * Solves one instruction: the state after it, from the cache where it is there. Errors keep their words and their kind.
 */
export async function solveStep(
  session: Session,
  state: StageState,
  raw: Instruction,
  place: StepPlace,
): Promise<StageState> {
  try {
    session.options.signal?.throwIfAborted();
    return await dispatch(session, state, raw.keyword === "ARG" ? raw : expanded(session, state, raw), place);
  } catch (error) {
    throw placed(error, session, raw);
  }
}

function expanded<T extends Instruction>(session: Session, state: StageState, raw: T): T {
  const { file, escape: esc } = session.graph;
  return expandNode(raw, { file, escape: esc, lookup: lookupIn(session, state) });
}

/** The error as one of Berth's; the `Step` line before it tells the place, as Docker's clients expect its words alone. */
export function placed(error: unknown, session: Session, node: Instruction): BerthError {
  const { file } = session.graph;
  if (session.options.signal?.aborted) return new BerthError("unavailable", "build cancelled", { cause: error });
  return fromErrno(error, `${file}:${node.span.line}`);
}

function dispatch(
  session: Session,
  state: StageState,
  node: Instruction,
  place: StepPlace,
): StageState | Promise<StageState> {
  switch (node.keyword) {
    case "ARG":
      return declareArgs(session, state, node);
    case "RUN":
      return runStep(session, state, node);
    case "COPY":
    case "ADD":
      return copyStep(session, state, node, place);
    case "WORKDIR":
      return workdirStep(session, state, node);
    default:
      return configStep(session, state, node);
  }
}

/** Declares the arguments of one ARG, each seeing those before it. History shows the values that they have, those of the proxies aside. */
function declareArgs(session: Session, state: StageState, raw: PairsNode): StageState {
  const args = new Map(state.args);
  const { buildArgs } = session.options;
  const shown = raw.pairs.map((one) => {
    const [{ key, value } = one] = expanded(session, { ...state, args }, { ...raw, pairs: [one] }).pairs;
    const name = key.text;
    session.consumed.add(name);
    const chosen = buildArgs[name] ?? value?.text ?? session.graph.args.get(name);
    if (chosen === undefined) return { key };
    args.set(name, chosen);
    return PROXY_ARGS.includes(name) ? { key } : { key, value: { ...key, text: chosen } };
  });
  const declared = [...new Set([...state.declared, ...shown.map(({ key }) => key.text)])];
  return configStep(session, { ...state, args, declared }, { ...raw, pairs: shown });
}

function configStep(session: Session, state: StageState, node: Instruction): StageState {
  const text = describe(node, state.run);
  const run = applyConfig(state.run, node, state);
  const key = cacheKey(["config", stateKey(state), node.keyword === "ARG" ? node.text : text]);
  const cached = session.cache.config(key, node.text, session.sources.find(state, text, false));
  const author = node.keyword === "MAINTAINER" ? { author: node.value.text } : {};
  const cmdSet = state.cmdSet || node.keyword === "CMD";
  const args = node.keyword === "ENV" ? withoutNames(state.args, node) : state.args;
  return after(session, { ...state, ...author, run, cmdSet, args }, { text, cached, shown: true });
}

function withoutNames(args: StageState["args"], { pairs }: PairsNode): StageState["args"] {
  const names = new Set(pairs.map(({ key }) => key.text));
  return new Map([...args].filter(([name]) => !names.has(name)));
}

async function runStep(session: Session, state: StageState, node: CommandNode): Promise<StageState> {
  if (node.keyword !== "RUN") return configStep(session, state, node);
  const job = prepareRun(node, session, state);
  const ran = { ...node, command: { form: "exec" as const, args: job.command } };
  const text = describe(ran, state.run, job.args);
  const key = ["run", ...job.key];
  const known = session.sources.find(state, text, true);
  const imported = known && session.cache.imported(cacheKey(key), node.text, known);
  const cached = imported ?? (await layerStep(session, node, { key, make: job.make }));
  return after(session, state, { text, cached });
}

async function copyStep(session: Session, state: StageState, node: CopyNode, place: StepPlace): Promise<StageState> {
  const from = node.flags.find((f) => f.name === "from")?.value;
  const job = await prepareCopy(node, {
    from: from === undefined ? session.context : await treeOf(session, from, place),
    isContext: from === undefined,
    layers: session.deps.layers,
    ...(state.top ? { top: state.top } : {}),
    workdir: state.run.WorkingDir ?? "/",
    tmp: session.tmp,
    epoch: session.epoch ?? DEFAULT_EPOCH,
    hold: session.hold,
    ...(session.options.signal ? { signal: session.options.signal } : {}),
  });
  const key = ["copy", node.keyword, state.top ?? null, state.run.WorkingDir ?? "/", ...job.key];
  const text = describe(node, state.run);
  const cached = await layerStep(session, node, { key, make: job.make });
  return after(session, state, { text, cached: recognised(session, state, { text, cached }) });
}

/** The root of the stage or image that --from names. */
async function treeOf(session: Session, from: string, place: StepPlace): Promise<RootView> {
  const stage = stageOf(session.graph.stages, place.stage, from);
  if (stage !== undefined) return session.deps.layers.view((await place.solved(stage)).top);
  await ensureImage(session, from);
  const { top } = findImage(session, from);
  if (top) session.hold(top);
  return session.deps.layers.view(top);
}

/** WORKDIR makes its folder, as the user of USER, where it is not there. */
async function workdirStep(session: Session, state: StageState, node: ValueNode): Promise<StageState> {
  const run = applyConfig(state.run, node, state);
  const path = run.WorkingDir ?? "/";
  const view = session.deps.layers.view(state.top);
  const epoch = session.epoch ?? DEFAULT_EPOCH;
  const owner = state.run.User ? { owner: resolveOwner(state.run.User, view) } : {};
  const placement = new Placement(view, { ...owner, epoch });
  const text = `WORKDIR ${path}`;
  if (!placement.folder(path)) {
    const known = session.sources.find(state, text, false);
    const cached = session.cache.config(cacheKey(["config", stateKey(state), text]), node.text, known);
    return after(session, { ...state, run }, { text, cached, shown: true });
  }
  const parent = state.top ? { parent: state.top } : {};
  const cached = await layerStep(session, node, {
    key: ["workdir", state.top ?? null, path, owner, epoch],
    make: () => session.deps.layers.applyStream(writeTar(placement.tar()), { ...parent, hold: session.hold }),
  });
  return after(
    session,
    { ...state, run },
    {
      text,
      cached: recognised(session, state, { text, cached }),
      shown: true,
    },
  );
}

/** A step whose layer is always the same is done, and then known where an image of `--cache-from` has that layer in its place. */
function recognised(session: Session, state: StageState, { text, cached }: { text: string; cached: Cached }): Cached {
  const known = session.sources.find(state, text, true);
  return known?.chain !== undefined && known.chain === cached.chain
    ? { ...cached, created: known.created, hit: true }
    : cached;
}

function layerStep(
  session: Session,
  node: Instruction,
  job: { key: unknown[]; make: () => ReturnType<Session["deps"]["layers"]["applyStream"]> },
): Promise<Cached> {
  return session.cache.layer(cacheKey(job.key), node.text, {
    make: job.make,
    wait: () => session.emit({ stream: " ---> Waiting for the same step of another build\n" }),
  });
}

function after(
  session: Session,
  state: StageState,
  done: { text: string; cached: Cached; shown?: boolean },
): StageState {
  const { cached, text } = done;
  if (cached.hit) session.emit({ stream: " ---> Using cache\n" });
  else if (done.shown) showContainer(session);
  const time = session.epoch === undefined ? cached.created : session.epoch * 1000;
  const entry = {
    created: new Date(time).toISOString(),
    created_by: text,
    comment: HISTORY_COMMENT,
    ...(cached.chain ? {} : { empty_layer: true }),
  };
  const top = cached.chain ? { top: cached.chain } : {};
  return { ...state, ...top, untouched: false, history: [...state.history, entry] };
}

/** Docker makes a container for each instruction but COPY and ADD, and says so; here none is needed. */
function showContainer({ emit, options }: Session): void {
  const id = randomBytes(6).toString("hex");
  emit({ stream: ` ---> Running in ${id}\n` });
  if (options.keep !== true) emit({ stream: ` ---> Removed intermediate container ${id}\n` });
}
