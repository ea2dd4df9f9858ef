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
};
