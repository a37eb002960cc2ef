#!/bin/bash
# Starts PostgreSQL in its container: makes the cluster where there is none, then the CRM's role and database where they
# are missing, and sets both passwords to what the files say. Whatever it is killed at, the next start goes on.
# Arguments are handed to the server. Runs as the user postgres; nothing secret is in an argument or a log.
set -euo pipefail

secrets=/run/crmhost
private=/tmp/crmhost-setup

found=$(cat "$PGDATA/PG_VERSION" 2>/dev/null || true)
program=$(postgres --version | sed -E 's/^postgres \(PostgreSQL\) ([0-9]+).*/\1/')
if [ -z "$found" ]; then
    rm -rf "$PGDATA.new"
    initdb --pgdata="$PGDATA.new" --username=postgres --pwfile="$secrets/superuser-password" \
        --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >/dev/null
    # Fails where there is something in it after all: nothing that could be data is ever removed.
    if [ -e "$PGDATA" ]; then rmdir "$PGDATA"; fi
    mv "$PGDATA.new" "$PGDATA"
elif [ "$found" != "$program" ]; then
    echo "crmhost: the data in $PGDATA are PostgreSQL $found's and this image is PostgreSQL $program:" \
        "back up with the old image, deploy anew, restore" >&2
    exit 1
fi

# Whoever is on the customer's network shows a password; inside the container postgres is himself.
cat >"$PGDATA/pg_hba.conf" <<'RULES'
local all postgres peer
host all all all scram-sha-256
RULES

# Alone on a socket of its own: nobody takes this server for the one that serves.
rm -rf "$private"
mkdir -m 0700 "$private"
pg_ctl start --pgdata="$PGDATA" --wait --timeout=600 --silent \
    --options="-c listen_addresses='' -c unix_socket_directories=$private -c log_min_error_statement=panic"
psql --no-psqlrc --quiet --host="$private" --username=postgres --dbname=postgres --set=ON_ERROR_STOP=1 \
    >/dev/null <<'STATEMENTS'
\set superuser `cat /run/crmhost/superuser-password`
\set password `cat /run/crmhost/password`
SET password_encryption = 'scram-sha-256';
ALTER ROLE postgres PASSWORD :'superuser';
SELECT 'CREATE ROLE crm LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'crm') \gexec
ALTER ROLE crm PASSWORD :'password';
SELECT 'CREATE DATABASE crm OWNER crm' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'crm') \gexec
STATEMENTS
pg_ctl stop --pgdata="$PGDATA" --wait --mode=fast --silent
rm -rf "$private"

exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories="$PGHOST" \
    -c password_encryption=scram-sha-256 "$@"
