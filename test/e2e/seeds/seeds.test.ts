import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Hub, makeHub, REGISTRY } from "./hub.ts";
import { type CommandLine, Tutorial } from "./tutorial.ts";

// The five tutorials, document by document, each from an empty data root: every command that still has a meaning, as shown. Where Docker
// has changed a meaning since, today's is taken: `commit -run` is `commit -c`, `ps` takes no name, `inspect` tells volumes as mounts.

/** Has room for the mirror's pace, and for the hub's images that have to be made. */
const LIMIT = 600_000;
let hub: Hub | undefined;

beforeAll(async () => {
  hub = await makeHub();
}, LIMIT);
afterAll(() => hub?.[Symbol.asyncDispose]());

function theHub(): Hub {
  if (!hub) throw new Error("there is no hub");
  return hub;
}

/** One document by both command lines. */
function document(name: string, walk: (t: Tutorial, by: CommandLine) => Promise<void>): void {
  describe(name, () => {
    for (const by of ["docker", "berth"] as const) {
      test(
        `by ${by}`,
        async () => {
          await using t = await Tutorial.start(by, theHub().flags, true);
          await using _ = await theHub().serve(t.daemon);
          await walk(t, by);
        },
        LIMIT,
      );
    }
  });
}

document("1: getting started", async (t) => {
  const first = await t.try("docker run learn/tutorial /bin/echo hello world");
  expect(first.stderr).toContain("Unable to find image 'learn/tutorial:latest' locally");
  expect(first.stdout).toEndWith("hello world\n");
  expect(await t.sh("docker images learn/tutorial")).toMatch(/learn\/tutorial +latest/);
  await t.sh("docker pull centos");
  expect(await t.sh("docker run learn/tutorial /bin/echo 'hello world'")).toBe("hello world");
  expect(await t.typed("docker run -t -i learn/tutorial /bin/bash", "pwd", "cat /etc/issue", "exit")).toContain(
    "Debian",
  );

  const loop = await t.sh(`docker run -d learn/tutorial /bin/sh -c "while true; do echo hello world; sleep 1; done"`);
  expect(loop).toMatch(/^[0-9a-f]{64}$/);
  const name = await t.sh("docker ps --format '{{.Names}}'");
  expect(name).toMatch(/^[a-z]+_[a-z]+\d?$/);
  expect(await t.sh("docker ps")).toContain(`"/bin/sh -c 'while t…"`);
  expect(await t.sh(`for i in $(seq 100); do docker logs ${name} | grep hello && break; done`)).toContain(
    "hello world",
  );
  expect(await t.sh(`docker stop ${name}`)).toBe(name);
  expect((await t.sh("docker ps")).split("\n")).toHaveLength(1);

  expect(await t.sh("docker version")).toContain("Server");
  await t.sh("docker run -d -P training/webapp python app.py");
  expect(await t.sh("docker ps -l")).toMatch(/0\.0\.0\.0:\d+->5000\/tcp/);
  await t.sh(
    "mkdir redis && printf '#!/bin/sh\\necho The server is now ready; exec nc -lk -p 6379\\n' >redis/redis-server && chmod +x redis/redis-server",
  );
  await t.sh("docker run -d -p 6379 -v $PWD/redis:/opt/redis learn/tutorial /opt/redis/redis-server");
  expect(await t.sh("docker ps -l")).toMatch(/0\.0\.0\.0:\d+->6379\/tcp/);
  await t.sh(
    "docker run -d --name naughty_yonath -p 6379:6379 -v $PWD/redis:/opt/redis learn/tutorial /opt/redis/redis-server",
  );
  expect(await t.sh("docker port naughty_yonath 6379")).toBe("0.0.0.0:6379");
  expect(await t.sh("exec 3< <(exec docker logs -f naughty_yonath); sed /ready/q <&3; kill $!")).toContain(
    "The server is now ready",
  );
  expect(await t.sh("docker top naughty_yonath")).toMatch(/^UID +PID +PPID +C +STIME +TTY +TIME +CMD\nroot .*nc -lk/);
  expect(await t.sh(`docker inspect -f '{{range .Mounts}}{{.Destination}}:{{.Source}}{{end}}' naughty_yonath`)).toBe(
    `/opt/redis:${t.folder}/redis`,
  );
  await t.sh("docker stop naughty_yonath");
  expect(await t.sh("docker ps -l")).toMatch(/Exited \(\d+\) .* naughty_yonath/);
  await t.sh("docker start naughty_yonath");
  expect(await t.sh("docker ps -l")).toContain("0.0.0.0:6379->6379/tcp");
  await t.sh("docker stop naughty_yonath; docker rm naughty_yonath");

  expect(await t.typed("docker run -t -i ubuntu:14.04 /bin/bash", "exit")).toContain("exit");
  await t.sh("docker pull training/sinatra");
  await t.typed("docker run -t -i --name json training/sinatra /bin/bash", "echo gem >/json", "exit");
  await t.sh(`docker commit -m="Added json gem" -a="Kate Smith" \\\n\tjson ouruser/sinatra:v2`);
  expect(await t.sh("docker images")).toMatch(/ouruser\/sinatra +v2/);
  expect(await t.typed("docker run -t -i ouruser/sinatra:v2 /bin/bash", "cat /json", "exit")).toContain("gem");
  await t.sh(
    "mkdir sinatra && cd sinatra && printf '# This is a comment\\nFROM ubuntu:14.04\\nMAINTAINER Kate Smith <ksmith@example.com>\\nRUN echo ruby >/ruby\\nRUN test -f /ruby\\n' >Dockerfile",
  );
  const built = await t.sh(`cd sinatra && docker build -t="ouruser/sinatra:v2" .`);
  expect(built).toContain("Step 4/4 : RUN test -f /ruby");
  expect(built).toMatch(/Successfully built [0-9a-f]{12}\nSuccessfully tagged ouruser\/sinatra:v2$/);
  await t.sh("docker tag $(docker images -q ouruser/sinatra:v2) ouruser/sinatra:devel");
  expect((await t.sh("docker images ouruser/sinatra")).split("\n")).toHaveLength(3);
  expect((await t.try("docker push ouruser/sinatra")).code).not.toBe(0);
  await t.sh("docker rm json; docker rmi training/sinatra");

  await t.sh("docker run -d -p 5000:5000 --name five training/webapp python app.py");
  expect(await t.sh("curl -sf --retry 50 --retry-all-errors --retry-delay 1 http://127.0.0.1:5000/")).toBe(
    "Hello world!",
  );
  await t.sh("docker rm -f five");
  await t.sh("docker run -d -p 127.0.0.1:5000:5000 training/webapp python app.py");
  await t.sh("docker run -d -p 127.0.0.1::5000 --name nostalgic_morse training/webapp python app.py");
  await t.sh("docker run -d -p 127.0.0.1:5000:5000/udp training/webapp python app.py");
  expect(await t.sh("docker port nostalgic_morse 5000")).toMatch(/^127\.0\.0\.1:\d+$/);

  await t.sh("docker run -d -P --name web training/webapp python app.py");
  expect(await t.sh(`docker inspect -f "{{ .Name }}" $(docker ps -lq)`)).toBe("/web");
  await t.sh("docker run -d --name db training/postgres; docker rm -f web");
  await t.sh("docker run -d -P --name web --link db:db training/webapp python app.py");
  const env = await t.sh("docker run --rm --name web2 --link db:db training/webapp env");
  const address = /DB_PORT_5432_TCP_ADDR=([\d.]+)/.exec(env)?.[1];
  for (const line of [
    "DB_NAME=/web2/db",
    `DB_PORT=tcp://${address}:5432`,
    "DB_PORT_5432_TCP_PROTO=tcp",
    "DB_PORT_5432_TCP_PORT=5432",
  ])
    expect(env).toContain(line);
  expect(
    await t.typed("docker run -t -i --rm --link db:db training/webapp /bin/bash", "cat /etc/hosts", "exit"),
  ).toMatch(new RegExp(`${address}\\s+db`));

  await t.sh("docker rm -f web; docker run -d -P --name web -v /webapp training/webapp python app.py");
  await t.sh("mkdir src; echo 'print(1)' >src/app.py; docker rm -f web");
  await t.sh("docker run -d -P --name web -v $PWD/src:/opt/webapp:ro training/webapp python app.py");
  await t.sh("touch ~/.bash_history");
  await t.typed(
    "docker run --rm -it -v ~/.bash_history:/.bash_history ubuntu /bin/bash",
    "test -f /.bash_history && echo there",
    "exit",
  );
  await t.sh("docker run -v /dbdata --name dbdata training/postgres sh -c 'echo row >/dbdata/table'");
  await t.sh(
    "docker run -d --volumes-from dbdata --name db1 training/postgres; docker run -d --volumes-from dbdata --name db2 training/postgres",
  );
  await t.sh("docker run -d --name db3 --volumes-from db1 training/postgres");
  expect(
    await t.sh("docker run --volumes-from dbdata -v $(pwd):/backup ubuntu tar cvf /backup/backup.tar /dbdata"),
  ).toContain("dbdata/table");
  await t.sh("docker run -v /dbdata --name dbdata2 ubuntu /bin/bash");
  await t.sh("docker run --volumes-from dbdata2 -v $(pwd):/backup busybox tar xvf /backup/backup.tar");
  expect(await t.sh("docker run --volumes-from dbdata2 busybox cat /dbdata/table")).toBe("row");

  await t.sh(
    "docker run --name loving_wilson learn/tutorial touch /kept; docker export loving_wilson > learn_tutorial.tar",
  );
  expect(await t.sh("cat learn_tutorial.tar | docker import - learn/imported")).toMatch(/^sha256:[0-9a-f]{64}$/);
  await t.sh("docker run --rm learn/imported test -f /kept");
});

