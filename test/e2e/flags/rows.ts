import { cgroupMode } from "../../../src/host/cgroup.ts";

/** What a row runs, and what is to be seen of it. Paths and names that the daemon's test makes: see flags.test.ts. */
export interface Row {
  flags: string[];
  /** Run inside by sh. What it prints (both streams, trimmed) is compared. */
  inside?: string;
  /** A template for `inspect` of the container that is created with these flags. */
  inspect?: string;
  /** The command behind the image, where it is not `sh -c`. */
  argv?: string[];
  shows: string | RegExp;
}

const V2 = cgroupMode() === "v2";
const cgroup = (v1: string, v2: string): string => `cat /sys/fs/cgroup/${V2 ? v2 : v1}`;
const onV = (v1: string, v2: string): string => (V2 ? v2 : v1);
const mountOf = (path: string): string => `awk '$2 == "${path}" {print $1, $3, $4}' /proc/mounts`;
const throttle = (file: string): string => (V2 ? "cat /sys/fs/cgroup/io.max" : `cat /sys/fs/cgroup/blkio/${file}`);
const WEIGHTS = "cat /sys/fs/cgroup/blkio/blkio*.weight* /sys/fs/cgroup/io*.weight 2>/dev/null";
const namespace = (kind: string): string => `readlink /proc/self/ns/${kind}`;

