"""Judging a server with sudo before the first deploy. Pure: from what was asked to findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from crm.recipe import Recipe
from crmhost.doctor.finding import Finding, amount
from playbooks.become import Way
from playbooks.lan.condition import ServerCondition

DISK = 5 << 30
"""Bytes that must be free: packages, the environments of two releases, the database, and a dump of it."""
FILES = 100_000
"""Files that must still be possible: Creme's environment has 21,000, and two releases have one each."""
SKEW = 10
"""Seconds that the server's clock may differ from this machine's."""
OLDEST = {"debian": 12, "ubuntu": 22}
"""The oldest releases whose packages are new enough."""
SPARE = 20
"""Connections of PostgreSQL that one more customer may need: each thread and worker has one, and two releases run."""
SERVER = "nginx"
"""The program that serves customers' sites."""
_WAYS = {
    "root": "the account is root",
    "sudo": "lets the account without a password",
    "password": "lets the account with its password",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, all in one round trip. before, after: this machine's clock around it, in seconds since 1970."""

    condition: ServerCondition
    before: float
    after: float


def became(way: Way | None) -> Finding:
    """Return what is said of an account that can be root."""
    return Finding("sudo", _WAYS[way or "root"])


def judge(recipe: Recipe, ports: tuple[int, ...], asked: Asked) -> Iterator[Finding]:
    """Yield a finding for each thing that was asked, with one remedy where something is to be done."""
    seen = asked.condition
    yield _release(seen)
    yield _init(seen)
    yield from _space(seen)
    yield _memory(recipe, seen)
    yield _clock(asked)
    yield from (_port(port, seen) for port in ports)
    yield _packaging(seen)
    yield from _connections(seen)


def asked_by(host: str, acme: Mapping[str, str | None] | None) -> Iterator[Finding]:
    """Yield what an ACME authority needs of what lies before the server; acme: as an order keeps it, or None."""
    if acme is not None:
        yield Finding(
            "acme",
            f"{acme['directory']} looks up {host} in DNS and asks at port 80 there, at each renewal too: let it in",
        )


def _release(seen: ServerCondition) -> Finding:
    name, version, title = seen.release
    number = version.partition(".")[0]
    shown = title or f"{name} {version}".strip() or "it does not say what it is"
    oldest = OLDEST.get(name)
    if oldest is None:
        return Finding("system", shown, "Take a server with Debian 12 or newer, or Ubuntu 22.04 or newer.")
    if number.isdigit() and int(number) < oldest:
        return Finding("system", shown, f"Upgrade it to {name.capitalize()} {oldest} or newer.")
    return Finding("system", shown)


def _init(seen: ServerCondition) -> Finding:
    if seen.systemd is None:
        return Finding(
            "systemd", "is not the server's init", "Boot the server with systemd: apt-get install systemd-sysv."
        )
    return Finding("systemd", str(seen.systemd))


def _space(seen: ServerCondition) -> Iterator[Finding]:
    if seen.disk is None:
        yield Finding("disk", "the server does not say how much is free")
    else:
        short = seen.disk < DISK
        remedy = f"Free at least {amount(DISK)} below /var/lib, or mount a larger disk there." if short else ""
        yield Finding("disk", f"{amount(seen.disk)} free", remedy)
    if seen.files is not None and seen.files < FILES:
        yield Finding("files", f"{seen.files} more are possible", f"Remove files until {FILES} more are possible.")


def _memory(recipe: Recipe, seen: ServerCondition) -> Finding:
    if seen.memory is None:
        return Finding("memory", "the server does not say how much is free")
    needs = sum(process.memory_mb for process in recipe.processes)
    needs += max((job.memory_mb for job in recipe.jobs), default=0)
    enough = seen.memory >= needs << 20
    remedy = "" if enough else f"One customer of {recipe.title} may use {needs} MiB: give the server more."
    return Finding("memory", f"{amount(seen.memory)} free", remedy)


def _clock(asked: Asked) -> Finding:
    """Judge the clock: the server said whole seconds, at some moment between two of ours."""
    clock = asked.condition.clock
    early, late = asked.before - (clock + 1), clock - asked.after
    skew = max(0.0, early, late)
    if skew <= SKEW:
        return Finding("clock", "agrees with this machine's")
    way = "behind" if early > late else "ahead of"
    remedy = "Set it by NTP (as root: timedatectl set-ntp true), or set this machine's."
    return Finding("clock", f"{skew:.0f} s {way} this machine's", remedy)


def _port(port: int, seen: ServerCondition) -> Finding:
    what = f"port {port}"
    if seen.ports is None:
        return Finding(what, "the server does not show who listens")
    programs = seen.ports.get(port, ())
    if not programs:
        return Finding(what, "free")
    others = [name for name in programs if name != SERVER]
    if not others:
        return Finding(what, "nginx listens, which serves the customers")
    if others == ["?"]:
        return Finding(what, "something listens there; which program, only root may know")
    names = ", ".join(others)
    return Finding(
        what, f"{names} listens there", f"End {names} for good (systemctl disable --now), or give it another port."
    )


def _packaging(seen: ServerCondition) -> Finding:
    if not seen.packaging:
        return Finding("apt", "no lock is held")
    held = ", ".join(seen.packaging)
    return Finding(
        "apt", f"{held} holds a lock of apt or dpkg", "Wait until it ends; a deploy waits for some minutes by itself."
    )


def _connections(seen: ServerCondition) -> Iterator[Finding]:
    """Judge what is left of PostgreSQL's connections; nothing is said where it does not run yet."""
    if seen.connections is None:
        return
    taken, most = seen.connections
    remedy = (
        "Let max_connections be 500 in /etc/postgresql/VERSION/main/conf.d/crmhost.conf (a deploy writes it), and start"
        " PostgreSQL anew at a quiet hour: systemctl restart postgresql"
    )
    yield Finding("postgresql", f"{taken} of {most} connections are taken", remedy if most - taken < SPARE else "")