test(
  "what the documents install, from the distribution's mirror",
  async () => {
    await using t = await Tutorial.start("berth", theHub().flags, false);
    await using _ = await theHub().serve(t.daemon);
    await sshd(t);
    await ping(t);
    await memcached(t);
  },
  LIMIT,
);

/** The first document's sshd: installed in a container, committed, run with a name server of its own. */
async function sshd(t: Tutorial): Promise<void> {
  await t.sh(
    "docker run --name bell learn/tutorial sh -c 'apt-get update -q && apt-get install -y -q --no-install-recommends openssh-server && mkdir -p /run/sshd'",
  );
  await t.sh("docker commit bell bigdata");
  await t.sh("docker run -d --dns 172.17.42.1 --name master -h master bigdata /usr/sbin/sshd -D");
  await t.sh("docker run -d  --dns 172.17.42.1 --name slaver1 -h slaver1 bigdata /usr/sbin/sshd -D");
  expect(await t.sh("docker exec master sh -c 'hostname; cat /etc/resolv.conf'")).toMatch(
    /^master\n[\s\S]*nameserver 172\.17\.42\.1/,
  );
  expect(await t.sh("docker inspect -f '{{.Config.Hostname}} {{.State.Running}}' slaver1")).toBe("slaver1 true");
}

