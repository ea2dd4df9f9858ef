/** Command lines about images, compared as builds are: each a bash script in an empty folder. `docker` calls the command line. */
export const IMAGE_CASES: Record<string, string> = {
  tag: `docker tag images-base sha256:x
docker tag images-base BAD
docker tag images-base images-t:bad/tag
docker tag nosuchx y
docker tag 'bad name' y
docker tag images-base x@sha256:${"0".repeat(64)}
docker tag images-base
docker tag images-base images-t:1
docker images images-t --format '{{.Repository}} {{.Tag}}'
docker rmi images-t:1`,
  remove: `printf 'FROM images-base\\nLABEL remove=1\\n' >Dockerfile; docker build -q -t images-r:1 .
docker tag images-r:1 images-r:2; docker tag images-r:1 images-other:1
id=$(docker images -q --no-trunc images-r:1 | tail -1)
docker rmi $id
docker rmi nosuchx 'bad name' BAD
docker run -d --name images-box images-r:1 sleep 1000 | tail -1
docker rmi images-r:2
docker rmi images-other:1 images-r:2
docker rmi images-r:1
docker rmi $id
docker rmi -f $id
docker stop -t 0 images-box
docker rmi images-r:1
docker rmi $id
docker rmi -f images-r:1
docker rm images-box
docker rmi nosuchx -f`,
  list: `docker images -f dangling=x
docker images -f bogus=1
docker images -f before=nosuchx
docker images -f since=nosuchx
docker images -f until=x
docker images -f label
docker images -f reference='images-bas*' --format '{{.Repository}}:{{.Tag}}'
docker images -q nosuchx
docker images BAD
docker image ls a b
docker image prune -f --filter bogus=1
docker image prune -f --filter until=x
docker image inspect nosuchx
docker history nosuchx
docker image rm
docker image inspect --platform linux/s390x images-base
docker image inspect -f '{{.Os}}' --platform linux/amd64 images-base
docker history --platform linux/s390x images-base`,
  import: `mkdir t; echo a >t/a; tar -C t -cf t.tar .
docker import -c 'BOGUS x' t.tar
docker import -c 'RUN x' t.tar
docker import -c 'ENV' t.tar
docker import t.tar BAD
docker import nosuch.tar
docker import -c 'CMD x' -c 'ENV a=b' -m words t.tar images-import:1 >id; tail -1 id
docker image inspect -f '{{.Comment}} {{.Config.Cmd}} {{.Config.Env}} {{.Os}}' images-import:1
docker history --format '{{.Comment}}|{{.CreatedBy}}' images-import:1
docker rmi images-import:1`,
  load: `docker tag images-base images-load:1; docker tag images-base images-load:2
docker save -o s.tar images-load:1 images-load:2; docker rmi images-load:1 images-load:2
docker load -i s.tar
docker load -q -i s.tar
docker load <s.tar
docker load -i nosuch
docker load -i s.tar extra
docker rmi images-load:1 images-load:2
docker save nosuchx
docker save -o nosuch/dir images-base`,
};
