import type { EngineCore } from "./core.ts";

/** `/containers/ID/checkpoints` of an engine with experimental features. `base` is that path. */
export class CheckpointApi {
  constructor(
    private readonly core: EngineCore,
    private readonly base: string,
  ) {}

  /** `exit`: the container ends; an empty `folder` is the engine's own. */
  async create(checkpoint: { name: string; folder: string; exit: boolean }): Promise<void> {
    const json = { CheckpointID: checkpoint.name, CheckpointDir: checkpoint.folder, Exit: checkpoint.exit };
    await this.core.done({ method: "POST", path: this.base, json });
  }

  /** Names. */
  async list(folder: string): Promise<string[]> {
    const query = { dir: folder || undefined };
    const found = await this.core.json<{ Name: string }[] | null>({ method: "GET", path: this.base, query });
    return (found ?? []).map(({ Name }) => Name);
  }

  async remove(name: string, folder: string): Promise<void> {
    const query = { dir: folder || undefined };
    await this.core.done({ method: "DELETE", path: `${this.base}/${encodeURIComponent(name)}`, query });
  }
}
