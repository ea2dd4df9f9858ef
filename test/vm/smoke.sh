#!/bin/sh
# The smoke on a machine with pure cgroup v2: everything that depends on the kernel, by crun and by runc. Prints one line a check,
# "ok …" or "FAIL …" with what was written to stderr and the end of the daemon's log; exit code 0 where all passed.
# Every command has a limit of its own, so that nothing can hang. Runs as root on a machine that it may litter.
set -u
exec </dev/null 2>>/tmp/stderr
LIMIT=180
failed=0
berth() { timeout -k 5 $LIMIT /usr/local/bin/berth "$@"; }
code() { "$@" >/dev/null; echo $?; }
check() { # check NAME WANT GOT
  if [ "$2" = "$3" ]; then
    echo "ok $1"
  else
    failed=1
    echo "FAIL $1: want '$2', got '$3'"
    tail -n 4 /tmp/stderr | sed 's/^/  stderr: /'
    tail -n 6 /tmp/daemon.log | sed 's/^/  daemon: /'
  fi
  : >/tmp/stderr
}
until_true() { # until_true COMMAND…: polls; 1 where it stays false
  for _ in $(seq $((LIMIT * 5))); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.2
  done
  echo "still false: $*" >&2
  return 1
}
start_daemon() { # start_daemon FLAG…
  : >/tmp/ready
  BERTH_READY=stdout /usr/local/bin/berth daemon "$@" >/tmp/ready 2>>/tmp/daemon.log &
  daemon=$!
  # Asking by the command line would start a second one.
  until_true grep -q ready /tmp/ready && return
  check "daemon answers" yes no
  exit 1
}
crash_daemon() {
  kill -9 $daemon
  wait $daemon 2>/dev/null
}
daemon_ended() { [ ! -e /proc/$daemon ] || grep -q '^State:.Z' /proc/$daemon/status; }
cgroup_gone() { [ ! -d "/sys/fs/cgroup/berth/$1" ]; }
sum() { sha256sum | cut -d' ' -f1; }

limits() { # seen from inside
  check "$runtime: memory limit" 67108864 "$(run --rm -m 64m busybox cat /sys/fs/cgroup/memory.max)"
  check "$runtime: swap limit" 33554432 "$(run --rm -m 64m --memory-swap 96m busybox cat /sys/fs/cgroup/memory.swap.max)"
  check "$runtime: pids limit" 50 "$(run --rm --pids-limit 50 busybox cat /sys/fs/cgroup/pids.max)"
  check "$runtime: cpu limit" "50000 100000" "$(run --rm --cpus 0.5 busybox cat /sys/fs/cgroup/cpu.max)"
  check "$runtime: cpu set" 1 "$(run --rm --cpuset-cpus 1 busybox cat /sys/fs/cgroup/cpuset.cpus.effective)"
  check "$runtime: memory reservation" 33554432 "$(run --rm --memory-reservation 32m busybox cat /sys/fs/cgroup/memory.low)"
  check "$runtime: cpu shares as weight" 20 "$(run --rm --cpu-shares 512 busybox cat /sys/fs/cgroup/cpu.weight)"
  check "$runtime: write rate" wbps=1048576 "$(run --rm --device-write-bps /dev/vda:1mb busybox grep -o 'wbps=[0-9]*' /sys/fs/cgroup/io.max)"
  check "$runtime: what v2 does not have is left out" "hello 2" "$(run --rm -m 64m --memory-swappiness 10 --oom-kill-disable busybox echo hello) $(grep -c discarded /tmp/stderr)"
  check "$runtime: cgroup parent" "0::/other/ID" "$(run --rm --cgroupns host --cgroup-parent /other busybox cat /proc/self/cgroup | sed 's/[0-9a-f]\{64\}/ID/')"
  check "$runtime: private cgroup view" "0::/" "$(run --rm busybox cat /proc/self/cgroup)"
  check "$runtime: cgroup is read-only" "ro" "$(run --rm busybox sh -c 'grep " /sys/fs/cgroup " /proc/mounts | cut -d" " -f4 | cut -d, -f1')"
  check "$runtime: devices" "Operation not permitted" "$(run --rm busybox sh -c 'mknod /k c 1 2; head -c 1 /k 2>&1 | grep -o "Operation not permitted"')"
}

