import type { Collected } from "./gc.ts";

const BUCKETS = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60];

interface Histogram {
  counts: number[];
  sum: number;
  count: number;
}

/** Counters of a registry in Prometheus' text format (version 0.0.4): requests by method, kind and status with their durations, bytes, collections. */
export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #durations = new Map<string, Histogram>();
  #bytesOut = 0;
  #bytesIn = 0;
  #active = 0;
  #collections = 0;
  readonly #collected: Collected = { presences: 0, blobs: 0, bytes: 0, uploads: 0, strays: 0 };

  /** Counts a request until its answer's head is there. */
  async request(request: Request, handle: () => Promise<Response>): Promise<Response> {
    const begun = performance.now();
    this.#active += 1;
    try {
      const response = await handle();
      this.#done(request, response, (performance.now() - begun) / 1000);
      return response;
    } finally {
      this.#active -= 1;
    }
  }

  collected(what: Collected): void {
    this.#collections += 1;
    for (const key of Object.keys(what) as (keyof Collected)[]) this.#collected[key] += what[key];
  }

  text(): string {
    const memory = process.memoryUsage.rss();
    return [
      family("requests_total", "counter", "Requests by method, kind and status.", [...this.#requests]),
      this.#histogram(),
      family("active_requests", "gauge", "Requests being answered.", [["", this.#active]]),
      family("sent_bytes_total", "counter", "Bytes of answers.", [["", this.#bytesOut]]),
      family("received_bytes_total", "counter", "Bytes of requests that told their length.", [["", this.#bytesIn]]),
      family("collections_total", "counter", "Garbage collections.", [["", this.#collections]]),
      family(
        "collected_total",
        "counter",
        "What collections took away.",
        Object.entries(this.#collected).map(([kind, n]): [string, number] => [`kind="${kind}"`, n]),
      ),
      family("resident_memory_bytes", "gauge", "Memory of the process.", [["", memory]]),
    ].join("");
  }

  #done(request: Request, response: Response, seconds: number): void {
    const kind = kindOf(request.url);
    const labels = `method="${methodOf(request.method)}",kind="${kind}",status="${response.status}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
    if (request.method !== "HEAD") this.#bytesOut += Number(response.headers.get("content-length") ?? 0);
    this.#bytesIn += Number(request.headers.get("content-length") ?? 0);
    const histogram = this.#durations.get(kind) ?? { counts: BUCKETS.map(() => 0), sum: 0, count: 0 };
    this.#durations.set(kind, histogram);
    histogram.sum += seconds;
    histogram.count += 1;
    for (const [i, bound] of BUCKETS.entries())
      if (seconds <= bound) histogram.counts[i] = (histogram.counts[i] ?? 0) + 1;
  }

  #histogram(): string {
    const rows: [string, number, string][] = [];
    for (const [kind, { counts, sum, count }] of this.#durations) {
      for (const [i, bound] of BUCKETS.entries())
        rows.push([`kind="${kind}",le="${bound}"`, counts[i] ?? 0, "_bucket"]);
      rows.push([`kind="${kind}",le="+Inf"`, count, "_bucket"], [`kind="${kind}"`, sum, "_sum"]);
      rows.push([`kind="${kind}"`, count, "_count"]);
    }
    return family("request_seconds", "histogram", "Time until an answer's head.", rows);
  }
}

type Row = readonly [labels: string, value: number, suffix?: string];

function family(name: string, type: string, help: string, rows: readonly Row[]): string {
  const full = `berth_registry_${name}`;
  const lines = rows.map(([labels, n, suffix = ""]) => `${full}${suffix}${labels === "" ? "" : `{${labels}}`} ${n}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join("")}`;
}

/** Few values only: what comes from outside must not make labels. */
function kindOf(url: string): string {
  const [, kind] = /\/(manifests|blobs\/uploads|blobs|tags|referrers|_catalog)(?:\/|$|\?)/.exec(url) ?? [];
  return kind === "blobs/uploads" ? "uploads" : kind === "_catalog" ? "catalog" : (kind ?? "other");
}

function methodOf(method: string): string {
  return ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].includes(method) ? method : "other";
}
