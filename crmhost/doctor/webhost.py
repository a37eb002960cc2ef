"""Judging an account on a web host before the first deploy. Pure: from what was asked to findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crm.recipe import Artifact, PipLock, Recipe
from crmhost.doctor.finding import Finding, amount
from playbooks.kinds.cron import CronSeen
from playbooks.kinds.php import PhpWanted
from playbooks.kinds.venv import VenvWanted
from playbooks.webhost.code import php_wanted
from playbooks.webhost.condition import Condition, Php, Python
from playbooks.webhost.hostdata import PROGRAMS, either
from playbooks.webhost.layout import Layout

DISK = 1 << 30
"""Bytes that must be free: Creme's environment has 286 MiB, and an upgrade builds the next one beside it."""
FILES = 50_000
"""Files that must still be allowed: that environment has 21,000."""
SKEW = 10
"""Seconds that the host's clock may differ from this machine's."""
_PACKAGES = {"flock": "util-linux", "setsid": "util-linux"}
OUR_OWN = tuple(f"3.{minor}" for minor in range(29, 8, -1))
"""The Pythons that run our own programs, where the CRM needs none."""
_SAID_ELSEWHERE = frozenset({"crontab", "python3"})
"""Tools that findings of their own are about."""


@dataclass(frozen=True, slots=True)
class Needed:
    """What the contract needs. minors: the allowed Pythons, newest first. memory: of all its processes, in bytes.

    port: of its own web process, 0 where the host's own front serves. served: the document root, absolute; php: what
    runs it, or our own questions to a database that the host gave; programs: what that database's backups need, of each
    set one. Each is empty where it does not matter.
    """

    minors: tuple[str, ...]
    port: int
    memory: int
    jobs: tuple[str, ...]
    served: str = ""
    php: PhpWanted | None = None
    programs: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, all in one round trip. before, after: this machine's clock around it, in seconds since 1970."""

    condition: Condition
    missing: frozenset[str]
    cron: CronSeen
    before: float
    after: float


def needed(recipe: Recipe, made_of: Artifact, layout: Layout, listen: str) -> Needed:
    """Return what a release of the recipe needs. listen: `host:port` of its own web process, or nothing."""
    most = max((job.memory_mb for job in recipe.jobs), default=0)
    own = (process for process in recipe.processes if layout.front == "process" or process.name != "web")
    memory = sum(process.memory_mb for process in own) + most
    mysql = layout.database == "mysql"
    packaged = VenvWanted(made_of.lock, made_of.python, made_of.build) if isinstance(made_of, PipLock) else None
    minors = OUR_OWN if packaged is None else packaged.minors
    php = php_wanted(layout, made_of) if mysql or packaged is None else None
    port = int(listen.rpartition(":")[2]) if listen else 0
    jobs = tuple(job.name for job in recipe.jobs)
    return Needed(minors, port, memory << 20, jobs, layout.served, php, PROGRAMS if mysql else ())


def judge(needs: Needed, asked: Asked) -> Iterator[Finding]:
    """Yield a finding for each thing that was asked, with one remedy where something is to be done."""
    seen = asked.condition
    yield _programs(asked.missing)
    yield _locks(seen)
    yield _python(needs, seen.pythons)
    yield from _space(seen)
    yield _memory(needs, seen)
    yield _clock(asked)
    if needs.port:
        yield _port(needs, seen)
    if needs.php is not None:
        yield _php(needs.php, seen.phps)
    if needs.programs:
        yield _dumps(seen)
    if needs.served:
        yield _served(needs, seen)
    yield _cron(needs, asked.cron)


def _programs(missing: frozenset[str]) -> Finding:
    lacks = sorted(missing - _SAID_ELSEWHERE)
    if not lacks:
        return Finding("programs", "all there")
    packages = sorted({_PACKAGES.get(name, "coreutils") for name in lacks})
    return Finding(
        "programs", f"lacks {', '.join(lacks)}", f"Ask the host's owner to install {' and '.join(packages)}."
    )


def _locks(seen: Condition) -> Finding:
    if not seen.writable:
        return Finding("home", "cannot be written to", "Mend the mode or owner of the account's home folder.")
    if not seen.locks:
        return Finding(
            "home", "its file system takes no flock", "Ask the host's owner for a home folder on another one."
        )
    return Finding("home", "can be written to, and takes locks")


def _python(needs: Needed, found: tuple[Python, ...]) -> Finding:
    """Judge the newest allowed Python: the host was asked in that order, and stopped at the first that will do."""
    allowed = [one for one in found if one.minor in needs.minors]
    good = [one for one in allowed if not one.lacks]
    if good:
        return Finding("python", f"{good[0].version} ({good[0].path})")
    wanted = f"{needs.minors[-1]} to {needs.minors[0]}"
    if allowed:
        best = allowed[0]
        packages = f" (on Debian: apt-get install python{best.minor}-venv)" if "ensurepip" in best.lacks else ""
        return Finding(
            "python",
            f"{best.version} ({best.path}) lacks {', '.join(best.lacks)}",
            f"Ask the host's owner for the whole Python {best.minor}{packages}.",
        )
    others = ", ".join(sorted({f"{one.version} ({one.path})" for one in found})) or "none"
    remedy = f"Choose Python {needs.minors[0]} in the host's panel, or ask its owner for it."
    return Finding("python", f"{others}; allowed are {wanted}", remedy)


