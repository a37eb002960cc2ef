"""Where the passphrases of SSH keys and sudo's passwords come from: the environment, a file, or the terminal."""

from __future__ import annotations

import getpass
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from crmhost.files import read_text

if TYPE_CHECKING:
    from playbooks.become import Passwords
    from playbooks.keys import Phrase, Phrases

VARIABLE = "CRMHOST_SSH_PASSPHRASE"
SUDO = "CRMHOST_SUDO_PASSWORD"
SECRET = "sudo-password"  # noqa: S105 -- the name of one
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
            yield Phrase(file, _line(Path(file)))
        elif sys.stdin.isatty():
            for _ in range(_TRIES):
                yield Phrase("the terminal", getpass.getpass(f"passphrase of {key}: "))

    return found


def sudo_passwords(environment: Mapping[str, str], kept: Callable[[], str | None], file: Path | None) -> Passwords:
    """Return what knows the password that sudo wants on a host; raises CrmhostError where a file cannot be read.

    CRMHOST_SUDO_PASSWORD; the file that CRMHOST_SUDO_PASSWORD_FILE names, less its line's end; the contract's secret,
    which `kept` returns; `file`. Where there is none of these, the person at the terminal is asked, once for each host.
    """
    known: dict[str, Phrase | None] = {}
    asking = threading.Lock()

    def found(host: str) -> Phrase | None:
        with asking:
            if host not in known:
                known[host] = _sudo_password(environment, kept, file, host)
            return known[host]

    return found


def _sudo_password(
    environment: Mapping[str, str], kept: Callable[[], str | None], file: Path | None, host: str
) -> Phrase | None:
    from playbooks.keys import Phrase

    text, named = environment.get(SUDO), environment.get(f"{SUDO}_FILE")
    if text:
        return Phrase(SUDO, text)
    if named:
        return Phrase(named, _line(Path(named)))
    secret = kept()
    if secret is not None:
        return Phrase(f"the contract's secret {SECRET}", secret)
    if file is not None:
        return Phrase(str(file), _line(file))
    if sys.stdin.isatty():
        return Phrase("the terminal", getpass.getpass(f"sudo's password on {host}: "))
    return None


def _line(file: Path) -> str:
    return read_text(file, limit=4096).rstrip("\r\n")
