import { messageOf } from "../spec/errors.ts";
import { removeSlots, type Slot } from "./netns.ts";

interface Waste {
  slot: Slot;
  /** Called when the namespace and its link are gone. */
  gone?: () => void;
}

const GATHER_MS = 100;

/** Removes used namespaces in the background, many at once. One that cannot be removed is logged, and found again at the next start. */
export class Sweeper {
  #waste: Waste[] = [];
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(readonly log: (line: string) => void) {}

  /** Takes a namespace that nobody will use any more. */
  add(slot: Slot, gone?: () => void): void {
    this.#waste.push(gone ? { slot, gone } : { slot });
    if (this.#timer) return;
    this.#timer = setTimeout(() => void this.idle(), GATHER_MS);
    this.#timer.unref();
  }

  /** Removes what there is now; resolves when all of it is gone (or logged). */
  async idle(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#running || this.#waste.length > 0) {
      this.#running ??= this.#sweep(this.#waste.splice(0)).finally(() => {
        this.#running = undefined;
      });
      await this.#running;
    }
  }

  async #sweep(waste: Waste[]): Promise<void> {
    try {
      await removeSlots(waste.map((w) => w.slot));
      for (const { gone } of waste) gone?.();
    } catch (error) {
      this.log(`network: cannot remove namespaces: ${messageOf(error)}`);
    }
  }
}
