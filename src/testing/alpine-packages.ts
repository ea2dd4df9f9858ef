import { readFileSync } from "node:fs";
import type { ApkSource } from "./apk-repo.ts";

const V = "1.36.1-r29";
const TRIGGER =
  '#!/bin/busybox sh\nfor i in "$@"; do echo "trigger $i" >>/var/log/triggers; done\n/bin/busybox --install -s\n';

/** A small alpine: the names, dependencies and scripts of the distribution's base, around this host's busybox. */
export function alpinePackages(): ApkSource[] {
  const program = { data: readFileSync("/bin/busybox"), mode: 0o755 };
  return [
    {
      name: "alpine-baselayout",
      version: "3.6.5-r0",
      depends: ["alpine-baselayout-data=3.6.5-r0", "/bin/sh"],
      scripts: {
        "pre-install": "#!/bin/sh\nexit 0\n",
        "post-install": '#!/bin/sh -e\necho "$0 $1" >/etc/made-by-script\n',
      },
      files: {
        ...Object.fromEntries(
          ["dev/", "proc/", "sys/", "run/", "home/", "usr/lib/", "var/log/"].map((path) => [path, ""]),
        ),
        "tmp/": { data: "", mode: 0o1777 },
        "root/": { data: "", mode: 0o700 },
        "etc/motd": "Welcome\n",
        "etc/mtab": "-> ../proc/mounts",
      },
    },
    {
      name: "alpine-baselayout-data",
      version: "3.6.5-r0",
      replaces: ["alpine-baselayout"],
      files: {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "etc/group": "root:x:0:\nshadow:x:42:\n",
        "etc/shadow": { data: "root:::0:::::\nbin:!::0:::::\n", mode: 0o640, gid: 42 },
      },
    },
    { name: "alpine-keys", version: "2.4-r1", files: { "usr/share/apk/keys/readme": "keys\n" } },
    {
      name: "alpine-release",
      version: "3.20.3-r0",
      depends: ["alpine-keys"],
      files: {
        "etc/alpine-release": "3.20.3\n",
        "etc/os-release": 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.3\n',
      },
    },
    {
      name: "apk-tools",
      version: "2.14.4-r0",
      depends: ["so:libc.musl-x86_64.so.1"],
      files: { "sbin/apk": "no program\n" },
    },
    {
      name: "busybox",
      version: V,
      depends: ["so:libc.musl-x86_64.so.1"],
      provides: [`cmd:busybox=${V}`],
      triggers: "/bin /usr/bin /sbin /usr/sbin /lib/modules/*",
      scripts: { "post-install": "#!/bin/busybox sh\n/bin/busybox --install -s\n", trigger: TRIGGER },
      files: { "bin/busybox": program, "sbin/": "", "usr/bin/": "", "usr/sbin/": "", "etc/securetty": "console\n" },
    },
    {
      name: "busybox-binsh",
      version: V,
      depends: [`busybox=${V}`],
      provides: ["/bin/sh", `cmd:sh=${V}`],
      priority: 100,
      files: { "bin/sh": "-> /bin/busybox" },
    },
    { name: "dash-binsh", version: "0.5.12-r0", provides: ["/bin/sh"], priority: 60, files: { "bin/sh": "-> dash" } },
    { name: "libc-utils", version: "0.7.2-r5", depends: ["musl-utils"] },
    {
      name: "musl",
      version: "1.2.5-r0",
      provides: ["so:libc.musl-x86_64.so.1=1"],
      files: { "lib/libc.musl-x86_64.so.1": "libc" },
    },
    { name: "musl", version: "1.2.4-r9", provides: ["so:libc.musl-x86_64.so.1=1"], files: { "lib/old": "libc" } },
    {
      name: "musl-utils",
      version: "1.2.5-r0",
      depends: ["!uclibc-utils", "musl"],
      files: { "usr/bin/ldd": "#!/bin/sh\n" },
    },
    {
      name: "ssl_client",
      version: V,
      installIf: [`busybox=${V}`, "apk-tools"],
      files: { "usr/bin/ssl_client": "ssl\n" },
    },
  ];
}

/** What the larger repository has. */
export const COMMUNITY: ApkSource[] = [
  {
    name: "hello",
    version: "2.12-r1",
    depends: ["so:libhello.so.1", "busybox>=1.36"],
    scripts: {
      "post-install": "#!/bin/sh\necho hello from $1 >/usr/share/hello\nls /dev | tr '\\n' ' ' >>/usr/share/hello\n",
    },
    files: { "usr/share/": "", "usr/bin/hello": { data: "#!/bin/sh\ncat /usr/share/hello\n", mode: 0o755 } },
  },
  {
    name: "libhello",
    version: "1.0-r0",
    provides: ["so:libhello.so.1=1.0.0"],
    files: { "usr/lib/libhello.so.1": "lib" },
  },
  { name: "broken", version: "1-r0", scripts: { "post-install": "#!/bin/sh\necho no luck >&2\nexit 3\n" } },
  { name: "stuck", version: "1-r0", scripts: { "post-install": "#!/bin/sh\necho waiting\nsleep 1000\n" } },
  { name: "orphan", version: "1-r0", depends: ["so:libnosuch.so.9"] },
  { name: "uclibc-utils", version: "1-r0" },
];
