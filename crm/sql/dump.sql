-- The dump of that snapshot follows on the same output, and one last line, which is there only when it is whole:
-- psql does not tell how a command of the shell ended.
\! pg_dump --format=custom --lock-wait-timeout=5min --snapshot="$CRMHOST_SNAPSHOT" </dev/null && printf 'crmhost: whole\n'
COMMIT;