document("2: a tutorial of four parts", async (t) => {
  await t.sh("docker pull learn/tutorial");
  expect(await t.sh("docker run learn/tutorial echo 'hello world'")).toBe("hello world");
  const usage = await t.try("docker commit");
  expect(usage.code).toBe(1);
  expect(usage.stderr).toContain("commit");
  const id = await t.sh("docker run -d learn/tutorial sleep 1000");
  expect(await t.sh(`docker inspect ${id.slice(0, 3)}`)).toContain(`"Path": "sleep"`);
  expect(await t.sh("docker info")).toMatch(/Containers: \d+/);
  await t.sh("docker ps -a -q | xargs docker rm -f");

  await t.typed("docker run -i -t --name kate ubuntu:12.04 /bin/bash", "echo mine >/mine", "exit");
  await t.sh(`docker commit -a "Tanky Woo <me@tankywoo.com>" kate ubuntu:test`);
  expect(await t.sh("docker inspect -f '{{.Author}}' ubuntu:test")).toBe("Tanky Woo <me@tankywoo.com>");
  expect(await t.sh("docker start kate")).toBe("kate");
  expect(await t.typed("docker attach kate", "cat /mine", "exit")).toContain("mine");
  await t.sh(`printf 'FROM ubuntu:test\\nENTRYPOINT echo "Welcome!"\\n' >Dockerfile`);
  const steps = await t.sh("docker build -t ubuntu:newtest - < Dockerfile");
  expect(steps).toContain(`Step 2/2 : ENTRYPOINT echo "Welcome!"`);
  expect(await t.sh("cat Dockerfile | docker build -")).toContain(" ---> Using cache");
  expect(await t.sh("docker run ubuntu:newtest")).toBe("Welcome!");
  expect(await t.typed("docker run -i -t ubuntu:newtest /bin/bash")).toContain("Welcome!");
  expect(await t.typed(`docker run -i -t --env name="tanky" ubuntu:test /bin/bash`, "echo =$name=", "exit")).toContain(
    "=tanky=",
  );

  await t.sh(
    "docker run -d -p 22222:33333 --name hungry_carson ubuntu:test sh -c 'nc -l -p 33333 >/sources.list; sleep 1000'",
  );
  expect(await t.sh("docker port hungry_carson 33333")).toContain("0.0.0.0:22222");
  await t.sh(
    "exec 3<>/dev/tcp/127.0.0.1/22222 && echo deb >&3; exec 3>&-; for i in $(seq 100); do docker exec hungry_carson grep deb /sources.list && break; done",
  );

  const inUse = await t.try("docker rmi $(docker images -q ubuntu:test)");
  expect(`${inUse.code} ${inUse.stderr}`).toMatch(/^1 .*conflict/i);
  expect(await t.sh("docker images --tree")).toMatch(/ubuntu(:| +)newtest/);
  await t.sh("docker rm -f `docker ps -a -q`");
  const removed = await t.sh("docker rmi ubuntu:newtest");
  expect(removed).toContain("Untagged: ubuntu:newtest");

  await t.typed(
    "docker run -i -t -v /tmp/tankywoo --name data ubuntu:test /bin/bash",
    "mount | grep tankywoo",
    "touch /tmp/tankywoo/file",
    "exit",
  );
  const wrong = await t.try(`docker run --volumes-from='["data"]' ubuntu:test true`);
  expect(wrong.code).toBe(125);
  expect(
    await t.typed("docker run -i -t --volumes-from data ubuntu:test /bin/bash", "ls /tmp/tankywoo", "exit"),
  ).toContain("file");

  await t.sh(`docker tag ubuntu:test ${REGISTRY}/tankywoo`);
  expect(await t.sh(`docker push ${REGISTRY}/tankywoo`)).toMatch(/latest: digest: sha256:[0-9a-f]{64} size: \d+/);
  await t.sh(`docker rmi ${REGISTRY}/tankywoo; docker pull ${REGISTRY}/tankywoo`);
  expect(await t.sh("docker images")).toContain(`${REGISTRY}/tankywoo`);
  for (const command of ["docker", "docker --help", "docker help run"])
    expect(await t.try(command).then((d) => d.stdout + d.stderr)).toContain("Usage:");
});

