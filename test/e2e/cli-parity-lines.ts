// Command lines that docker and berth must answer alike; cli-parity.test.ts makes the containers and volumes that they name.

/** The lines of a text, without indentation and empty ones. */
export function table(text: TemplateStringsArray): string[] {
  return (text.raw[0] ?? "")
    .split("\n")
    .map((l) => l.trim())
    .filter(Boolean);
}

/** Lines that leave the engine as it was, by what they are about. */
export const READING = {
  ps: table`
    ps
    ps -a
    ps -aq
    ps -aq --no-trunc
    ps -a --no-trunc
    ps -as
    ps -l
    ps -n 2
    ps -n -1
    ps -n 0
    ps -a -f name=up
    ps -a -f status=exited
    ps -a -f exited=7
    ps -a -f label=tier
    ps -a -f label=tier=web -f status=running
    ps -a -f ancestor=busybox
    ps -a -f volume=vol1
    ps -a -f publish=80
    ps -a -f expose=80
    ps -a -f network=none
    ps -a -f before=second
    ps -a -f since=up
    ps -a -f is-task=false
    ps -a -f health=none
    ps -a -f bogus=1
    ps -a -f name=up --format raw
    ps -as -f name=fresh --format raw
    ps -aq --format raw
    ps -aq --format '{{.Names}}'
    ps -aq --format json
    ps -a --format '{{join .Names ","}}'
    ps -a --format '{{.Label}}'
    ps -a --format '{{.Label "a" "b"}}'
    volume ls --format '{{.Label}}'
    ps -a --format 'table{{.Names}}'
    images --format raw
    images --digests other/name --format raw
    volume ls --format raw
    volume ls -q --format raw
    network ls --format raw
    container inspect ''
    network inspect ''
    volume inspect ''
    inspect ''
    logs ''
    network rm ''
    volume rm ''
    ps -a -f status=bogus
    ps -a -f exited=x
    ps -a -f before=nosuch
    ps -a --format 'table {{.Names}}\t{{.Image}}\t{{.Status}}'
    ps -a --format '{{.ID}} {{.Names}} {{.Label "tier"}}'
    ps -a --format 'table {{.Label "a.b.my-label"}}\t{{.Names}}'
    ps -a --format '{{.Ports}}|{{.Mounts}}|{{.LocalVolumes}}|{{.Networks}}|{{.Size}}|{{.State}}|{{.RunningFor}}|{{.Command}}'
    ps -a --no-trunc --format '{{.Mounts}} {{.Command}} {{.CreatedAt}}'
    ps -a --format '{{upper .Names}} {{truncate .ID 5}} {{pad .Names 2 2}} {{join (split .Names "u") "-"}} {{title .Names}}'
    ps -a --format '{{if eq .State "running"}}R{{else}}-{{end}} {{printf "%-10s|%5s|%q" .Names .State .Image}}'
    ps --format {{.Nope}}
    ps --format {{.ID
    ps --format '{{nofunc .ID}}'
    ps x
    ps --nope
    ps -z
    ps --format
    container ls -a -q
    container ps -q
    container list -q`,
  images: table`
    images
    images -a
    images -q
    images -q --no-trunc
    images --digests
    images --no-trunc
    image ls
    images busybox
    images other/*
    images nosuch
    images busybox x
    images -f dangling=true
    images -f reference=other/name
    images -f label=x
    images -f before=busybox
    images -f bogus=x
    images --format '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}} {{.CreatedSince}}'
    images --format 'table {{.Repository}}\t{{.Digest}}\t{{.Containers}}'
    history busybox
    history -q busybox
    history --no-trunc busybox
    history -H=false busybox
    history nosuch
    history --format '{{.CreatedBy}}|{{.Comment}}|{{.Size}}|{{.ID}}|{{.CreatedSince}}' busybox`,
  inspect: table`
    inspect up
    inspect nosuch
    inspect up nosuch
    inspect
    inspect -f {{.Nope}} up
    inspect -f {{.Config up
    inspect -f '{{.State.Status}} {{.State.Running}} {{.State.ExitCode}}' up quick
    inspect -f '{{json .State}}' quick
    inspect -f {{.Config.Env}} up
    inspect -f {{.Config.Cmd}} up
    inspect -f '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Binds}}' up
    inspect -f {{.HostConfig.PortBindings}} up
    inspect -f '{{json .NetworkSettings.Ports}}' up
    inspect -f '{{range $k,$v := .NetworkSettings.Networks}}{{$k}}={{$v.IPAddress}} {{end}}' up
    inspect -f '{{range .Mounts}}{{.Type}}:{{.Destination}}:{{.RW}} {{end}}' up
    inspect -f '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}' up
    inspect -f '{{.Config.Labels}} {{index .Config.Labels "tier"}}' up
    inspect -f '{{len .Mounts}} {{.Name}} {{.Id}} {{.Created}} {{.Path}} {{.Args}} {{.Driver}} {{.Platform}}' up
    inspect -f '{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}' up
    inspect -f '{{with .Config.Healthcheck}}{{.Test}}{{end}}{{.SizeRw}}' up
    inspect -f '{{.Config.StopSignal}}|{{.HostConfig.Tmpfs}}|{{.HostConfig.Sysctls}}|{{.Config.Volumes}}|{{.Config.Tty}}' up
    inspect -f {{.State.Health.Status}} up
    inspect -f {{.HostConfig.Nope}} up
    inspect -s -f {{.SizeRw}} up
    inspect --type image busybox
    inspect --type container busybox
    inspect --type volume vol1
    inspect --type network bridge
    inspect --type bogus x
    inspect -f '{{.RepoTags}} {{.RootFS.Layers}}' busybox
    image inspect nosuch
    volume inspect vol1
    volume inspect nosuch
    volume inspect -f {{.Name}} vol1 vol2
    network inspect bridge
    network inspect nosuch
    container inspect nosuch
    image inspect busybox
    network inspect -f '{{.Name}} {{.Driver}} {{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}' bridge none host`,
  "logs, port, top and stats": table`
    logs quick
    logs -t quick
    logs --tail 2 quick
    logs -n 1 quick
    logs --tail 0 quick
    logs --tail all quick
    logs --tail=-1 quick
    logs --since 10m quick
    logs --since 2000-01-01T00:00:00Z quick
    logs --until 2000-01-01 quick
    logs --details quick
    logs -f quick
    logs tty
    logs -t tty
    logs fresh
    logs nosuch
    logs --since bogus quick
    logs --tail x quick
    port up
    port up 80
    port up 80/tcp
    port up 9000/udp
    port up 81
    port up x
    port fresh
    port nosuch
    top up
    top up -o pid,comm
    top tty -eo comm
    top quick
    top nosuch
    top fresh
    top up --bogus
    stats --no-stream --no-trunc --format '{{.Container}} {{.ID}} {{.Name}} {{.PIDs}}' up second
    stats --no-stream --format 'table {{.Name}}\t{{.PIDs}}' up
    stats --no-stream nosuch
    stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.BlockIO}}' second`,
  events: table`
    events --since 1h --until 0s
    events --since 1h --until 0s --format '{{.Type}} {{.Action}} {{.Actor.ID}}'
    events --since 1h --until 0s --format '{{json .}}'
    events --since 1h --until 0s -f type=volume
    events --since 1h --until 0s -f bogus=1
    events --since 1h --until 0s -f event=die -f container=quick
    events --since 1h --until 0s --format '{{.Actor.Attributes.name}} {{.Time}} {{.TimeNano}} {{.Scope}}'
    events --since 1h --until 0s --format '{{.Actor}}'
    events --since 1h --until 0s --format {{.Nope}}
    events --since 1h --until 0s -f label=tier=web
    events --since 1h --until 0s -f bogus
    events --since bogus`,
  "volumes, networks, the engine": table`
    volume ls
    volume ls -q
    volume ls -f dangling=true
    volume ls -f name=vol1
    volume ls -f label=tier
    volume ls -f driver=local
    volume ls -f bogus=1
    volume ls --format 'table {{.Name}}\t{{.Label "tier"}}'
    volume ls --format '{{.Name}}: {{.Driver}} {{.Scope}} {{.Mountpoint}} {{.Labels}} {{.Links}} {{.Size}}'
    network ls
    network ls -q
    network ls --no-trunc
    network ls -f driver=bridge
    network ls -f name=none
    network ls -f type=builtin
    network ls -f bogus=1
    network ls --format '{{.ID}} {{.Name}} {{.Driver}} {{.Scope}} {{.IPv6}} {{.Internal}} {{.Labels}} {{.CreatedAt}}'
    system df
    system df -v
    system df --format '{{.Type}}: {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}'
    system df --format 'table {{.Type}}\t{{.Size}}'
    info --format '{{.ServerVersion}} {{.Driver}} {{.NCPU}} {{.Containers}} {{.ContainersRunning}} {{.CgroupVersion}}'
    info --format '{{json .Plugins}}'
    version --format '{{.Server.Version}} {{.Server.APIVersion}} {{.Server.Os}}/{{.Server.Arch}}'
    version --format '{{range .Server.Components}}{{.Name}} {{end}}'`,
  "plugins, checkpoints, volumes of a cluster": table`
    plugin ls
    plugin ls -q
    plugin ls --format json
    plugin ls --format {{.ID
    plugin ls -f x
    plugin inspect nosuch
    plugin inspect -f {{.Name}} nosuch
    plugin enable nosuch
    plugin disable -f nosuch
    plugin rm nosuch other
    plugin set nosuch a=b
    plugin push nosuch
    plugin upgrade nosuch
    plugin create BAD /nonexistent
    plugin create x /nonexistent
    plugin create x /
    plugin install BAD
    plugin enable --timeout -1 x
    inspect --type plugin nosuch
    checkpoint create up c1
    checkpoint ls up
    checkpoint rm up c1
    start --checkpoint c1 fresh
    start --checkpoint-dir /tmp fresh
    volume update vol1
    volume update --availability pause nosuch
    volume update vol1 --availability bogus`,
  "structs as Go prints them": table`
    inspect -f {{.State}} up quick fresh
    inspect -f {{.HostConfig}} up
    inspect -f {{.Config}} up
    inspect -f {{.NetworkSettings}} up
    inspect -f {{.Mounts}} up
    inspect -f '{{.HostConfig.LogConfig}} {{.HostConfig.RestartPolicy}} {{.HostConfig.Resources}}' up
    inspect -f '{{.ID}} {{.HostConfig.DNS}} {{.HostConfig.NanoCPUs}}' up
    inspect -f '{{.Config.Labels.nope}}' up
    inspect -f '{{range .NetworkSettings.Networks}}{{.}}{{end}}' up
    inspect -f '{{printf "%v" .State}}' up
    inspect -f '{{len .State}}' up
    inspect -f '{{json .HostConfig}}' up
    inspect -f '{{json .Config}}' up
    inspect -f {{.}} vol1
    inspect -f {{.}} none
    image inspect -f '{{.Config}} {{.RootFS}} {{.Descriptor}}' busybox
    image inspect -f '{{json .Config}}' busybox
    network inspect -f {{.IPAM}} bridge
    network inspect -f {{.}} none
    volume inspect -f {{.}} vol1
    volume inspect -f {{.Nope}} vol1
    events --since 1h --until 0s --format '{{.Actor}} {{.Actor.Attributes}}'
    info --format '{{.Swarm}} {{.Plugins}} {{.ContainerdCommit}} {{.DriverStatus}} {{.Warnings}} {{.GenericResources}}'
    info --format '{{.CPUCfsQuota}} {{.HTTPProxy}} {{.Swarm.LocalNodeState}} {{.ServerErrors}}'
    info --format {{.Nope}}
    info --format {{.Swarm.Nope}}
    version --format {{.Server.Nope}}
    version --format {{.Nope}}
    version --format {{.Client.Nope}}
    version --format '{{.Server.Platform}} {{.Server.Experimental}}'`,
  "other spellings, old flags and flags of Windows": table`
    container ls
    container list -a
    container ps -aq
    image ls
    image list -q
    image ls --no-trunc
    image rm nosuch
    image remove nosuch
    rmi --no-prune nosuch
    rmi --platform linux/arm64 nosuch
    rmi --platform linux/arm64 other/name:v1
    rmi --platform linux/arm64,linux/amd64 other/name:v1
    push --platform linux/arm64 localhost:5000/x/y:z
    push -q --platform linux/arm64 localhost:5000/x/y
    container inspect up
    container logs quick
    container port up
    container top second
    container wait quick
    container remove nosuch
    volume list
    volume remove nosuch
    network list
    plugin list
    run --rm --net none busybox ls /sys/class/net
    run --rm --net host --dns-opt ndots:3 busybox true
    run --rm --dns-opt ndots:3 --dns 1.2.3.4 busybox cat /etc/resolv.conf
    run --rm --isolation default busybox true
    run --rm --isolation hyperv busybox true
    run --rm --kernel-memory 64m busybox true
    run --rm -c 512 busybox true
    run --rm --cpuset-cpus 0 busybox true
    run --rm -itd=false --interactive=false busybox echo hi
    run --rm=maybe busybox true
    run -zz busybox
    create --pull bogus busybox
    stop --time 1 nosuch
    restart --time 1 nosuch
    stop --timeout x nosuch
    update --kernel-memory 64m nosuch
    logs --tail=1 --timestamps=false quick
    history --platform linux/amd64 busybox
    history --platform bogus/bogus busybox
    image inspect --platform linux/amd64 busybox
    image inspect --platform linux/arm64 busybox
    inspect --size -f {{.SizeRw}} fresh
    inspect --size=false up
    volume create --group g vx
    volume create --scope multi vx
    build --nope .
    builder prune --filter bogus
    volume bogus
    container ls --bogus
    system bogus
    trust key bogus
    --bogus
    -Z ps
    help bogus
    ps --help=maybe
    system df x
    swarmy`,
  "questions answered with no": table`
    n| container prune
    n| image prune
    n| image prune -a
    n| image prune -a --filter label=x
    n| network prune
    n| network prune --filter until=1h
    n| volume prune
    n| volume prune -a
    n| volume prune --filter label=x --filter label!=y
    n| system prune
    n| system prune -a
    n| system prune --volumes
    n| system prune -a --volumes --filter label=b --filter label=a
    n| system prune --filter until=24h --volumes
    n| builder prune
    n| builder prune -a
    | container prune
    | volume prune`,
  "formats that do not fit": table`
    images --format {{.Nope}}
    images --format {{.ID
    images --format '{{bogus .ID}}'
    images --format 'table {{.Nope}}'
    images --format '{{json}}'
    volume ls --format {{.Nope}}
    network ls --format {{.Nope}}
    network ls --format '{{upper .Nope}}'
    history busybox --format {{.Nope}}
    stats --no-stream --format {{.Nope}}
    system df --format {{.Nope}}
    system df -v --format {{.Nope}}
    system df -v --format '{{range .Images}}{{.Nope}}{{end}}'
    system df -v --format '{{range .Containers}}{{.Nope}}{{end}}'
    ps --format 'table {{.Nope}}'
    ps -a --format '{{.ID | bogus}}'
    events --since 1s --until 0s --format {{.ID
    info --format {{.ID
    version --format {{.ID
    inspect -f {{.ID up
    inspect -f '{{json}}' up
    inspect -f 'table {{.Id}}' bridge
    inspect -f '{{index .Config.Labels}}' up`,
  "errors of exec and run, exit codes of containers": table`
    exec nosuch true
    exec quick true
    exec up nosuch
    exec up /tmp
    exec up sh -c 'exit 9'
    exec -w /nosuch up true
    exec -u nosuch up true
    exec -e X=1 -w /data -u 1:1 up sh -c 'echo $X $PWD $(id -u):$(id -g)'
    exec -d up true
    exec -d up nosuch
    exec up
    exec
    exec -t up echo hi
    exec -it up echo hi
    run --rm busybox nosuch
    run --rm busybox /etc
    run --rm busybox sh -c 'exit 12'
    run --rm busybox sh -c 'kill -9 $$'
    run --rm --name up busybox
    run --rm -v rel/path:/x busybox true
    run --rm -v /x:b busybox true
    run --rm -v /x:/b:bogus busybox true
    run --rm -p 99999:80 busybox true
    run --rm -p x:80 busybox true
    run --rm --memory 1k busybox true
    run --rm --memory bogus busybox true
    run --rm --cpus x busybox true
    run --rm --cpus 1000 busybox true
    run --rm -u nosuch busybox true
    run --rm -w rel busybox true
    run --rm --network nosuch busybox true
    run --rm --restart always busybox true
    run --rm --restart bogus busybox true
    run --rm --cap-add BOGUS busybox true
    run --rm --mount type=bind,src=/nonexistent,dst=/x busybox true
    run --rm --mount type=volume,src=vol1 busybox true
    run --rm --tmpfs /x:bogus busybox true
    run --rm --ulimit bogus=1 busybox true
    run --rm --device /dev/nosuch busybox true
    run --rm --log-driver bogus busybox true
    run --rm --log-opt bogus=1 busybox true
    run --rm --add-host bogus busybox true
    run --rm --dns bogus busybox true
    run --rm -it busybox true
    run --rm --security-opt bogus=1 busybox true
    run --rm --volumes-from nosuch busybox true
    run --rm --stop-signal BOGUS busybox true
    run --rm --name x busybox true
    run --rm --sysctl bogus busybox true
    run --rm --ip 1.2.3.4 busybox true
    run --rm --isolation bogus busybox true
    run --rm --volumes-from up busybox ls -d /data /hosttmp
    run --rm --ulimit nofile=100 busybox sh -c 'ulimit -n'
    run --rm --add-host h:1.2.3.4 busybox grep 1.2.3.4 /etc/hosts
    run --rm --tmpfs /x:size=1m busybox sh -c 'df -k /x | tail -n 1'
    run --rm --entrypoint echo busybox hi
    run --rm -t busybox echo hi
    run
    run --rm
    run --rm UPPER true
    run --rm --read-only busybox touch /x
    run --rm --env-file /nonexistent busybox true
    run --pull never nosuch x`,
  "lines that ask for nothing that there is": table`
    tag nosuch a:b
    tag busybox BAD
    tag busybox
    load -i /nonexistent
    import /nonexistent
    import
    bogus
    ps --filter nonsense
    rmi
    stop -t x quick
    wait
    logs
    volume rm
    rename up
    pull BAD
    kill nosuch
    kill quick
    kill -s BOGUS up
    stop nosuch
    stop quick
    restart nosuch
    wait quick nosuch
    rm up
    rm
    rename up quick
    rename nosuch a1
    rename up -bad
    attach nosuch
    start up`,
};
