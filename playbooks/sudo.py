"""What sudo's words mean, and what is to be done about them. Pure."""

from __future__ import annotations

import re

from crm.errors import HostError
from playbooks.terminal import safe


class NoRoot(HostError):
    """The account was logged in to, and does not become root."""


_PASSWORD = re.compile(r"password is required|authentication is required")
"""What `sudo -n` says where it wants a password; a user whom it lets do nothing hears the same."""

_NO_RULE = (
    "Let the account be root: as root, `usermod -aG sudo ACCOUNT`, or a file in /etc/sudoers.d with"
    " `ACCOUNT ALL=(ALL:ALL) ALL`; or write another one into target.user."
)
_MEANT = (
    (r"incorrect password attempt|[Ss]orry, try again|no password was provided", "sudo refused the password", ""),
    (
        r"not in the sudoers file|is not allowed to|may not run sudo|isn't allowed",
        "sudo lets the account do nothing as root",
        _NO_RULE,
    ),
    (
        r"must have a tty",
        "sudo wants a terminal",
        "Write `Defaults:ACCOUNT !requiretty` into a file in /etc/sudoers.d on the host.",
    ),
    (
        r"no new privileges|setuid|effective uid is not 0",
        "sudo cannot become root there",
        "Log in outside of a sandbox; sudo must belong to root, mode 4755, on a file system without nosuid.",
    ),
)


def wants_password(said: str) -> bool:
    """Return whether sudo, asked to do without, said that it wants a password."""
    return _PASSWORD.search(said) is not None


def refusal(name: str, word: str, said: str, origin: str = "") -> NoRoot:
    """Return what is said of a host on which an account does not become root.

    word: the answer of `playbooks.become`; said: sudo's own words; origin: where the password came from.
    """
    if word == "missing":
        return NoRoot(
            f"{name}: the host has no sudo, and this account is not root",
            "Install it there as root: apt-get install sudo; or log in as root: target.user.",
        )
    if word == "wants":
        return NoRoot(
            f"{name}: sudo wants the account's password, and none is known",
            "Store it: crmhost secrets set CONTRACT sudo-password; or set CRMHOST_SUDO_PASSWORD or"
            " CRMHOST_SUDO_PASSWORD_FILE, name a file in crmhost.yaml (ssh: {sudo-password-file: FILE}), or run it on a"
            " terminal, where it is asked for; or let the account use sudo without one, by `ACCOUNT ALL=(ALL:ALL)"
            " NOPASSWD: ALL` in a file in /etc/sudoers.d.",
        )
    for pattern, meaning, remedy in _MEANT:
        if re.search(pattern, said):
            given = f" from {origin}" if origin and not remedy else ""
            return NoRoot(f"{name}: {meaning}{given}: {_shown(said)}", remedy or _RIGHT)
    return NoRoot(
        f"{name}: sudo does not let the account be root: {_shown(said)}",
        "Mend what it says, then see whether `sudo -n true` or `sudo -v` works in an SSH session of the account.",
    )


_RIGHT = "It was tried once, and not again. Give the account's own password, as `sudo -v` in an SSH session takes it."


def _shown(said: str) -> str:
    return safe(said.strip(), 400) or "it said nothing"