/** Limits of resources, by flag. `DISK` is a block device of the host, `d:d` its numbers. */
const RESOURCES: Record<string, Row> = {
  "blkio-weight": {
    flags: ["--blkio-weight", "300"],
    inside: `${WEIGHTS}; echo started`,
    shows:
      /\b(300|2930)\n(.*\n)*started|started\nWARNING: Your kernel does not support Block I\/O weight or the cgroup is not mounted\. Weight discarded\.$/,
  },
  "blkio-weight-device": {
    flags: ["--blkio-weight-device", "DISK:200"],
    inside: `${WEIGHTS}; echo started`,
    shows:
      /d:d 200\n(.*\n)*started|started\nWARNING: Your kernel does not support Block I\/O weight_device or the cgroup is not mounted\. Weight-device discarded\.$/,
  },
  "cpu-period": {
    flags: ["--cpu-period", "80000", "--cpu-quota", "40000"],
    inside: cgroup("cpu/cpu.cfs_period_us", "cpu.max"),
    shows: onV("80000", "40000 80000"),
  },
  "cpu-quota": {
    flags: ["--cpu-quota", "30000"],
    inside: cgroup("cpu/cpu.cfs_quota_us", "cpu.max"),
    shows: onV("30000", "30000 100000"),
  },
  // Cgroups of this kernel may have no realtime bandwidth to give away, or none at all: the start is refused then.
  "cpu-rt-period": {
    flags: ["--cpu-rt-period", "900000"],
    inside: "cat /sys/fs/cgroup/cpu/cpu.rt_period_us",
    shows: /^900000$|kernel does not support CPU real-time scheduler/,
  },
  "cpu-rt-runtime": {
    flags: ["--cpu-rt-period", "900000", "--cpu-rt-runtime", "1000"],
    inside: "cat /sys/fs/cgroup/cpu/cpu.rt_runtime_us",
    shows: /^1000$|cpu\.rt_runtime_us.*[Ii]nvalid argument|kernel does not support CPU real-time scheduler/,
  },
  "cpu-shares": { flags: ["-c", "512"], inside: cgroup("cpu/cpu.shares", "cpu.weight"), shows: onV("512", "20") },
  cpus: {
    flags: ["--cpus", "0.5"],
    inside: cgroup("cpu/cpu.cfs_quota_us", "cpu.max"),
    shows: onV("50000", "50000 100000"),
  },
  "cpuset-cpus": { flags: ["--cpuset-cpus", "0"], inside: "nproc", shows: "1" },
  "cpuset-mems": { flags: ["--cpuset-mems", "0"], inside: cgroup("cpuset/cpuset.mems", "cpuset.mems"), shows: "0" },
  "device-read-bps": {
    flags: ["--device-read-bps", "DISK:1mb"],
    inside: throttle("blkio.throttle.read_bps_device"),
    shows: onV("d:d 1048576", "d:d rbps=1048576 wbps=max riops=max wiops=max"),
  },
  "device-read-iops": {
    flags: ["--device-read-iops", "DISK:100"],
    inside: throttle("blkio.throttle.read_iops_device"),
    shows: onV("d:d 100", "d:d rbps=max wbps=max riops=100 wiops=max"),
  },
  "device-write-bps": {
    flags: ["--device-write-bps", "DISK:2mb"],
    inside: throttle("blkio.throttle.write_bps_device"),
    shows: onV("d:d 2097152", "d:d rbps=max wbps=2097152 riops=max wiops=max"),
  },
  "device-write-iops": {
    flags: ["--device-write-iops", "DISK:200"],
    inside: throttle("blkio.throttle.write_iops_device"),
    shows: onV("d:d 200", "d:d rbps=max wbps=max riops=max wiops=200"),
  },
  "kernel-memory": { flags: ["--kernel-memory", "64m"], inside: "echo started", shows: "started" },
  memory: { flags: ["-m", "64m"], inside: cgroup("memory/memory.limit_in_bytes", "memory.max"), shows: "67108864" },
  "memory-reservation": {
    flags: ["--memory-reservation", "32m"],
    inside: cgroup("memory/memory.soft_limit_in_bytes", "memory.low"),
    shows: "33554432",
  },
  "memory-swap": {
    flags: ["-m", "64m", "--memory-swap", "96m"],
    inside: cgroup("memory/memory.memsw.limit_in_bytes", "memory.swap.max"),
    shows: onV("100663296", "33554432"),
  },
  "memory-swappiness": {
    flags: ["--memory-swappiness", "11"],
    inside: V2 ? "echo 11" : "cat /sys/fs/cgroup/memory/memory.swappiness",
    shows: /11$/,
  },
  "oom-kill-disable": {
    flags: ["-m", "64m", "--oom-kill-disable"],
    inside: V2 ? "echo oom_kill_disable 1" : "cat /sys/fs/cgroup/memory/memory.oom_control",
    shows: /oom_kill_disable 1/,
  },
  "oom-score-adj": { flags: ["--oom-score-adj", "321"], inside: "cat /proc/self/oom_score_adj", shows: "321" },
  "pids-limit": { flags: ["--pids-limit", "33"], inside: cgroup("pids/pids.max", "pids.max"), shows: "33" },
  "shm-size": { flags: ["--shm-size", "3m"], inside: "df -k /dev/shm | awk 'END {print $2}'", shows: "3072" },
  ulimit: { flags: ["--ulimit", "nofile=100:200"], inside: "ulimit -n; ulimit -Hn", shows: "100\n200" },
};