/** The second document's ping. */
async function ping(t: Tutorial): Promise<void> {
  await t.sh("docker run learn/tutorial sh -c 'apt-get update -q && apt-get install -y -q iputils-ping'");
  await t.sh("docker commit $(docker ps -lq | cut -c1-3) learn/ping");
  expect(await t.sh("docker run learn/ping ping -c 1 127.0.0.1")).toContain("1 received");
}

/** The second document's memcached, from the distribution's mirror. */
async function memcached(t: Tutorial): Promise<void> {
  writeFileSync(
    join(t.folder, "dck"),
    `# Memcached
FROM ubuntu
MAINTAINER Victor Coisne victor.coisne@dotcloud.com
RUN apt-get update
# install memcached
RUN apt-get install -y memcached
ENTRYPOINT ["memcached"]
USER daemon
EXPOSE 11211
`,
  );
  const steps = await t.sh("docker build -t tankywoo  - < dck");
  expect(steps).toContain("Step 7/7 : EXPOSE 11211");
  await t.sh("docker run -d -P --name mem tankywoo");
  const port = (await t.sh("docker port mem 11211")).split("\n")[0]?.split(":").at(-1);
  expect(
    await t.sh(
      `for i in $(seq 100); do exec 3<>/dev/tcp/127.0.0.1/${port} && printf 'version\\r\\nquit\\r\\n' >&3 && grep VERSION <&3 && break; done`,
    ),
  ).toContain("VERSION");
}

