/** Builds whose whole output is compared, each a bash script that runs in an empty folder. `build` calls the command line; `images-base` is an image that nothing was built from. */
export const BUILD_CASES: Record<string, string> = {
  steps: `mkdir sub; echo a >a.txt; echo b >sub/b.txt
cat >Dockerfile <<'D'
# a comment
ARG VERSION=latest
FROM images-base:$VERSION
ARG WHO=nobody
ENV GREETING=hello
WORKDIR /app
COPY a.txt sub/ ./
ADD a.txt /added
RUN echo "$GREETING $WHO" && \\
    # between
    cat a.txt b.txt
RUN echo err >&2
LABEL a=b   c=d
EXPOSE 80 53/udp
USER 1234
VOLUME /data /more
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
SHELL ["/bin/sh", "-ec"]
MAINTAINER someone <some@one>
ENTRYPOINT ["sh", "-c"]
CMD echo "x" y
D
build -t images-steps -t images-steps:2 --build-arg WHO=world .
echo == again; build -t images-steps --build-arg WHO=world .
echo == changed; echo c >>a.txt; build --build-arg WHO=world .`,
  stages: `echo x >x
cat >Dockerfile <<'D'
FROM images-base AS first
RUN echo one >/one
FROM first AS second
COPY x /x
from images-base
copy --from=first /one /
COPY --from=second --chown=1:2 /x /
CMD ["cat", "/one"]
D
build .
echo == target; build --target second -t images-second .
echo == none; build --target nosuch .`,
  fails: `printf 'FROM images-base\\nRUN echo before; exit 3\\nRUN never\\n' >Dockerfile
build -t images-never .
printf 'FROM images-base\\nRUN ["false"]\\n' >Dockerfile; build .
printf 'FROM images-base\\nRUN ["sh", "-c", "exit 200"]\\n' >Dockerfile; build --force-rm .
printf 'FROM images-base\\nRUN nosuch-command\\n' >Dockerfile; build -q .
printf 'FROM images-base\\nUSER ghost\\nRUN true\\n' >Dockerfile; build .`,
  keep: `printf 'FROM images-base\\nRUN echo kept\\nCMD ["a", "b c"]\\nENV a=b\\n' >Dockerfile
build --rm=false .`,
  quiet: `printf 'FROM images-base\\nRUN echo noise\\n' >Dockerfile
build -q -t images-quiet .; build --quiet --iidfile id . >/dev/null; cat id
echo; printf 'FROM images-base\\nRUN echo told; false\\n' >Dockerfile; build -q --iidfile id .; ls id`,
  arguments: `printf 'ARG top=1\\nFROM images-base\\nARG used\\nARG with=default\\nRUN echo "$used $with $top" | tee /f\\nARG top\\nRUN echo $top\\n' >Dockerfile
build --build-arg used=1 --build-arg zzz=1 --build-arg foo=2 --build-arg http_proxy=http://p .
build --build-arg used=2 --build-arg top=7 .`,
  labels: `printf 'FROM images-base\\nLABEL a=0\\n' >Dockerfile
build --label b=2 --label a='one two' --label c .
printf 'FROM images-base\\n' >Dockerfile; build --label only=1 .`,
  onbuild: `printf 'FROM images-base\\nONBUILD RUN echo triggered\\nONBUILD ENV a=b\\nCMD x\\n' >Dockerfile; build -t images-trigger .
printf 'FROM images-trigger\\nRUN echo own\\n' >Dockerfile; build -t images-child .
printf 'FROM images-base\\nONBUILD ENV one=b\\n' >Dockerfile; build -q -t images-trigger . >/dev/null
printf 'FROM images-trigger\\n' >Dockerfile; build .`,
  base: `printf 'FROM images-base\\n' >Dockerfile; build -t images-same .
printf 'FROM scratch\\n' >Dockerfile; build .
printf 'FROM images-base as Upper\\n' >Dockerfile; build .`,
  syntax: `try() { echo "# $1"; printf "$1" >Dockerfile; build .; }
try ''
try '# only a comment\\n'
try 'RUN x\\n'
try 'FROM images-base\\n\\nRUNN true\\n'
try 'FROM\\n'
try 'FROM a b\\n'
try 'FROM images-base AS 1x\\n'
try 'FROM BAD\\n'
try 'FROM images-base\\nCOPY a\\n'
try 'FROM images-base\\nENV\\n'
try 'FROM images-base\\nENV a\\n'
try 'FROM images-base\\nLABEL a\\n'
try 'FROM images-base\\nEXPOSE abc\\n'
try 'FROM images-base\\nSTOPSIGNAL FOO\\n'
try 'FROM images-base\\nHEALTHCHECK FOO\\n'
try 'FROM images-base\\nHEALTHCHECK --interval=x CMD true\\n'
try 'FROM images-base\\nONBUILD FROM x\\n'
try 'FROM images-base\\nONBUILD ONBUILD RUN x\\n'
try 'FROM images-base\\nRUN --bogus=1 true\\n'
try 'FROM images-base\\nRUN --mount=type=cache,target=/x true\\n'
try 'FROM images-base\\nCOPY --link Dockerfile /\\n'
try 'FROM images-base\\nCOPY --chown=ghost Dockerfile /\\n'
try 'FROM images-base\\nSHELL x\\n'
try 'FROM images-base\\nCMD [1]\\n'
try 'FROM images-base\\nENV x=\${y:?no}\\n'
try 'FROM images-base\\nUSER\\n'
try 'FROM images-base\\nVOLUME []\\n'
try 'FROM images-base\\nWORKDIR\\n'
try 'FROM images-base\\nMAINTAINER\\n'
try 'FROM images-base\\nARG\\n'
try '# escape=x\\nFROM images-base\\n'`,
  copy: `try() { printf 'FROM images-base\\n%s\\n' "$1" >Dockerfile; build .; }
mkdir d; echo a >d/a; echo b >b; ln -s /etc/passwd out; tar cf t.tar b
try 'COPY nosuch /'
try 'COPY nosuch* /'
try 'COPY ../b /'
try 'COPY b d /x'
try 'COPY b d /x/'
try 'COPY out /'
try 'COPY d/* /y/'
try 'ADD t.tar /t'
try 'COPY ["b", "/with space"]'`,
  ignore: `mkdir sub; touch a.log keep.log b.txt sub/c.log
printf '# comment\\n*.log\\n**/c.log\\n!keep.log\\nDockerfile\\n.dockerignore\\n' >.dockerignore
printf 'FROM images-base\\nCOPY . /c\\nRUN find /c | sort\\n' >Dockerfile; build .
printf 'FROM images-base\\nCOPY a.log /c\\n' >Dockerfile; build .
printf '[\\n' >.dockerignore; build .
printf '!\\n' >.dockerignore; build .`,
  places: `mkdir ctx out; echo x >ctx/x; printf 'FROM images-base\\nCOPY x /\\n' >out/Other; cp out/Other ctx/Third
build -f out/Other ctx
build -f ctx/Third ctx
build -f out/nosuch ctx
build ctx
build nosuch
build ctx/x
build -f - ctx <out/Other
build - <out/Other
echo y >ctx/x; tar -C ctx -c . | build -f Third -
tar -C ctx -c . | build -
tar -C ctx -c . | build -f nosuch -
build -f - - <out/Other
printf '' | build -
build
build a b`,
  options: `printf 'FROM images-base\\nRUN ulimit -n; df /dev/shm | tail -1 | tr -s " " | cut -d" " -f2; grep names /etc/hosts; ls /sys/class/net\\n' >Dockerfile
build --ulimit nofile=100:200 --shm-size 32m --add-host names:1.2.3.4 --network none --memory 64m --cpu-shares 100 --cpuset-cpus 0 --cpu-period 100000 --cpu-quota 50000 .
build --isolation hyperv .
build --isolation default --network none --cache-from images-base --no-cache .
build --security-opt seccomp=unconfined .
build --ulimit bogus=1 .
build --add-host bad .
build -t BAD .
build -t images-x:bad/tag .
build --squash .
build --shm-size x .`,
};
