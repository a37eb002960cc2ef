# The lock of a contract is the container that runs this: lock.sh SILENCE [JOURNAL].
# Each line of standard input goes to the journal, an empty one says that its holder lives. It ends, and the lock with
# it, at the end of input or after SILENCE seconds without a line. What is written to the journal is printed as well,
# so that whoever meets the lock can read in its log what is being done.
silence=$1 journal=${2:-/dev/null} limit=1048576

if [ -f "$journal" ]; then
  [ "$(wc -c <"$journal")" -lt "$limit" ] || mv -f "$journal" "$journal.1"
  [ ! -s "$journal" ] || [ -z "$(tail -c 1 "$journal")" ] || echo >>"$journal"
fi
while line=$(timeout "$silence" sh -c 'IFS= read -r line && printf %s "$line"'); do
  [ -n "$line" ] || continue
  printf '%s\n' "$line" >>"$journal" || exit 1
  printf '%s\n' "$line"
done
