"""Where Pulumi keeps the state of stacks. What lies in files is read here, without starting Pulumi."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from crm.errors import CrmhostError

PROJECT = "crmhost"
_LOCK_LINE = re.compile(
    r"^\s+(?P<where>\S.*): created by (?P<user>.+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)$"
)


class StateDamaged(CrmhostError):
    """The stack's state cannot be read: it was torn by a crash or a full disk."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Who is at work on a stack, or was when he was killed. where: the lock's file or URL."""

    where: str
    pid: int
    user: str
    host: str
    since: datetime


@dataclass(frozen=True, slots=True)
class StateFiles:
    """The files of one stack below a `file://` backend."""

    root: Path
    stack: str

    @property
    def state(self) -> Path:
        """Return the file with the stack's resources."""
        return self.root / ".pulumi" / "stacks" / PROJECT / f"{self.stack}.json"

    @property
    def previous(self) -> Path:
        """Return the file with the resources as they were before the last was written."""
        return self.state.with_name(self.state.name + ".bak")

    @property
    def history(self) -> Path:
        """Return the folder with the state after each run."""
        return self.root / ".pulumi" / "history" / PROJECT / self.stack

    @property
    def locks(self) -> Path:
        """Return the folder with the stack's locks."""
        return self.root / ".pulumi" / "locks" / "organization" / PROJECT / self.stack

    def exists(self) -> bool:
        """Tell whether the stack was ever made."""
        return self.state.exists()  # a stack that was removed leaves its copy

    def whole(self) -> bool:
        """Tell whether the state can be read."""
        try:
            self.read()
        except StateDamaged:
            return False
        return True

    def read(self) -> Mapping[str, Any] | None:
        """Return the deployment, with its secrets encrypted, or None where there is no stack.

        Raises StateDamaged for what is no state.
        """
        try:
            content = self.state.read_bytes()
        except FileNotFoundError:
            return None
        deployment = deployment_of(content)
        if deployment is None:
            raise StateDamaged(f"{self.state}: is damaged", "The next deploy takes the copy that Pulumi keeps.")
        return deployment

    def held(self) -> tuple[Lock, ...]:
        """Return the locks; one whose file was never finished belongs to nobody who could still be alive."""
        found = []
        for path in sorted(self.locks.glob("*.json")) if self.locks.is_dir() else ():
            try:
                found.append(lock_of(str(path), path.read_text(encoding="utf-8")))
            except FileNotFoundError:
                continue  # its holder has just ended
        return tuple(found)


def files_of(backend: str, stack: str) -> StateFiles | None:
    """Return the files of a stack, or None where the backend is no folder of this machine."""
    parts = urlsplit(backend)
    if parts.scheme != "file":
        return None
    return StateFiles(Path(unquote(parts.path)), stack)


def deployment_of(content: bytes) -> Mapping[str, Any] | None:
    """Return the deployment in a state file's content, or None where it is torn. A stack without resources has {}."""
    try:
        checkpoint = json.loads(content)["checkpoint"]
        return dict(checkpoint.get("latest") or {})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def lock_of(where: str, text: str) -> Lock:
    """Return the lock in a file's text; of a torn one everything is unknown and the process is none."""
    try:
        raw = json.loads(text)
        return Lock(where, int(raw["pid"]), str(raw["username"]), str(raw["hostname"]), _instant(raw["timestamp"]))
    except (ValueError, KeyError, TypeError):
        return Lock(where, 0, "", "", datetime.fromisoformat("1970-01-01T00:00:00+00:00"))


def locks_in(message: str) -> tuple[Lock, ...]:
    """Return the locks that Pulumi names in its complaint that a stack is locked."""
    found = (_LOCK_LINE.match(line) for line in message.splitlines())
    return tuple(
        Lock(each["where"], int(each["pid"]), each["user"], each["host"], _instant(each["at"]))
        for each in found
        if each is not None
    )


def unfinished(deployment: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """Return what a killed run left in the middle: (what was done, type, name) of each resource."""
    return tuple(
        (
            str(each["type"]),
            str(each["resource"]["type"]),
            str((each["resource"].get("inputs") or {}).get("name") or each["resource"]["urn"].rpartition("::")[2]),
        )
        for each in deployment.get("pending_operations") or ()
    )


def _instant(text: str) -> datetime:
    """Return an instant as Go writes it: up to nine decimals, of which Python knows six."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
