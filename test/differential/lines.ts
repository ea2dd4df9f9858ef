import { READING, table } from "../e2e/cli-parity-lines.ts";

/** Lines about objects of the parity tests' own world. */
const OTHER_WORLD =
  /\b(up|quick|second|tty|fresh|vol1|vol2|other\/name)\b|--no-trunc|stats|^events|^info|^version|system df|digests/;

/** Command lines that change nothing. */
export const READS: string[] = [
  ...Object.values(READING)
    .flat()
    .filter((line) => !OTHER_WORLD.test(line)),
  ...table`
    version --format '{{.Server.Os}} {{.Server.APIVersion}} {{.Server.MinAPIVersion}}'
    run nosuch/image:x --bogus
    rename diff ''
    run --rm busybox false
    run --rm busybox sh -c 'exit 7'
    run --rm busybox nosuchcommand
    run --rm busybox /etc
    run --rm --entrypoint /nosuch busybox
    run --rm -w /a/b busybox pwd
    run --rm -u 12:34 busybox id
    run --rm -u nosuch busybox id
    run --rm -h box busybox hostname
    run --rm -e A=b -e C busybox env
    run --rm --read-only busybox touch /x
    run --rm --tmpfs /t busybox touch /t/x
    run --rm -v relative:/x:bogus busybox true
    run --rm --mount type=bind busybox true
    run --rm --network nosuch busybox true
    run --rm --memory 1k busybox true
    run --rm --cap-add BOGUS busybox true
    run --rm --cap-drop ALL busybox chown 1 /tmp
    run --rm --sysctl net.ipv4.ip_forward=1 busybox cat /proc/sys/net/ipv4/ip_forward
    run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -n'
    run --rm --pids-limit 50 busybox true
    run --rm --device /dev/nosuch busybox true
    run --rm --link nosuch busybox true
    run --rm --volumes-from nosuch busybox true
    run --rm --ip 1.2.3.4 busybox true
    run --rm -p 99999:80 busybox true
    run --rm -p bad busybox true
    run --rm --restart always busybox true
    run --rm --restart bogus busybox true
    run --rm --log-driver bogus busybox true
    run --rm --runtime bogus busybox true
    run --rm --gpus all busybox true
    run --rm --security-opt bogus busybox true
    run --rm --stop-signal BOGUS busybox true
    run --rm --platform bogus/x busybox true
    run --rm --cpus 100 busybox true
    run --rm --cpuset-cpus 99 busybox true
    run --rm --isolation hyperv busybox true
    run --rm --health-cmd x --health-interval 1us busybox true
    exec diff sh -c 'exit 5'
    exec diff nosuch
    exec -w /nosuch diff pwd
    exec -u nosuch diff id
    exec nosuch true
    cp diff:/nosuch -
    cp nosuch:/etc/passwd -
    cp /nosuch diff:/tmp
    cp diff:/etc/passwd /nosuch/dir/x
    top diff -bogus
    logs diff --tail x
    diff nosuch
    export nosuch
    commit nosuch
    pause nosuch
    unpause diff
    port diff 80
    rename diff diff
    save nosuch
    tag nosuch x
    tag busybox BAD
    rmi nosuch
    rmi busybox
    rm diff
    network create bridge
    network create --subnet bad diffn
    network create -d nosuch diffn
    network rm bridge
    network rm nosuch
    network connect nosuch diff
    network connect host diff
    network connect bridge diff
    network disconnect host diff
    volume create -d nosuch diffv
    volume create 'bad name'
    volume rm nosuch
    build /nosuch
    load -i /nosuch
    import /nosuch
    update diff --memory 1k
    kill -s BOGUS diff
    wait nosuch
    swarm init
    node ls
    service ls
    stack ls
    secret ls
    config ls
    plugin ls
    checkpoint ls diff
    search --limit 500 x`,
];

