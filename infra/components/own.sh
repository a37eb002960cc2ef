#!/bin/sh
# own.sh OWNER FILES FOLDER...: gives OWNER the uploaded FILES, for him alone, and the FOLDERs that he writes to.
# Runs as root in a container of its own, before anything that is not root starts. May run again.
set -eu
owner=$1
files=$2
shift 2
find "$files" -type d -exec chmod 0700 {} +
chown -R "$owner" "$files"
for folder; do
    chmod 0700 "$folder"
    chown "$owner" "$folder"
done