/** What it is, may do and sees. `HOST` is a folder with an env file, a label file, a profile and files of its own. */
const ISOLATION: Record<string, Row> = {
  "cap-add": {
    flags: ["--cap-drop", "ALL", "--cap-add", "net_admin"],
    inside: "awk '/CapEff/ {print $2}' /proc/self/status",
    shows: "0000000000001000",
  },
  "cap-drop": { flags: ["--cap-drop", "chown"], inside: "chown 1 /tmp", shows: /not permitted/ },
  "cgroup-parent": {
    flags: ["--cgroup-parent", "CGROUP/below", "--cgroupns", "host"],
    inside: "cat /proc/self/cgroup",
    shows: /:\/CGROUP\/below\/[0-9a-f]{64}/,
  },
  cgroupns: { flags: ["--cgroupns", "private"], inside: "awk -F: 'END {print $3}' /proc/self/cgroup", shows: "/" },
  device: {
    flags: ["--device", "/dev/zero:/dev/nought:r"],
    inside: "head -c2 /dev/nought | wc -c; stat -c '%t %T' /dev/nought",
    shows: "2\n1 5",
  },
  "device-cgroup-rule": {
    flags: ["--device-cgroup-rule", "c 10:229 rwm"],
    inside: "mknod /f c 10 229; (: </f) 2>&1 | grep -c 'not permitted'",
    shows: "0",
  },
  domainname: {
    flags: ["--domainname", "example.org"],
    inside: "cat /proc/sys/kernel/domainname",
    shows: "example.org",
  },
  entrypoint: { flags: ["--entrypoint", "echo"], argv: ["from", "entrypoint"], shows: "from entrypoint" },
  env: {
    flags: ["-e", "A=1", "-e", "TERM_PROGRAM_UNSET", "-e", "FROM_SHELL"],
    inside: "echo $A $TERM_PROGRAM_UNSET $FROM_SHELL",
    shows: "1 shell's",
  },
  "env-file": { flags: ["--env-file", "HOST/env"], inside: "echo $ONE $TWO $FROM_SHELL", shows: "1 two words shell's" },
  gpus: { flags: ["--gpus", "1"], inside: "echo $GPU; stat -c '%t %T' /dev/gpu0", shows: "0\n1 5" },
  "group-add": { flags: ["--group-add", "4711", "--group-add", "root"], inside: "id -G", shows: /\b4711\b/ },
  hostname: { flags: ["-h", "own-name"], inside: "hostname; cat /etc/hostname", shows: "own-name\nown-name" },
  init: { flags: ["--init"], inside: "cat /proc/1/comm; [ $$ != 1 ] && echo child", shows: "docker-init\nchild" },
  ipc: {
    flags: ["--ipc", "none"],
    inside: "ls -d /dev/shm 2>&1; df /dev/shm 2>/dev/null | grep -c ' /dev/shm$'",
    shows: /0$/,
  },
  "label-file": { flags: ["--label-file", "HOST/labels"], inspect: '{{index .Config.Labels "from"}}', shows: "a file" },
  mount: {
    flags: ["--mount", "type=bind,src=HOST,dst=/x,readonly"],
    inside: "cat /x/file; touch /x/new",
    shows: /^here\n.*Read-only file system/,
  },
  pid: { flags: ["--pid", "host"], inside: namespace("pid"), shows: "NS:pid" },
  privileged: {
    flags: ["--privileged"],
    inside: "awk '/Seccomp:/ {print $2}' /proc/self/status; [ -w /sys/kernel ] && echo sys",
    shows: "0\nsys",
  },
  "read-only": { flags: ["--read-only"], inside: "touch /x", shows: /Read-only file system/ },
  "security-opt": {
    flags: ["--security-opt", "seccomp=HOST/seccomp.json", "--security-opt", "no-new-privileges"],
    inside: "mkdir /x; awk '/NoNewPrivs/ {print $2}' /proc/self/status",
    shows: /Input\/output error/,
  },
  sysctl: { flags: ["--sysctl", "kernel.msgmax=9000"], inside: "cat /proc/sys/kernel/msgmax", shows: "9000" },
  tmpfs: {
    flags: ["--tmpfs", "/t:size=1m,mode=700"],
    inside: `${mountOf("/t")}; stat -c %a /t`,
    shows: "tmpfs tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k,mode=700\n700",
  },
  user: { flags: ["-u", "65534:100"], inside: "id -u; id -g", shows: "65534\n100" },
  userns: { flags: ["--userns", "host"], inside: namespace("user"), shows: "NS:user" },
  uts: { flags: ["--uts", "host"], inside: namespace("uts"), shows: "NS:uts" },
  volume: {
    flags: ["-v", "HOST:/x:ro", "-v", "flags-vol:/v"],
    inside: "cat /x/file; touch /v/new && touch /x/new",
    shows: /^here\n.*Read-only file system/,
  },
  "volume-driver": {
    flags: ["--volume-driver", "local", "-v", "flags-driver:/v"],
    inspect: "{{(index .Mounts 0).Driver}}",
    shows: "local",
  },
  "volumes-from": {
    flags: ["--volumes-from", "donor:ro"],
    inside: "cat /given/file; touch /given/new",
    shows: /^given\n.*Read-only file system/,
  },
  workdir: { flags: ["-w", "/made/on/the/way"], inside: "pwd", shows: "/made/on/the/way" },
};