/** Command lines that change something, in order; the events of each script are compared too. */
export const SCRIPTS: Record<string, string[]> = {
  life: table`
    create --name diff-life --label diff=1 busybox sleep 1000
    ps -a --format '{{.Names}} {{.Status}}' -f name=diff-life
    start diff-life
    pause diff-life
    ps --format '{{.Names}} {{.State}}' -f name=diff-life
    exec diff-life true
    pause diff-life
    unpause diff-life
    exec diff-life true
    exec -d diff-life true
    top diff-life
    rename diff-life diff-lives
    update --memory 64m --memory-swap 128m diff-lives
    kill -s CONT diff-lives
    stop -t 0 diff-lives
    start diff-lives
    restart -t 0 diff-lives
    kill diff-lives
    wait diff-lives
    commit -m words -a me -c 'ENV A=b' diff-lives diff-image:1
    image inspect -f '{{.Config.Env}} {{.Comment}} {{.Author}}' diff-image:1
    diff diff-lives
    cp diff-lives:/etc/hostname -
    tag diff-image:1 diff-image:2
    rmi diff-image:1
    rmi diff-image:2
    rm diff-lives
    rm diff-lives`,
  autoremove: table`
    run --rm --name diff-rm --label diff=1 busybox sh -c 'exit 3'
    run -d --rm --name diff-rm --label diff=1 busybox sleep 1000
    stop -t 0 diff-rm`,
  networks: table`
    network create --label diff=1 --subnet 10.123.45.0/24 diff-net
    network inspect -f '{{.Driver}} {{.IPAM.Config}} {{.Internal}}' diff-net
    network create diff-net
    network create --subnet 10.123.45.0/25 diff-net2
    run -d --name diff-n1 --network diff-net --network-alias other busybox sleep 1000
    run --rm --network diff-net busybox nslookup -type=a diff-n1.
    network rm diff-net
    network connect diff-net diff
    network connect diff-net diff
    exec diff ping -c 1 -W 2 -q other
    network disconnect diff-net diff
    network disconnect diff-net diff
    run --rm --network diff-net --ip 10.123.45.77 busybox hostname -i
    run --rm --network diff-net --ip 10.9.9.9 busybox true
    rm -f diff-n1
    network rm diff-net
    network rm diff-net`,
  volumes: table`
    volume create --label diff=1 diff-vol
    volume create diff-vol
    run --rm -v diff-vol:/v busybox sh -c 'echo x >/v/f'
    run --rm -v diff-vol:/v:ro busybox sh -c 'cat /v/f; echo y >/v/f'
    create --name diff-v -v diff-vol:/v -v /anonymous busybox true
    volume rm diff-vol
    rm -v diff-v
    volume ls -q -f label=diff
    volume rm diff-vol
    volume rm diff-vol
    volume rm -f diff-vol`,
  files: table`
    create --name diff-f busybox sleep 1000
    start diff-f
    exec diff-f sh -c 'mkdir -p /d/sub; echo 1 >/d/a; ln -s a /d/link; ln -s /nowhere /d/broken; chmod 640 /d/a'
    cp diff-f:/d/a /dev/null/x
    cp diff-f:/d/broken -
    cp diff-f:/d/a/ -
    cp diff-f:/d/nosuch/. -
    cp -L diff-f:/d/broken -
    cp /etc/hostname diff-f:/d/a/b
    cp - diff-f:/d/a
    cp diff-f:/d diff-f:/e
    cp /nosuch diff-f:/
    cp diff-f: /tmp
    cp :/x /tmp
    exec diff-f rm -r /d
    diff diff-f
    export diff-f -o /nosuch/dir/x
    stop -t 0 diff-f
    cp diff-f:/etc/passwd /nosuch/x/
    rm diff-f`,
  execs: table`
    run -d --name diff-e -e A=1 -w /tmp --label diff=1 busybox sleep 1000
    exec diff-e sh -c 'echo $A; pwd; id -u'
    exec -e A=2 -e B diff-e sh -c 'echo $A$B'
    exec -e =x diff-e true
    exec --env-file /nosuch diff-e true
    exec -u 1000:2000 diff-e id
    exec -u nobody diff-e id -un
    exec -u root:nosuch diff-e true
    exec -u 4294967296 diff-e true
    exec -w relative diff-e true
    exec -w /etc diff-e pwd
    exec -d diff-e nosuch
    exec diff-e /etc/passwd
    exec diff-e sh -c 'kill -9 $$'
    exec diff-e
    exec --privileged diff-e sh -c 'grep CapEff /proc/self/status'
    exec -t diff-e true
    exec -it diff-e true
    pause diff-e
    exec diff-e true
    unpause diff-e
    stop -t 0 diff-e
    exec diff-e true
    rm diff-e`,
  logs: table`
    run --name diff-l busybox sh -c 'for i in 1 2 3 4 5; do echo out $i; done; sleep 0.2; echo err >&2'
    logs diff-l
    logs -n 2 diff-l
    logs --tail 0 diff-l
    logs --tail -1 diff-l
    logs --tail all diff-l
    logs --tail x diff-l
    logs --since 1h diff-l
    logs --until 1h diff-l
    logs --since bogus diff-l
    logs --since 2013-01-02T13:23:37Z --until 2013-01-02T13:23:38Z diff-l
    logs --details diff-l
    logs -f diff-l
    logs
    logs a b
    rm diff-l
    run --name diff-l --log-driver none busybox echo x
    logs diff-l
    rm diff-l
    run --name diff-l --log-driver local --log-opt max-size=1m busybox echo local
    logs diff-l
    rm diff-l
    run --rm --log-opt max-size=x busybox true
    run --rm --log-opt bogus=1 busybox true
    run --rm --log-driver syslog --log-opt syslog-address=bogus busybox true`,
  templates: table`
    run -d --name diff-t --label a=1 --label b.c=2 -p 127.0.0.1:18090:80 -v /anon --memory 32m busybox sleep 1000
    inspect -f '{{.Name}} {{.Config.Labels}} {{json .Config.Labels}}' diff-t
    inspect -f '{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}' diff-t
    inspect -f '{{with .HostConfig.Memory}}{{.}}{{else}}none{{end}} {{- " x" -}}  end' diff-t
    inspect -f '{{if and .State.Running (not .State.Paused)}}up{{end}}' diff-t
    inspect -f '{{index .Config.Labels "b.c"}} {{index .Config.Labels "nosuch"}}' diff-t
    inspect -f '{{.NetworkSettings.Ports}}' diff-t
    inspect -f '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}' diff-t
    inspect -f '{{json .NetworkSettings.Ports}}' diff-t
    inspect -f '{{printf "%q %v %T %5d|%-5d|%x" .Name .State.Running .State.ExitCode 7 7 255}}' diff-t
    inspect -f '{{len .Mounts}} {{len .Config.Env}} {{len .Name}}' diff-t
    inspect -f '{{slice .Name 1 3}} {{upper .Name}} {{title "abc def"}} {{lower "ABC"}}' diff-t
    inspect -f '{{join .Config.Cmd ","}} {{split "a,b" ","}} {{pad "x" 1 2}}|{{truncate .Name 3}}' diff-t
    inspect -f '{{.Nosuch}}' diff-t
    inspect -f '{{.State.Nosuch}}' diff-t
    inspect -f '{{nosuch .}}' diff-t
    inspect -f '{{' diff-t
    inspect -f '{{if}}' diff-t
    inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}}{{end}}' diff-t
    inspect -f '{{eq .State.Status "running"}} {{ne 1 2}} {{lt 1 2}} {{gt 1 2}} {{ge 2 2}} {{le 3 2}}' diff-t
    inspect -f '{{.HostConfig.RestartPolicy}} {{.HostConfig.LogConfig}} {{.HostConfig.NetworkMode}}' diff-t
    inspect -f '{{.HostConfig.PortBindings}} {{.HostConfig.Binds}} {{.HostConfig.CapAdd}}' diff-t
    inspect -f '{{.Config.ExposedPorts}} {{.Config.Volumes}} {{.Config.Env}} {{.Config.Cmd}} {{.Config.Entrypoint}}' diff-t
    inspect --type image diff-t
    inspect --type bogus diff-t
    inspect -s -f '{{.SizeRw}}' diff-t
    inspect
    container inspect nosuch
    image inspect nosuch
    network inspect nosuch
    volume inspect nosuch
    ps -f name=diff-t --format '{{.Ports}} {{.LocalVolumes}} {{.Networks}}'
    ps -f name=diff-t --format '{{.Label "b.c"}} {{.Labels}}'
    ps -f name=diff-t --format 'table {{.Names}}|{{.Nosuch}}'
    ps -f name=diff-t --format '{{json .Names}} {{.Command}} {{.Image}} {{.State}}'
    port diff-t
    port diff-t 80
    port diff-t 80/udp
    port diff-t 99/tcp
    port diff-t x/tcp
    network inspect -f '{{.Name}} {{.Driver}} {{.Scope}} {{.EnableIPv6}} {{.Internal}} {{.Options}}' none
    volume ls --format '{{.Name}}' -f dangling=bogus
    rm -fv diff-t`,
  archives: table`
    tag busybox diff-img:1
    tag busybox diff-img:2
    tag busybox diff-img:1@sha256:0000000000000000000000000000000000000000000000000000000000000000
    tag diff-img:nosuch diff-img:3
    images diff-img --format '{{.Repository}}:{{.Tag}}'
    images 'diff-im*' -q
    images -f reference='diff-img:*' --format '{{.Tag}}'
    images -f dangling=bogus
    images -f bogus=1
    images -f since=nosuch
    history -q --no-trunc nosuch
    history --format '{{.CreatedBy}}|{{.Size}}|{{.Comment}}' diff-img:1
    save diff-img:1 -o /nosuch/dir/file
    save
    load -i /etc/passwd
    import /etc/passwd diff-img:bad
    import -c 'BOGUS x' /etc/passwd diff-img:bad
    import /nosuch/file
    rmi diff-img:1 diff-img:nosuch
    rmi -f diff-img:2
    rmi -f diff-img:nosuch
    rmi sha256:nothex
    image prune -f --filter bogus=1
    image prune -f --filter until=bogus
    pull BAD
    pull busybox:bad/tag
    push nosuch:1
    search`,
  limits: table`
    run -d --name diff-u --label diff=1 busybox sleep 1000
    update --cpus 0.5 --cpu-shares 200 --pids-limit 20 diff-u
    inspect -f '{{.HostConfig.NanoCpus}} {{.HostConfig.CpuShares}} {{.HostConfig.PidsLimit}}' diff-u
    update --cpu-quota 1 diff-u
    update --cpus 0.5 --cpu-quota 20000 diff-u
    update --memory-swap 10m diff-u
    update --memory 10m --memory-swap 5m diff-u
    update --memory 1m diff-u
    update --restart on-failure:3 diff-u
    update --restart bogus diff-u
    update --restart always:3 diff-u
    update --blkio-weight 5 diff-u
    update --cpuset-cpus 77 diff-u
    update --cpu-period 5 diff-u
    update diff-u
    update --memory 64m nosuch
    inspect -f '{{.HostConfig.RestartPolicy}} {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' diff-u
    kill -s 0 diff-u
    kill -s 99 diff-u
    kill -s HUP diff-u
    kill -s SIGNOPE diff-u
    rename diff-u 'bad name'
    rename diff-u ''
    rename diff-u diff
    rename nosuch diff-x
    restart -t bogus diff-u
    stop -s SIGINT -t 1 diff-u
    start nosuch diff-u
    start -a nosuch diff-u
    pause diff-u diff-u
    unpause diff-u diff-u
    rm diff-u
    rm -f diff-u
    rm -f diff-u
    rm -l diff`,
  subnets: table`
    network create --label diff=1 --subnet 10.124.0.0/24 --gateway 10.124.0.77 --ip-range 10.124.0.128/25 --aux-address a=10.124.0.129 diff-s
    network inspect -f '{{json .IPAM}}' diff-s
    network create --subnet 10.124.1.0/24 --gateway 10.9.9.9 diff-s2
    network create --subnet 10.124.1.0/24 --ip-range 10.9.0.0/16 diff-s2
    network create --subnet 10.124.1.0/24 --aux-address a=10.9.9.9 diff-s2
    network create --subnet 10.124.1.0/33 diff-s2
    network create --subnet 10.124.1.5/24 diff-s2
    network create --gateway 10.124.1.1 diff-s2
    network create --ip-range 10.124.1.0/24 diff-s2
    network create --subnet 10.124.1.0/24 --subnet 10.124.1.128/25 diff-s2
    network create --subnet fd99::/64 diff-s2
    network create --ipv6 --subnet fd99::/130 diff-s2
    network create -o com.docker.network.driver.mtu=bogus diff-s2
    network create -o com.docker.network.bridge.enable_icc=bogus diff-s2
    network create -o com.docker.network.enable_ipv4=bogus diff-s2
    network create -o com.docker.network.enable_ipv6=bogus diff-s2
    network create -o com.docker.network.enable_ipv4=false diff-s2
    network create --ipv6 -o com.docker.network.enable_ipv4=0 diff-s2
    network inspect -f '{{.EnableIPv4}} {{.EnableIPv6}} {{json .Options}}' diff-s2
    network rm diff-s2
    network create --ipam-driver nosuch diff-s2
    network create --internal --attachable --label diff=1 diff-s3
    network inspect -f '{{.Internal}} {{.Attachable}} {{.Ingress}} {{.ConfigOnly}} {{.Labels}}' diff-s3
    network create --config-only --subnet 10.124.2.0/24 --label diff=1 diff-s4
    network create --config-from diff-s4 --label diff=1 diff-s5
    network create --config-from nosuch diff-s6
    network create --scope bogus diff-s6
    network create 'bad name'
    network create host
    network create none
    network create ''
    network ls -f label=diff --format '{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.IPv6}}'
    network ls -f driver=bridge -f name=diff-s --format '{{.Name}}'
    network ls -f type=custom -f name=diff-s --format '{{.Name}}'
    network ls -f type=bogus
    network ls -f dangling=true -f label=diff --format '{{.Name}}'
    network ls -f dangling=bogus
    network ls -f bogus=1
    network connect --ip 10.124.0.5 diff-s diff
    network connect --ip 10.124.0.200 --alias al --link diff:self diff-s diff
    inspect -f '{{json (index .NetworkSettings.Networks "diff-s").IPAMConfig}}' diff
    network connect --ip bogus diff-s3 diff
    network connect --ip 10.1.1.1 diff-s3 diff
    network connect diff-s4 diff
    network rm diff-s
    network disconnect -f diff-s nosuch
    network disconnect diff-s diff
    network disconnect diff-s diff
    run --rm --network diff-s --ip 10.124.0.77 busybox true
    run --rm --network diff-s --ip 10.124.0.129 busybox true
    run --rm --network diff-s --mac-address bogus busybox true
    run --rm --network diff-s --mac-address 92:d0:c6:0a:29:33 busybox cat /sys/class/net/eth0/address
    run --rm --network diff-s --network diff-s busybox true
    run --rm --network name=diff-s,alias=x,ip=10.124.0.201 busybox hostname -i
    run --rm --network name=diff-s,bogus=1 busybox true
    run --rm --network host --network diff-s busybox true
    run --rm --network container:nosuch busybox true
    run --rm --network container:diff --hostname x busybox true
    run --rm --network container:diff -p 80:80 busybox true
    run --rm --network host -p 80:80 busybox true
    run --rm --network none --dns 1.1.1.1 busybox cat /etc/resolv.conf
    run --rm --dns bogus busybox true
    run --rm --dns-option ndots:3 --dns-search example.com --dns 9.9.9.9 busybox cat /etc/resolv.conf
    run --rm --add-host host-a:1.2.3.4 --add-host host-b=::1 busybox grep host- /etc/hosts
    run --rm --add-host bogus busybox true
    network prune -f --filter label=diff
    network rm diff-s2 diff-s4 diff-s6 'bad name'
    network prune -f --filter bogus=1`,
  mounts: table`
    volume create --label diff=1 --opt type=tmpfs --opt device=tmpfs --opt o=size=1m diff-m
    volume inspect -f '{{.Driver}} {{.Options}} {{.Labels}} {{.Scope}}' diff-m
    volume create --opt bogus=1 diff-m2
    volume create --driver nosuch diff-m2
    volume create -d local --label diff=1 diff-m3
    volume create diff-m3 extra
    volume create 'a/b'
    volume create x
    run --rm --mount type=volume,src=diff-m,dst=/v busybox sh -c 'df -k /v | tail -1 | tr -s " " | cut -d" " -f2'
    run --rm --mount type=bind,src=/nosuch,dst=/v busybox true
    run --rm --mount type=bind,src=relative,dst=/v busybox true
    run --rm --mount type=bind,dst=/v busybox true
    run --rm --mount type=volume,src=diff-m3 busybox true
    run --rm --mount type=bogus,dst=/v busybox true
    run --rm --mount dst=/v,bogus busybox true
    run --rm --mount type=tmpfs,dst=/v,tmpfs-size=1m,tmpfs-mode=700 busybox stat -c %a /v
    run --rm --mount type=tmpfs,src=x,dst=/v busybox true
    run --rm --mount type=tmpfs,dst=/v,tmpfs-mode=x busybox true
    run --rm --mount type=volume,dst=/v,volume-nocopy,readonly busybox touch /v/x
    run --rm --mount type=volume,src=diff-m3,dst=/v,volume-subpath=nosuch busybox true
    run --rm --mount type=volume,src=diff-m3,dst=/v,volume-subpath=../x busybox true
    run --rm --mount type=image,src=nosuch,dst=/v busybox true
    run --rm --mount type=bind,src=/etc,dst=/v,bind-propagation=bogus busybox true
    run --rm --mount type=bind,src=/etc,dst=/v,bind-recursive=bogus busybox true
    run --rm -v diff-m3:/v:ro,z busybox touch /v/x
    run --rm -v diff-m3:/v:nocopy busybox true
    run --rm -v diff-m3:/v:rw,ro busybox true
    run --rm -v diff-m3 busybox true
    run --rm -v :/v busybox true
    run --rm -v /:/ busybox true
    run --rm -v /etc:/v:/w busybox true
    run --rm -v diff-m3:/v -v diff-m3:/v busybox true
    run --rm --tmpfs /t:bogus busybox true
    run --rm --tmpfs t busybox true
    run --rm --volumes-from diff:bogus busybox true
    run --rm --read-only --tmpfs /t busybox sh -c 'touch /t/x && touch /x'
    run --rm --device /dev/null:/dev/x:bogus busybox true
    run --rm --device /dev/null:/dev/x:r busybox ls /dev/x
    run --rm --shm-size 1x busybox true
    run --rm --shm-size 2m busybox sh -c 'df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2'
    volume ls -f label=diff --format '{{.Name}} {{.Driver}}'
    volume ls -f driver=local -f name=diff-m3 -q
    volume ls -f dangling=true -f name=diff-m3 -q
    volume ls -f bogus=1
    volume rm diff-m diff-m3 nosuch x
    volume prune -f --filter bogus=1
    volume prune -af --filter label=diff`,
};
