import { RegistryError } from "../errors.ts";
import type { Span } from "../types.ts";

/** The one range that is asked for (RFC 9110, section 14.2), of `size` bytes; undefined: the whole. Several ranges, or what is no range, are the whole too. Throws RANGE_INVALID, also for one that ends before it begins, as the specification's own tests want it. */
export function rangeOf(header: string | null, size: number): Span | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  if (start < size && start < end) return { start, end };
  throw new RegistryError("RANGE_INVALID", `the blob has ${size} bytes`, {
    headers: { "Content-Range": `bytes */${size}` },
  });
}

/** Where a chunk says that it belongs (OCI distribution-spec, "Pushing a blob in chunks": `start-end`, both inclusive); undefined where it says nothing. Throws BLOB_UPLOAD_INVALID. */
export function chunkOf(headers: Headers): { offset?: number; length?: number } {
  const length = headers.get("content-length");
  const announced = length === null ? {} : { length: Number(length) };
  const range = headers.get("content-range");
  if (range === null) return announced;
  const [, start, end] = /^(?:bytes[= ])?(\d+)-(\d+)(?:\/(?:\d+|\*))?$/.exec(range.trim()) ?? [];
  const size = Number(end) - Number(start) + 1;
  if (start === undefined || size < 0 || (announced.length !== undefined && announced.length !== size)) {
    throw new RegistryError("BLOB_UPLOAD_INVALID", "Content-Range and Content-Length do not belong together");
  }
  return { offset: Number(start), length: size };
}
