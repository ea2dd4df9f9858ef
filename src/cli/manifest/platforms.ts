/** Operating systems with the architectures that a list may name, as docker has them. */
const PLATFORMS: Record<string, string> = {
  darwin: "386 amd64 arm arm64",
  dragonfly: "amd64",
  freebsd: "386 amd64 arm",
  linux: "386 amd64 arm arm64 loong64 mips64 mips64le ppc64le riscv64 s390x",
  netbsd: "386 amd64 arm",
  openbsd: "386 amd64 arm",
  plan9: "386 amd64",
  solaris: "amd64",
  windows: "386 amd64 arm arm64",
};

/** True for a combination that there is. */
export function isPlatform(os: string, architecture: string): boolean {
  return (Object.hasOwn(PLATFORMS, os) ? (PLATFORMS[os] ?? "") : "").split(" ").includes(architecture);
}
