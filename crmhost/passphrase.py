"""Where the passphrases of SSH keys come from: the environment, a file that it names, or the terminal."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from crmhost.files import read_text

if TYPE_CHECKING:
    from playbooks.keys import Phrase, Phrases

VARIABLE = "CRMHOST_SSH_PASSPHRASE"
_TRIES = 3


def phrases(environment: Mapping[str, str]) -> Phrases:
    """Return what yields the passphrases to try for a key; raises CrmhostError where the named file cannot be read.

    CRMHOST_SSH_PASSPHRASE, or the file that CRMHOST_SSH_PASSPHRASE_FILE names, less its line's end. Where neither is
    set, the person at the terminal is asked, three times at most.
    """

    def found(key: Path) -> Iterator[Phrase]:
        from playbooks.keys import Phrase

        text, file = environment.get(VARIABLE), environment.get(f"{VARIABLE}_FILE")
        if text:
            yield Phrase(VARIABLE, text)
        elif file:
            yield Phrase(file, read_text(Path(file), limit=4096).rstrip("\r\n"))
        elif sys.stdin.isatty():
            for _ in range(_TRIES):
                yield Phrase("the terminal", getpass.getpass(f"passphrase of {key}: "))

    return found