def _space(seen: Condition) -> Iterator[Finding]:
    if seen.disk is None:
        yield Finding("disk", "the host does not say how much is free")
    else:
        short = seen.disk < DISK
        yield Finding("disk", f"{amount(seen.disk)} free", f"Free at least {amount(DISK)} there." if short else "")
    if seen.files is not None:
        few = seen.files < FILES
        remedy = f"Remove files until {FILES} more are possible, or ask for more." if few else ""
        yield Finding("files", f"{seen.files} more are possible", remedy)
    for quota in seen.quotas:
        left = [] if quota.bytes_left is None else [amount(quota.bytes_left)]
        left += [] if quota.files_left is None else [f"{quota.files_left} files"]
        short = quota.bytes_left is not None and quota.bytes_left < DISK
        few = quota.files_left is not None and quota.files_left < FILES
        remedy = f"Ask for a quota that leaves {amount(DISK)} and {FILES} files." if short or few else ""
        yield Finding("quota", f"{quota.place}: {' and '.join(left)} left" if left else f"{quota.place}: none", remedy)
    if not seen.quotas:
        yield Finding("quota", "the host says of none")


def _memory(needs: Needed, seen: Condition) -> Finding:
    known = [size for size in (seen.memory, seen.memory_limit) if size is not None]
    if not known:
        return Finding("memory", "the host does not say how much is free")
    least = min(known)
    which = "allowed" if least == seen.memory_limit else "free"
    remedy = "" if least >= needs.memory else f"The CRM may use {amount(needs.memory)}: ask for a larger plan."
    return Finding("memory", f"{amount(least)} {which}", remedy)


def _clock(asked: Asked) -> Finding:
    """Judge the clock: the host said whole seconds, at some moment between two of ours."""
    clock = asked.condition.clock
    early, late = asked.before - (clock + 1), clock - asked.after
    skew = max(0.0, early, late)
    if skew <= SKEW:
        return Finding("clock", "agrees with this machine's")
    way = "behind" if early > late else "ahead of"
    return Finding(
        "clock", f"{skew:.0f} s {way} this machine's", "Ask the host's owner to set it by NTP, or set this machine's."
    )


def _port(needs: Needed, seen: Condition) -> Finding:
    what = f"port {needs.port}"
    if seen.listeners is None:
        return Finding(what, "the host does not show who listens")
    if not seen.listeners:
        return Finding(what, "free")
    if seen.ours and set(seen.listeners) == {seen.uid}:
        return Finding(what, "this contract's own process listens")
    whose = "another process of this account" if set(seen.listeners) == {seen.uid} else "another account's process"
    return Finding(what, f"{whose} listens there", "Write another one into target.listen, or end what listens there.")


def _php(wanted: PhpWanted, found: tuple[Php, ...]) -> Finding:
    """Judge the PHP for programs that a deploy would take: the first that is allowed and has what is asked for."""
    allowed = [one for one in found if one.minor in wanted.minors]
    lacks = {one.path: wanted.lacks(",".join(one.extensions)) for one in allowed}
    good = [one for one in allowed if not lacks[one.path]]
    if good:
        limit = "no memory limit" if good[0].memory == "-1" else f"memory limit {good[0].memory}"
        return Finding("php", f"{good[0].version} ({good[0].path}), {limit}")
    between = f"{wanted.minors[-1]} to {wanted.minors[0]}"
    if allowed:
        best = allowed[0]
        missing = ", ".join(lacks[best.path])
        return Finding(
            "php",
            f"{best.version} ({best.path}) lacks {missing}",
            f"Switch these extensions on in the host's panel, or ask its owner: {missing}.",
        )
    others = ", ".join(sorted({f"{one.version} ({one.path})" for one in found})) or "none for programs"
    return Finding("php", f"{others}; allowed are {between}", f"Choose PHP {wanted.minors[0]} in the host's panel.")


def _dumps(seen: Condition) -> Finding:
    """Judge what backups of the host's database need; without it a first deploy goes well, and the next may not."""
    if not seen.lacks:
        return Finding("database", "the programs for its backups are there")
    missing = ", ".join(map(either, seen.lacks))
    return Finding(
        "database",
        f"this account has no {missing}: no backup, no restore, and no upgrade across schemas",
        "Ask the host's owner for MariaDB's or MySQL's client programs (on Debian: apt-get install mariadb-client).",
    )


def _served(needs: Needed, seen: Condition) -> Finding:
    what = "document root"
    if seen.served is None:
        return Finding(what, f"{needs.served} is not there", "Write the folder that the panel names for this domain.")
    if not seen.fills:
        return Finding(what, f"{seen.served} cannot be written to", "Mend the mode or owner of that folder.")
    return Finding(what, f"{seen.served} can be written to")


def _cron(needs: Needed, seen: CronSeen) -> Finding:
    if seen.usable:
        return Finding("cron", "this account may use it")
    never = f", and {', '.join(needs.jobs)} would never run" if needs.jobs else ""
    why = "the host has no crontab" if seen.state == "no-tool" else "this account may not use it"
    return Finding(
        "cron", f"{why}: nothing would start the CRM again after a reboot{never}", "Ask the host's owner to allow cron."
    )