document("3: basics, mirrors in daemon.json", async (t) => {
  const info = await t.sh("docker info");
  for (const words of ["Storage Driver: overlay", "Logging Driver: json-file", "Registry Mirrors:", "Docker Root Dir:"])
    expect(info).toContain(words);
  await t.sh("docker pull ubuntu");
  expect(await t.sh("docker images -q ubuntu")).toMatch(/^[0-9a-f]{12}$/);
  expect(existsSync(join(t.daemon.root, "data", "containers"))).toBe(true);
});

document("4: a handbook", async (t) => {
  await t.sh("docker run --name webserver -d -p 80:80 ubuntu sleep 1000");
  await t.sh(
    "docker exec webserver sh -c 'mkdir -p /usr/share/nginx/html; echo \"<h1>Hello, Docker!</h1>\" >/usr/share/nginx/html/index.html'",
  );
  expect(await t.sh("docker diff webserver")).toContain("A /usr/share/nginx/html/index.html");
  await t.sh(`docker commit --author "Tao Wang <twang2218@gmail.com>" --message "changed" webserver nginx:v2`);
  expect(await t.sh("docker images nginx")).toMatch(/nginx +v2/);
  expect(await t.sh("docker history nginx:v2")).toContain("changed");
  mkdirSync(join(t.folder, "build"));
  writeFileSync(join(t.folder, "build", "Dockerfile"), DOCKERFILE);
  writeFileSync(join(t.folder, "build", "package.json"), "{}\n");
  await t.sh("cd build; echo packed >packed; tar -czf packed.tar.gz packed");
  const built = await t.sh("cd build; docker build -t nginx:v3 --build-arg WHO=me .");
  expect(built).toMatch(/^Sending build context to Docker daemon|^Step 1\/14 : FROM ubuntu/);
  expect(built).toContain("Successfully tagged nginx:v3");
  expect(await t.sh("docker run --rm nginx:v3")).toBe("1.0 Happy Feet /usr/src/app daemon");
  expect(await t.sh("docker run --rm nginx:v3 cat /usr/src/app/package.json /unpacked/packed /who")).toBe(
    "{}\npacked\nme",
  );
  expect(await t.sh("docker run --rm --entrypoint cat nginx:v3 /data/row")).toBe("row");
  await t.sh("docker run -d -v mydata:/data --name health nginx:v3 sleep 1000");
  await t.sh(
    "for i in $(seq 200); do docker inspect -f '{{.State.Health.Status}}' health | grep '^healthy' && break; done",
  );
  expect(await t.sh("docker ps -f name=health")).toContain("(healthy)");

  await t.sh("docker save -o saved.tar nginx:v3; docker rm -f health; docker rmi nginx:v3");
  expect(await t.sh("docker load -i saved.tar")).toContain("Loaded image: nginx:v3");
  await t.sh("docker run -idt --name nostalgic_hypatia ubuntu /bin/bash");
  expect(await t.typed("docker attach nostalgic_hypatia", "echo in it", "exit")).toContain("in it");
  await t.sh("docker export nostalgic_hypatia >ubuntu.tar; cat ubuntu.tar | docker import - test/ubuntu:v1.0");

  await t.sh("docker run -d -P --name web -v /webapp training/webapp python app.py");
  expect(await t.sh("docker inspect web")).toMatch(/"Destination": "\/webapp",\s+"Driver": "local"/);
  await t.sh(
    "docker rm -f web; docker run -d -v /dbdata --name dbdata training/postgres echo Data-only container for postgres",
  );
  await t.sh(
    "docker run -d --volumes-from dbdata --name db1 training/postgres; docker run -d --volumes-from dbdata --name db2 training/postgres",
  );
  expect((await t.try("docker volume rm $(docker inspect -f '{{range .Mounts}}{{.Name}}{{end}}' dbdata)")).code).toBe(
    1,
  );
  await t.sh("docker rm -f db1 db2; docker rm -v dbdata");
  await t.sh(
    "docker run -d -p 127.0.0.1::5000 training/webapp python app.py; docker run -d -p 127.0.0.1:5000:5000/udp training/webapp python app.py",
  );
  await t.sh(
    "docker run -d --name db training/postgres; docker run -d -P --name web --link db:db training/webapp python app.py",
  );
  expect(await t.sh("docker ps --no-trunc --format '{{.Names}}'")).toContain("db,web/db");
  await t.sh("docker stop -t 0 $(docker ps -q); docker rm $(docker ps -a -q)");
  expect(await t.sh("docker ps -aq")).toBe("");
});

