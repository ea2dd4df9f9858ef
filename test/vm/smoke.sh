#!/bin/sh
# The smoke on a machine with pure cgroup v2: run, limits seen from inside, stats, exec, a published port, kill -9 of the daemon, stop.
# Prints one line a check, "ok …" or "FAIL …"; exit code 0 where all passed. Runs as root on a machine that it may litter.
set -u
failed=0
check() { # check NAME WANT GOT
  if [ "$2" = "$3" ]; then echo "ok $1"; else failed=1; echo "FAIL $1: want '$2', got '$3'"; fi
}
start_daemon() {
  berth daemon >>/tmp/daemon.log 2>&1 &
  daemon=$!
  for i in $(seq 300); do berth version >/dev/null 2>&1 && return; sleep 0.2; done
  echo "FAIL daemon: $(tail -n 3 /tmp/daemon.log)"
  exit 1
}
counter='i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo $i; sleep 0.2; done; exit 7'

start_daemon
trap 'cat /tmp/daemon.log | tail -n 20' EXIT
check "cgroup version" 2 "$(berth info -f '{{.CgroupVersion}}')"
check "bootstrap busybox" 0 "$(berth bootstrap busybox >/tmp/boot.log 2>&1; echo $?)"

for runtime in crun runc; do
  run="berth run --runtime $runtime"
  check "$runtime: run" hello "$($run --rm busybox echo hello)"
  check "$runtime: exit code" 42 "$($run --rm busybox sh -c 'exit 42'; echo $?)"
  check "$runtime: no such command" 127 "$($run --rm busybox nosuch 2>/dev/null; echo $?)"
  check "$runtime: memory limit from inside" 67108864 "$($run --rm -m 64m busybox cat /sys/fs/cgroup/memory.max)"
  check "$runtime: pids limit from inside" 50 "$($run --rm --pids-limit 50 busybox cat /sys/fs/cgroup/pids.max)"
  check "$runtime: cpu limit from inside" "50000 100000" "$($run --rm --cpus 0.5 busybox cat /sys/fs/cgroup/cpu.max)"
  check "$runtime: private cgroup view" "0::/" "$($run --rm busybox cat /proc/self/cgroup)"
  check "$runtime: out of memory" "137" "$($run --name oom-$runtime -m 16m busybox sh -c 'x=a; while :; do x=$x$x; done' >/dev/null 2>&1; echo $?)"
  check "$runtime: OOMKilled" true "$(berth inspect -f '{{.State.OOMKilled}}' oom-$runtime)"

  $run -d --name web-$runtime -p 8080:80 busybox httpd -f -p 80 -h /etc >/dev/null
  check "$runtime: exec" "PID 1 is httpd" "PID 1 is $(berth exec web-$runtime sh -c 'tr "\000" "\n" </proc/1/cmdline | head -n 1')"
  check "$runtime: published port" "root" "$(for i in 1 2 3 4 5 6 7 8 9; do busybox wget -q -O - http://127.0.0.1:8080/passwd 2>/dev/null | cut -d: -f1 | head -n 1 | grep . && break; sleep 0.3; done)"
  gateway=$(berth inspect -f '{{.NetworkSettings.Gateway}}' web-$runtime)
  check "$runtime: published port from another container" "root" "$($run --rm busybox wget -q -O - http://$gateway:8080/passwd | cut -d: -f1 | head -n 1)"
  check "$runtime: stats" 1 "$(berth stats --no-stream --format '{{.Name}} {{.PIDs}}' web-$runtime | grep -c "web-$runtime 1")"
  begin=$(date +%s)
  check "$runtime: stop" 0 "$(berth stop web-$runtime >/dev/null; echo $?)"
  check "$runtime: stop is fast" 1 "$([ $(( $(date +%s) - begin )) -lt 8 ] && echo 1)"
  check "$runtime: port is free again" 1 "$(timeout 5 busybox wget -q -O - http://127.0.0.1:8080/passwd >/dev/null 2>&1; echo $?)"

  $run -d --name counter-$runtime busybox sh -c "$counter" >/dev/null
  kill -9 $daemon
  sleep 1
  start_daemon
  check "$runtime: runs on after kill -9 of the daemon" true "$(berth inspect -f '{{.State.Running}}' counter-$runtime)"
  check "$runtime: wait" 7 "$(berth wait counter-$runtime)"
  check "$runtime: no line lost or doubled" "$(seq 60 | tr '\n' ' ')" "$(berth logs counter-$runtime | tr '\n' ' ')"
done

check "rm" 0 "$(berth rm -f oom-crun oom-runc web-crun web-runc counter-crun counter-runc >/dev/null; echo $?)"
check "no cgroup left" 0 "$(find /sys/fs/cgroup/berth -mindepth 1 -type d 2>/dev/null | wc -l)"
check "no mount left" 0 "$(grep -c ' overlay ' /proc/mounts)"
trap - EXIT
kill $daemon
wait $daemon 2>/dev/null
check "no link left" 0 "$(ip -o link | grep -c -E 'veth|berth')"
check "no table left" 0 "$(nft list tables | grep -c berth)"
exit $failed
