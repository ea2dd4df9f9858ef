import type { Platform } from "./oci.ts";

const ARCHITECTURES: Record<string, string> = {
  x64: "amd64",
  arm64: "arm64",
  arm: "arm",
  ia32: "386",
  riscv64: "riscv64",
  ppc64: "ppc64le",
  s390x: "s390x",
};

/** This machine's platform in Go's names (OCI image-spec, config.md, "architecture"). */
export function hostPlatform(): Platform {
  const architecture = ARCHITECTURES[process.arch] ?? process.arch;
  return architecture === "arm64" ? { os: "linux", architecture, variant: "v8" } : { os: "linux", architecture };
}

/** Reads `os[/arch[/variant]]` or a bare architecture. */
export function parsePlatform(text: string): Platform {
  const [os = "linux", architecture, variant] = text.toLowerCase().split("/");
  if (architecture === undefined) return os === "linux" ? hostPlatform() : { os: "linux", architecture: os };
  return variant ? { os, architecture, variant } : { os, architecture };
}

/** `linux/amd64`, `linux/arm/v7`. */
export function formatPlatform(p: Platform): string {
  return [p.os, p.architecture, p.variant].filter(Boolean).join("/");
}

/** True where an image of platform `image` runs on `host`; a missing variant on either side matches. */
export function platformMatches(image: Platform, host: Platform): boolean {
  if (image.os !== host.os || image.architecture !== host.architecture) return false;
  return !image.variant || !host.variant || image.variant === host.variant;
}
