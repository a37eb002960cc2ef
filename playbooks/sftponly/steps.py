"""Steps and questions where no command runs: requests to the site, PHP files of the release, and the database. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm import crossing as crossings
from crm.due import check_schema, due
from crm.errors import HostError, Refused
from crm.plan import Crossing, Release, Want
from crm.recipe import DATABASE_PASSWORD, Archive, Exec, Http, Recipe, Step
from crm.slots import fill_text, script_of
from crm.steps import Due, Records, state_of
from playbooks.sftponly.release import Server
from playbooks.terminal import safe, safe_line

LOG = "steps.log"
"""Where what each step answered is kept, below the contract's folder."""
_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Script:
    """A PHP file of the release to run, with what it reads."""

    path: str
    stdin: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the site; a form makes it a POST."""

    path: str
    form: Mapping[str, str]


def can(way: Exec | Http) -> bool:
    """Tell whether a way can be gone without a command on the host."""
    return isinstance(way, Http) or script_of(way) is not None


def refusal(recipe: Recipe) -> str | None:
    """Return why a host without commands cannot carry the recipe, or None."""
    stuck = [step.name for step in recipe.steps if not any(can(way) for way in step.ways)]
    asks = [("live", recipe.live), ("ready", recipe.ready)]
    deaf = [name for name, ask in asks if isinstance(ask.how, Exec) and not can(ask.how)]
    daemons = [process.name for process in recipe.processes]
    reasons = (
        ("webhost" not in recipe.targets, f"does not run on a web host; it suits {', '.join(recipe.targets)}"),
        (
            not all(isinstance(artifact, Archive) for artifact in recipe.artifacts.values()),
            "is no archive that the host's PHP runs",
        ),
        ("mysql" not in recipe.databases, "does not run on MySQL, which such hosts give"),
        (bool(daemons), f"has processes that must be up ({', '.join(daemons)})"),
        (bool(stuck), f"has steps that can only be done by a command ({', '.join(stuck)})"),
        (bool(deaf), f"can only be asked by a command whether it is {' and '.join(deaf)}"),
    )
    said = next((reason for holds, reason in reasons if holds), None)
    return None if said is None else f"{recipe.title} {said}, and no command runs on a host that gives SFTP alone"


def way_of(step: Step, want: Want, known: Mapping[str, str]) -> Script | Request:
    """Return how a step is done; raises Refused when none of its ways can be gone here."""
    for way in step.ways:
        if can(way):
            return asked(way, want, known, f"step {step.name}")
    raise Refused(f"step {step.name} can only be done by a command", "No command runs on this host.")


def asked(way: Exec | Http, want: Want, known: Mapping[str, str], where: str) -> Script | Request:
    """Return a way with its slots and secrets filled; what it returns may hold secrets."""
    if isinstance(way, Http):
        form = {name: fill_text(text, known, want.secrets, where) for name, text in way.form.items()}
        return Request(way.path, form)
    path = script_of(way)
    if path is None:
        raise Refused(f"{where} can only be asked by a command", "No command runs on this host.")
    return Script(path, fill_text(way.stdin, known, want.secrets, where).encode())


def database(server: Server, contract: str) -> Mapping[str, object]:
    """Return how the installer reaches the database; raises Refused where the fleet has no password for it."""
    if server.password is None:
        raise Refused(
            f"{contract}: the fleet does not have the secret {DATABASE_PASSWORD.name!r}, which the host gave",
            f"Store it: crmhost secrets set {contract} {DATABASE_PASSWORD.name}",
        )
    return {
        "host": server.host,
        "port": server.port,
        "name": server.name,
        "user": server.user,
        "password": server.password,
        "trial": server.trial,
    }


def records_of(raw: Mapping[str, Any], db: str) -> Records:
    """Return the records of an installer's answer; raises HostError when it makes no sense."""
    try:
        steps = {str(name): state_of(row[0]) for name, row in dict(raw["steps"] or {}).items()}
        schema = raw["schema"]
        made = None if schema is None else (str(schema[0]), str(schema[1]), str(schema[2]))
        trial = raw.get("trial")
        whose = None if trial is None else (str(trial[0]), str(trial[1]))
        return Records(steps, made, int(raw["others"]), trial=whose)
    except (ValueError, KeyError, TypeError, IndexError) as problem:
        raise HostError(
            f"{db}: its records of steps read {safe_line(str(raw), 200)!r}", "look at the table crmhost_steps"
        ) from problem


def due_of(want: Want, release: Release, records: Records, crossing: Crossing | None = None) -> Due:
    """Return what is to be run before the release may serve; nothing is known of it before a backup is put back.

    Raises Refused for a database that the release cannot come to run on, StepUnfinished for an interrupted step that
    may not be run again.
    """
    if crossings.going_back(crossing, release):
        return Due(())
    check_schema(want.contract, want.recipe, release, records)
    return due(want.recipe, records, release)


def masked(text: str, want: Want) -> str:
    """Return what the site said without the contract's secrets, the longest first, safe for a terminal."""
    for secret in sorted(filter(None, want.secrets.values()), key=len, reverse=True):
        text = text.replace(secret, "***")
    return safe(text, _SHOWN)