memory() { # out of memory; new limits while it runs
  since=$(date +%s)
  check "$runtime: out of memory" 137 "$(code run --name oom-$runtime -m 16m busybox sh -c 'x=a; while :; do x=$x$x; done')"
  check "$runtime: OOMKilled" true "$(berth inspect -f '{{.State.OOMKilled}}' oom-$runtime)"
  events=$(berth events --since "$since" --until "$(($(date +%s) + 1))" -f container=oom-$runtime --format '{{.Action}}')
  check "$runtime: events" "create attach start oom die" "$(echo $events)"
  check "$runtime: killed otherwise" 143 "$(code run --init --name killed-$runtime -m 16m busybox sh -c 'kill -15 $$')"
  check "$runtime: not OOMKilled" false "$(berth inspect -f '{{.State.OOMKilled}}' killed-$runtime)"

  run -d --name live-$runtime -m 64m --pids-limit 40 busybox sleep 1000000 >/dev/null
  inside="berth exec live-$runtime cat"
  check "$runtime: update" 0 "$(code berth update -m 96m --cpus 0.25 --pids-limit 60 live-$runtime)"
  check "$runtime: new memory limit" 100663296 "$($inside /sys/fs/cgroup/memory.max)"
  check "$runtime: new cpu limit" "25000 100000" "$($inside /sys/fs/cgroup/cpu.max)"
  check "$runtime: new pids limit" 60 "$($inside /sys/fs/cgroup/pids.max)"
  check "$runtime: new limits of memory and swap" "268435456 268435456" "$(berth update -m 256m --memory-swap 512m live-$runtime >/dev/null; echo $($inside /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.swap.max))"
  check "$runtime: stats show the new limit" "256MiB" "$(berth stats --no-stream --format '{{.MemUsage}}' live-$runtime | sed 's,.*/ *,,')"
  check "$runtime: top" "sleep 1000000" "$(berth top live-$runtime -eo pid,args | sed -n '2,$p' | sed 's/^ *[0-9]* *//;s/ *$//')"
  berth exec -d live-$runtime sleep 2000000
  check "$runtime: top shows what exec started" 2 "$(berth top live-$runtime | grep -c 'sleep [12]000000')"
  check "$runtime: pause freezes" paused "$(berth pause live-$runtime >/dev/null; berth ps --filter name=live-$runtime --format '{{.State}}')"
  check "$runtime: no exec while paused" 1 "$(code berth exec live-$runtime true)"
  check "$runtime: unpause" running "$(berth unpause live-$runtime >/dev/null; berth ps --filter name=live-$runtime --format '{{.State}}')"
  # An init that moves itself into a group of its own, as systemd does.
  run -d --privileged --name nested-$runtime -m 64m busybox sh -c 'mkdir /sys/fs/cgroup/own && echo 1 >/sys/fs/cgroup/own/cgroup.procs && echo +pids >/sys/fs/cgroup/cgroup.subtree_control && exec sleep 1000000' >/dev/null
  nested=/sys/fs/cgroup/berth/$(berth inspect -f '{{.Id}}' nested-$runtime)
  check "$runtime: init in a group of its own" yes "$(until_true grep -q . "$nested/own/cgroup.procs" && echo yes)"
  check "$runtime: exec beside it" hello "$(until_true grep -q pids "$nested/cgroup.subtree_control"; berth exec nested-$runtime echo hello)"
  check "$runtime: update finds the container's group" 83886080 "$(berth update -m 80m nested-$runtime >/dev/null; cat "$nested/memory.max")"
  check "$runtime: rm with a nested group" gone "$(berth rm -f nested-$runtime >/dev/null; [ -e "$nested" ] || echo gone)"
  check "$runtime: what outlives a container without a pid namespace is killed" gone "$(run --rm --pid host busybox sh -c 'sleep 3000000 & exit 0'; until_true sh -c '! pgrep -f "^sleep 3000000"' && echo gone)"
}