const DOCKERFILE = `FROM ubuntu
ARG WHO=you
ENV VERSION=1.0 DEBUG=on \\
NAME="Happy Feet"
RUN echo $WHO >/who
COPY package.json /usr/src/app/
ADD packed.tar.gz /unpacked/
RUN mkdir /data && echo row >/data/row
VOLUME /data
EXPOSE 80 443
WORKDIR /usr/src
WORKDIR app
USER daemon
HEALTHCHECK --interval=100ms CMD test -f /who || exit 1
CMD echo $VERSION $NAME $PWD $(id -un)
`;

document("5: notes on run, data containers", async (t, by) => {
  // Docker has renamed it; Berth takes the old name too.
  const cpuset = by === "berth" ? "--cpuset" : "--cpuset-cpus";
  await t.sh("docker pull ubuntu:14.04");
  await t.sh(`docker run -d --name angry_nobel -c 512 ${cpuset}=0 -m 64m ubuntu sleep 1000`);
  expect(
    await t.sh(
      "docker inspect -f '{{.HostConfig.CpuShares}} {{.HostConfig.CpusetCpus}} {{.HostConfig.Memory}}' angry_nobel",
    ),
  ).toBe("512 0 67108864");
  expect(await t.sh("docker run --rm --net=none ubuntu cat /proc/net/dev")).not.toContain("eth0");
  expect(await t.sh("echo typed | docker run -i -a stdin -a stdout --rm ubuntu cat")).toBe("typed");
  await t.sh(
    "printf 'A=b\\n' >vars; docker run --cidfile=cid --env-file=vars -e C=d -h host -u daemon -w /tmp ubuntu sh -c 'test $A$C = bd && pwd'",
  );
  expect(await t.sh("cat cid")).toMatch(/^[0-9a-f]{64}$/);
  expect(
    await t.sh(
      "docker run --rm --privileged=true --sig-proxy=false --dns=10.0.0.1 --dns-search=example.com ubuntu cat /etc/resolv.conf",
    ),
  ).toContain("search example.com");
  expect(await t.sh("docker run --rm --entrypoint=echo --expose=80 ubuntu words")).toBe("words");
  expect(await t.typed("docker run -i -t --rm ubuntu /bin/bash", "exit")).toContain("exit");
  await t.sh("docker run --name data-container -v /data-dir ubuntu:14.04 /bin/true");
  await t.sh(`docker run --rm --volumes-from data-container ubuntu:14.04 sh -c "echo hello > /data-dir/hello"`);
  expect(await t.sh(`docker run --rm --volumes-from data-container:ro ubuntu:14.04 sh -c "cat /data-dir/hello"`)).toBe(
    "hello",
  );
  expect(await t.sh("docker inspect $(docker images -q ubuntu:14.04)")).toContain(`"Architecture"`);
  await t.sh("docker pause angry_nobel; docker unpause angry_nobel; docker kill angry_nobel; docker wait angry_nobel");
  await t.sh("docker cp data-container:/etc/hostname . && test -f hostname");
  const events = await t.sh("docker events --since 1m --until $(date -d '+1 second' +%s)");
  expect(events).toContain("container pause");
});
