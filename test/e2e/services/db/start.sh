# A database that makes itself where its volume is empty, as the images that people use do. Asks for a password from elsewhere.
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  echo "${POSTGRES_PASSWORD:?is needed}" >/tmp/password
  initdb --username=postgres --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password --locale=C --encoding=UTF8 --data-checksums --wal-segsize=1 --no-sync >/tmp/log
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
fi
exec postgres -c listen_addresses='*'
