import { BerthError } from "./errors.ts";
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

const SYSTEMS = new Set(
  "aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasip1 windows".split(" "),
);
const MACHINES = new Set(
  "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm".split(" "),
);
const SYSTEM = /^[a-z0-9_-]+$/;
/** Other names of machines. */
const SAME: Record<string, string> = {
  x86_64: "amd64",
  "x86-64": "amd64",
  aarch64: "arm64",
  i386: "386",
  armhf: "arm",
};

/** As `parsePlatform`, for what a person gave. Throws `invalid-argument` in Docker's words. */
export function checkedPlatform(text: string): Platform {
  const parts = text.toLowerCase().split("/");
  const bad = (why: string): BerthError =>
    new BerthError("invalid-argument", `${JSON.stringify(text)}: ${why}: invalid argument`);
  if (parts.length > 3) throw bad("cannot parse platform specifier");
  if (!SYSTEM.test(parts[0] ?? ""))
    throw new BerthError(
      "invalid-argument",
      `${JSON.stringify(parts[0])} is an invalid OS component of ${JSON.stringify(text)}: OSAndVersion specifier component must match "^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.-]*)\\\\))?$": invalid argument`,
    );
  const strange = parts.find((part) => !/^[a-z0-9_.-]+$/.test(part));
  if (strange !== undefined)
    throw new BerthError(
      "invalid-argument",
      `${JSON.stringify(strange)} is an invalid component of ${JSON.stringify(text)}: platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument`,
    );
  const [first = ""] = parts;
  if (parts.length === 1 && !SYSTEMS.has(first) && !MACHINES.has(SAME[first] ?? first))
    throw bad("unknown operating system or architecture");
  return parsePlatform(parts.map((part) => SAME[part] ?? part).join("/"));
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