streams() {
  check "$runtime: tty" /dev/pts/0 "$(run --rm -t busybox tty | tr -d '\r')"
  check "$runtime: 20 MB of output whole" "$(sum </tmp/big)" "$(run --name big-$runtime -v /tmp/big:/big:ro busybox cat /big | sum)"
  check "$runtime: 20 MB of log whole" "$(sum </tmp/big)" "$(berth logs big-$runtime | sum)"
  check "$runtime: stdin" "$(sum </tmp/big)" "$(run --rm -i busybox cat </tmp/big | sum)"
  check "$runtime: --init" "/sbin/docker-init 5" "$(echo $(run --rm --init busybox sh -c 'tr "\000" "\n" </proc/1/cmdline | head -n 1; exit 5'; echo $?))"
}

network() {
  run -d --name web-$runtime -p 8080:80 busybox httpd -f -p 80 -h /etc >/dev/null
  page() { timeout 5 busybox wget -q -O - http://127.0.0.1:8080/passwd; }
  check "$runtime: exec" "PID 1 is httpd" "PID 1 is $(berth exec web-$runtime sh -c 'tr "\000" "\n" </proc/1/cmdline | head -n 1')"
  check "$runtime: exec's exit code" 3 "$(code berth exec web-$runtime sh -c 'exit 3')"
  check "$runtime: published port" root "$(until_true page; page | head -n 1 | cut -d: -f1)"
  gateway=$(berth inspect -f '{{.NetworkSettings.Gateway}}' web-$runtime)
  check "$runtime: published port from another container" root "$(run --rm busybox timeout 60 wget -q -O - "http://$gateway:8080/passwd" | head -n 1 | cut -d: -f1)"
  check "$runtime: stats" "web-$runtime 1" "$(berth stats --no-stream --format '{{.Name}} {{.PIDs}}' web-$runtime)"
  # httpd has no handler: a stop that waited would outlast the limit of the command.
  check "$runtime: stop does not wait" 0 "$(code berth stop -t 100000 web-$runtime)"
  check "$runtime: port is free again" 1 "$(code page)"
}

daemon_away() {
  run -d --name counter-$runtime busybox sh -c 'i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo $i; sleep 0.2; done; exit 7' >/dev/null
  run -d --name away-$runtime -v /tmp/gate-$runtime:/gate busybox sh -c 'until [ -e /gate/go ]; do sleep 0.2; done; echo bye; exit 9' >/dev/null
  away=$(berth inspect -f '{{.Id}}' away-$runtime)
  crash_daemon
  touch /tmp/gate-$runtime/go
  check "$runtime: ends while the daemon is away" yes "$(until_true cgroup_gone "$away" && echo yes)"
  start_daemon
  check "$runtime: its exit code" "exited 9" "$(berth inspect -f '{{.State.Status}} {{.State.ExitCode}}' away-$runtime)"
  check "$runtime: its log" bye "$(berth logs away-$runtime)"
  check "$runtime: wait after kill -9 of the daemon" 7 "$(berth wait counter-$runtime)"
  check "$runtime: no line lost or doubled" "$(seq 60 | tr '\n' ' ')" "$(berth logs counter-$runtime | tr '\n' ' ')"
  check "$runtime: live container runs on" running "$(berth inspect -f '{{.State.Status}}' live-$runtime)"
  check "$runtime: exec after kill -9 of the daemon" hello "$(berth exec live-$runtime echo hello)"
}

# Networks of one's own: names, and drivers that lie on an interface of the host's.
own_networks() {
  pings() { run --rm --network "$1" busybox ping -c 1 -W 5 "$2" >/dev/null 2>&1 && echo yes; }
  berth network create own >/dev/null
  run -d --name named --network own busybox sleep 1000 >/dev/null
  run -d --name plain busybox sleep 1000 >/dev/null
  check "a name on a network of one's own" yes "$(pings own named)"
  check "a name on the default bridge" yes "$(pings bridge plain)"
  ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up
  for driver in macvlan ipvlan; do
    modprobe $driver 2>/dev/null || { echo "   no $driver in this kernel"; continue; }
    check "$driver: network" 0 "$(code berth network create -d $driver -o parent=up0 --subnet 10.77.0.0/24 lower)"
    run -d --name lower-$driver --network lower busybox sleep 1000 >/dev/null
    check "$driver: a name" yes "$(pings lower lower-$driver)"
    check "$driver: rm" 0 "$(code berth rm -f lower-$driver)"
    check "$driver: network rm" 0 "$(code berth network rm lower)"
  done
  modprobe ipvlan 2>/dev/null && {
    berth network create -d ipvlan -o parent=up0 -o ipvlan_mode=l3 --subnet 10.78.0.0/24 lower >/dev/null
    check "ipvlan l3: a route without a gateway" yes "$(run --rm --network lower busybox ip route | grep -q '^default dev eth0' && echo yes)"
    berth network rm lower >/dev/null
  }
  nft flush ruleset
  run -d --name open -p 8090:80 busybox httpd -f -p 80 -h /etc >/dev/null
  opened() { timeout 5 busybox wget -q -O - http://127.0.0.1:8090/passwd; }
  check "rules come back after a flush" root "$(until_true opened; opened | head -n 1 | cut -d: -f1)"
  check "rm" 0 "$(code berth rm -f named plain open)"
  check "network rm" 0 "$(code berth network rm own)"
  ip link delete up0
}

# File systems of servers that swallow every packet: said in time, nothing left. A taken port refuses at once.
silent_servers() {
  grep -q localhost /etc/hosts || echo 127.0.0.1 localhost >>/etc/hosts
  ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up
  ip address add 10.79.0.1/24 dev up0
  ip neigh add 10.79.0.2 lladdr 02:00:00:00:00:02 dev up0
  mounts() { berth volume create -o type=$1 -o "device=$2" -o "o=$3" $1 >/dev/null; berth run --rm -v $1:/v busybox true 2>&1 | grep -c "$4"; berth volume rm $1 >/dev/null; }
  for type in nfs cifs; do
    modprobe $type 2>/dev/null || { echo "   no $type in this kernel"; continue; }
    [ $type = nfs ] && { device=:/x; more=vers=4; } || { device=//files/x; more=username=u,password=hunter2; }
    check "$type: a server that is silent" 1 "$(mounts $type $device "addr=10.79.0.2,$more" "_data, data: addr=10.79.0.2.*: no answer within 8 seconds")"
    check "$type: a server that is none" 1 "$(mounts $type $device "addr=localhost,$more" "data: addr=127.0.0.1.*: connection refused")"
    check "$type: no worker left" 0 "$(ps -eo args | grep -c '[w]orker mount')"
    check "$type: no mount left" 0 "$(grep -c " $type" /proc/mounts)"
  done
  ip link delete up0
}

build() {
  mkdir -p /tmp/ctx
  echo payload >/tmp/ctx/file
  cat >/tmp/ctx/Dockerfile <<'DOCKERFILE'
FROM busybox
COPY file /file
RUN cat /file >/copy && echo built >>/copy
CMD ["cat", "/copy"]
DOCKERFILE
  check "build" 0 "$(code berth build -q -t built /tmp/ctx)"
  check "run what was built" "payload built" "$(echo $(berth run --rm built))"
  check "build again takes the same layers" "$(berth inspect -f '{{.Id}}' built)" "$(berth build -q /tmp/ctx)"
}

limits_left() { repquota -P -n "$1" | grep -c '^#[1-9][0-9]\{6\}'; }
quota() { # quota FILE_SYSTEM: --storage-opt size and the size of a volume, on a file system with project quotas
  mkdir -p /mnt/$1
  mount -o loop,prjquota /tmp/$1.img /mnt/$1
  start_daemon --data-root /mnt/$1/data
  check "$1: bootstrap busybox" 0 "$(code berth bootstrap busybox)"
  mkdir -p /mnt/$1/mine && chown 1000:1000 /mnt/$1/mine
  check "$1: owners are mapped" 0 "$(berth run --rm -v /mnt/$1/mine:/m:map=1000.1000 busybox sh -c 'stat -c %u /m; echo x >/m/file')"
  check "$1: owners are mapped back" 1000 "$(stat -c %u /mnt/$1/mine/file)"
  fill='dd if=/dev/zero of=FILE bs=1M count=30 2>/dev/null; echo $? $(($(stat -c %s FILE) > 15000000)) $(($(stat -c %s FILE) < 21000000))'
  layer=$(echo "$fill" | sed s,FILE,/f,g)
  volume=$(echo "$fill" | sed s,FILE,/v/f,g)
  check "$1: a container's layer is limited" "1 1 1" "$(berth run --name lim --storage-opt size=20m busybox sh -c "$layer")"
  check "$1: its df shows the limit" 20480 "$(berth run --rm --storage-opt size=20m busybox df -k / | awk 'END{print $2}')"
  check "$1: others are not" "0 1 0" "$(berth run --rm busybox sh -c "$layer")"
  crash_daemon
  start_daemon --data-root /mnt/$1/data
  check "$1: and still, after a crash of the daemon" "1 1 1" "$(berth start -a lim)"
  berth volume create -o size=20m lim >/dev/null
  check "$1: a volume is limited" "1 1 1" "$(berth run --rm -v lim:/v busybox sh -c "$volume")"
  check "$1: the container beside it is not" "0 1 0" "$(berth run --rm -v lim:/v busybox sh -c "$layer")"
  check "$1: an AutoRemove container that is restarted stays limited" "1 1 1" "$(
    berth run -d --rm --name again --storage-opt size=20m busybox sleep 1000000 >/dev/null
    berth restart -t 0 again >/dev/null; berth exec again sh -c "$layer"; berth rm -f again >/dev/null)"
  check "$1: removed" "0 0" "$(code berth rm lim) $(code berth volume rm lim)"

  check "$1: no limit is left" 0 "$(limits_left /mnt/$1)"
  kill $daemon
  check "$1: daemon leaves" 0 "$(until_true daemon_ended; echo $?)"
  umount /mnt/$1
}

for name in crun runc; do mkdir -p /tmp/gate-$name; done
head -c 15728640 /dev/urandom | base64 -w 4000 >/tmp/big
: >/tmp/daemon.log
start_daemon
check "cgroup version" 2 "$(berth info -f '{{.CgroupVersion}}')"
check "bootstrap busybox" 0 "$(code berth bootstrap busybox)"
for runtime in crun runc; do
  run() { berth run --runtime $runtime "$@"; }
  check "$runtime: run" hello "$(run --rm busybox echo hello)"
  check "$runtime: exit code" 42 "$(code run --rm busybox sh -c 'exit 42')"
  check "$runtime: no such command" 127 "$(code run --rm busybox nosuch)"
  limits
  memory
  streams
  network
  daemon_away
done
own_networks
silent_servers
build

check "rm" 0 "$(code berth rm -f $(berth ps -aq))"
check "no cgroup left" 0 "$(find /sys/fs/cgroup -mindepth 2 -type d | wc -l)"
check "no mount left" 0 "$(grep -c ' overlay ' /proc/mounts)"
check "no monitor left" 0 "$(ps -eo args | grep -c '[b]erth-helper.* monitor')"
kill $daemon
check "daemon leaves" 0 "$(until_true daemon_ended; echo $?)"
check "no namespace left" 0 "$(ls /run/netns 2>/dev/null | wc -l)"
check "no link left" 0 "$(ip -o link | grep -c -E 'veth|berth')"
check "no table left" 0 "$(nft list tables | grep -c berth)"
truncate -s 400M /tmp/ext4.img /tmp/xfs.img
mkfs.ext4 -q -O project,quota -E quotatype=prjquota /tmp/ext4.img
mkfs.xfs -q /tmp/xfs.img
for fs in ext4 xfs; do quota $fs; done
exit $failed
