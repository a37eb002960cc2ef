"""What `ssh` says when it fails, as an error with a remedy. Pure: text in, error out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from crm.errors import HostError
from infra.engine.reach import Reach

_UNKNOWN_KEY = re.compile(r"No (\S+ )?host key is known for|Host key verification failed", re.IGNORECASE)
_Rule: TypeAlias = tuple[re.Pattern[str], Callable[[Reach], tuple[str, str]]]


def explain(reach: Reach, said: str) -> HostError:
    """Return the error for what ssh wrote on standard error, or for what showed instead of it."""
    said = "\n".join(line for line in said.splitlines() if not line.startswith("Warning: Permanently added"))
    for pattern, answer in _RULES:
        if pattern.search(said):
            what, remedy = answer(reach)
            return HostError(f"{reach.url}: {what}", remedy)
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "it closed the connection")
    return HostError(
        f"{reach.url}: the Docker engine cannot be reached over SSH: {last.strip()[:300]}",
        f"Try by hand: ssh {reach.host} docker version",
    )


def unknown_key(said: str) -> bool:
    """Tell whether ssh refused because the host's key was never pinned; a key that *changed* is another matter."""
    return _UNKNOWN_KEY.search(said) is not None and not _CHANGED.search(said)


def _changed(reach: Reach) -> tuple[str, str]:
    remedy = (
        "If the host was not reinstalled, somebody may be in between: stop. Otherwise remove the old line and pin the"
        f" new key: crmhost host up {reach.url} --accept-host-key"
    )
    return f"the host shows another key than the one pinned in {reach.known_hosts or 'known_hosts'}", remedy


def unknown(reach: Reach, fingerprint: str) -> HostError:
    """Return the error for a host that was never seen; `fingerprint` as OpenSSH shows it, of the key that it offers."""
    return HostError(
        f"{reach.url}: the host's key {fingerprint} is not pinned yet, and an unknown host is not trusted",
        f"Compare the fingerprint with the host's own and pin the key: crmhost host up {reach.url} --accept-host-key",
    )


def _unknown(reach: Reach) -> tuple[str, str]:
    refused = unknown(reach, "(not shown)")
    return refused.what.removeprefix(f"{reach.url}: "), refused.remedy


def _refused_key(reach: Reach) -> tuple[str, str]:
    which = f"the key {reach.key_file}" if reach.key_file else "the keys of the agent and the account"
    remedy = "Put the public key into ~/.ssh/authorized_keys of the account, or name another: ssh.key: in crmhost.yaml."
    return f"the host refused {which}", remedy


def _open_key(reach: Reach) -> tuple[str, str]:
    return f"the private key {reach.key_file} may be read by others, so ssh ignores it", f"chmod 600 {reach.key_file}"


def _no_key(reach: Reach) -> tuple[str, str]:
    return f"there is no private key {reach.key_file}", "Correct ssh.key: in crmhost.yaml."


def _no_name(reach: Reach) -> tuple[str, str]:
    return f"the name {reach.host} is not known", "Correct target.docker: in the contract, or the DNS."


def _no_route(reach: Reach) -> tuple[str, str]:  # noqa: ARG001 -- one signature for all answers
    return "the host cannot be reached", "Is it up, and is there a way to it (VPN, firewall)? Nothing was changed."


def _refused(reach: Reach) -> tuple[str, str]:  # noqa: ARG001 -- one signature for all answers
    return "nothing listens for SSH there: the connection was refused", "Is the port right, and does sshd run?"


def _busy(reach: Reach) -> tuple[str, str]:  # noqa: ARG001 -- one signature for all answers
    return (
        "the host's sshd drops new connections (MaxStartups)",
        "Try again, or lower cloud.parallel: in crmhost.yaml.",
    )


def _no_docker(reach: Reach) -> tuple[str, str]:
    return (
        "there is no `docker` command for that account on the host",
        f"Install Docker's command line there, or try by hand: ssh {reach.host} docker version",
    )


def _down(reach: Reach) -> tuple[str, str]:
    return (
        "the host answers, but its Docker engine does not",
        f"Start it there: ssh {reach.host} sudo systemctl start docker",
    )


def _forbidden(reach: Reach) -> tuple[str, str]:  # noqa: ARG001 -- one signature for all answers
    return (
        "the account on the host may not use its Docker engine",
        "Put it into the group that owns the engine's socket (often docker).",
    )


_CHANGED = re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key .* has changed", re.IGNORECASE)
_RULES: tuple[_Rule, ...] = (
    (_CHANGED, _changed),
    (_UNKNOWN_KEY, _unknown),
    (re.compile(r"UNPROTECTED PRIVATE KEY|bad permissions", re.IGNORECASE), _open_key),
    (re.compile(r"Identity file .* not accessible", re.IGNORECASE), _no_key),
    (
        re.compile(
            r"permission denied while trying to connect to the docker|dial unix .*permission denied", re.IGNORECASE
        ),
        _forbidden,
    ),
    (re.compile(r"Permission denied \(|Too many authentication failures"), _refused_key),
    (re.compile(r"Could not resolve hostname"), _no_name),
    (re.compile(r"Connection refused.*|connect to host .* refused"), _refused),
    (re.compile(r"No route to host|timed out|Network is unreachable", re.IGNORECASE), _no_route),
    (re.compile(r"kex_exchange_identification|Connection reset by peer"), _busy),
    (re.compile(r"command not found|docker: not found|No such file or directory.*docker"), _no_docker),
    (re.compile(r"Cannot connect to the Docker daemon|failed to dial|dial unix|no such file", re.IGNORECASE), _down),
)