/** The network's. */
const NETWORK: Record<string, Row> = {
  "add-host": {
    flags: ["--add-host", "some.host:10.1.2.3"],
    inside: "grep some.host /etc/hosts",
    shows: /^10\.1\.2\.3\s+some\.host$/,
  },
  dns: { flags: ["--dns", "10.9.8.7"], inside: "grep nameserver /etc/resolv.conf", shows: /10\.9\.8\.7/ },
  "dns-option": {
    flags: ["--dns", "10.9.8.7", "--dns-option", "ndots:3"],
    inside: "grep options /etc/resolv.conf",
    shows: /ndots:3/,
  },
  "dns-search": {
    flags: ["--dns", "10.9.8.7", "--dns-search", "example.org"],
    inside: "grep search /etc/resolv.conf",
    shows: "search example.org",
  },
  link: { flags: ["--link", "donor:its-alias"], inside: "grep -c its-alias /etc/hosts", shows: "1" },
  "mac-address": {
    flags: ["--mac-address", "02:42:ac:11:00:77"],
    inside: "cat /sys/class/net/eth0/address",
    shows: "02:42:ac:11:00:77",
  },
  network: { flags: ["--network", "none"], inside: "ls /sys/class/net", shows: "lo" },
};

/** Its life and its output. */
const LIFE: Record<string, Row> = {
  attach: { flags: ["-a", "stderr"], inside: "echo out; echo err >&2", shows: "err" },
  "disable-content-trust": { flags: ["--disable-content-trust"], inside: "echo ran", shows: "ran" },
  tty: { flags: ["-t"], inside: "tty", shows: "/dev/pts/0" },
};

/** One row for each flag, by its name. */
export const ROWS: Record<string, Row> = { ...RESOURCES, ...ISOLATION, ...NETWORK, ...LIFE };

/** Flags that are refused on such a host, or with such a value, and the words. */
export const REFUSED: Record<string, { flags: string[]; words: string }> = {
  "cpu-count": {
    flags: ["--cpu-count", "1"],
    words: '"--cpu-count" is only supported on a Docker daemon running on windows',
  },
  "cpu-percent": {
    flags: ["--cpu-percent", "1"],
    words: '"--cpu-percent" is only supported on a Docker daemon running on windows',
  },
  "io-maxbandwidth": {
    flags: ["--io-maxbandwidth", "1"],
    words: '"--io-maxbandwidth" is only supported on a Docker daemon running on windows',
  },
  "io-maxiops": {
    flags: ["--io-maxiops", "1"],
    words: '"--io-maxiops" is only supported on a Docker daemon running on windows',
  },
  isolation: { flags: ["--isolation", "hyperv"], words: "invalid isolation (hyperv): linux only supports 'default'" },
  ip: { flags: ["--ip", "172.17.0.9"], words: "user specified IP address is supported on user defined networks only" },
  ip6: {
    flags: ["--ip6", "2001:db8::9"],
    words: "user specified IP address is supported on user defined networks only",
  },
  "network-alias": {
    flags: ["--network-alias", "x"],
    words: "network-scoped aliases are only supported for user-defined networks",
  },
  "storage-opt": {
    flags: ["--storage-opt", "size=1G"],
    words: "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
  },
};

/** Flags of the command line itself; each has a test of its own, in the file named. */
export const OF_THE_CLIENT: Record<string, string> = {
  cidfile: "flags.test.ts",
  detach: "flags.test.ts",
  "detach-keys": "cli-interactive.test.ts",
  help: "flags.test.ts",
  "link-local-ip": "findings.test.ts",
  "sig-proxy": "flags.test.ts",
  "use-api-socket": "flags.test.ts",
};
