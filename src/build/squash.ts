import { type Session, type StageState, stateHash } from "./state.ts";

/**
 * The state with all that the build made above its base image as one layer. The steps stay in its history without layers, and a last entry says what
 * was merged, as with Docker's `--squash`.
 */
export async function squashed(session: Session, state: StageState): Promise<StageState> {
  const { layers, images } = session.deps;
  const base = state.base ? images.resolve(state.base) : undefined;
  if (state.top === undefined || state.top === base?.top) return state;
  const layer = await layers.squash(state.top, { ...(base?.top ? { base: base.top } : {}), hold: session.hold });
  const kept = base?.config.history?.length ?? 0;
  const history = state.history.map((entry, at) => (at < kept ? entry : { ...entry, empty_layer: true }));
  const comment = `merge sha256:${stateHash(state)} to ${base?.id ?? ""}`;
  const created = state.history.at(-1)?.created ?? new Date().toISOString();
  return { ...state, top: layer.chainId, history: [...history, { created, comment }] };
}
