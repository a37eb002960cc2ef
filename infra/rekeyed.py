"""Which secrets the fleet has changed since the stack was given them. Pure; nothing of a secret leaves it but its name.

Both are in memory anyhow: the stack's record, decrypted, and the fleet's. So they are compared as they are, and no
digest is kept anywhere from which a short one could be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from crm.plan import Want
from crm.recipe import Secret, Text
from crm.slots import fill, secret_names
from infra import moves
from infra.release import DATABASE, passwords
from infra.rollout import Placed, Rollout
from infra.slots import values


def rekeyed(recorded: Rollout | None, wanted: Rollout, want: Want) -> tuple[str, ...]:
    """Return the names, sorted, of the secrets in files of the database's, and of the wanted release where it is there.

    Those of a release that is not there yet come with it.
    """
    if recorded is None:
        return ()
    before, now = passwords(recorded), passwords(wanted)
    found = {name for name, value in now.items() if before.get(name) != value}
    for placed in wanted.releases:
        there = moves.find(recorded, placed.release, kept=False)
        found |= set() if there is None else set(_in_files(there, placed, want))
    return tuple(sorted(found))


def differing(text: Text, then: str, known: Mapping[str, str], secrets: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of a file's secrets that were others when it read `then`; all of them where none explains it."""
    names = secret_names(text)
    changed = tuple(name for name in names if not re.fullmatch(_pattern(text, name, known, secrets), then, re.DOTALL))
    return changed or names


def _in_files(there: Placed, placed: Placed, want: Want) -> Iterator[str]:
    known, then = values(want, placed.release), {file.path: file.content for file in there.files}
    now = {file.path: file.content for file in placed.files}
    for file in want.recipe.files_with(DATABASE):
        if then.get(file.path) != now[file.path]:
            yield from differing(file.content, then.get(file.path, ""), known, want.secrets)


def _pattern(text: Text, name: str, known: Mapping[str, str], secrets: Mapping[str, str]) -> str:
    """Return what the file matches if the secret of that name was what it is now, whatever the others were."""
    return "".join(
        re.escape(secrets[part.name] if isinstance(part, Secret) else fill(part, known, ""))
        if not isinstance(part, Secret) or part.name == name
        else ".*"
        for part in text
    )
