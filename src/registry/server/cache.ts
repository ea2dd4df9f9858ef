/** Values by key, the least used of them dropped where their sizes add up to more than `limit`. */
export class Cache<V> {
  readonly #entries = new Map<string, { value: V; size: number }>();
  #total = 0;

  constructor(private readonly limit: number) {}

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: V, size: number): void {
    this.delete(key);
    if (size > this.limit) return;
    this.#entries.set(key, { value, size });
    this.#total += size;
    for (const [oldest] of this.#entries) {
      if (this.#total <= this.limit) return;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#total -= entry.size;
  }
}
