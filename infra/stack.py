"""A customer's Pulumi stack: what it was asked to hold, what would change, and making it so, also after a crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from crm.driver import Progress
from crm.errors import Refused
from crm.plan import Change
from infra import expected, naming, recovery, torn
from infra.backend import Lock
from infra.complaints import Where
from infra.engine.reach import Reach
from infra.rollout import Rollout, decode, encode
from infra.runner import Access, Locked, Program, Runner
from infra.sealed import seal, unseal
from infra.settings import HostSettings
from infra.workfolder import Recorded, recorded_from

__all__ = ["Access", "Stack"]
BEGUN = "Pulumi has not reached what it was asked for last"
_HOUR = 3600.0


class Stack:
    """One contract's stack. Cheap to make: nothing is read or run before it is asked for."""

    def __init__(self, access: Access, contract: str, settings: HostSettings) -> None:
        self.contract, self.settings = contract, settings
        self._passphrase = access.passphrase
        where = Where(contract, settings.reach, str(access.folder))
        self._runner = Runner(access, where, settings.parallel)

    def recorded(self, *, secrets: bool = False) -> Rollout | None:
        """Return what the stack was last asked to hold; with `secrets` the contents of files too, else they are empty.

        Starts Pulumi only where the state is shared with other machines, who may have asked for something else since.
        """
        recorded = self._recorded()
        if recorded is None:
            return None
        secret = unseal(self._passphrase, self.contract, recorded.sealed) if secrets else None
        return decode(recorded.rollout, secret)

    def pending(self) -> tuple[str, ...]:
        """Return what a killed run left, in words; `up` mends it. Starts Pulumi where the state is not in files.

        A `pulumi` that was killed early, or failed, leaves no trace in its state; that it was begun is remembered here.
        """
        left = recovery.pending(self._runner)
        return left or (BEGUN,) * self._runner.folder.begun

    def made(self) -> frozenset[str] | None:
        """Return the ids of the containers that the stack has made; None where the state is not in whole files."""
        files = self._runner.files
        return None if files is None or not files.whole() else recovery.made(self._runner.deployment())

    def bring_provider(self) -> None:
        """Install Pulumi's Docker provider where there is none; raises CrmhostError where it cannot be had."""
        self._runner.bring_provider()

    def preview(self, rollout: Rollout, *, refresh: bool = False) -> tuple[Change, ...]:
        """Return what an `up` would change, one Change a resource; changes nothing.

        refresh: ask the engine about every resource first. Of a stack that was never made everything is new, and
        that is said without making it. Of one whose state is damaged nothing is known before `up` has mended it;
        `pending` names that.
        """
        self.refuse_another_host()
        if not self._runner.exists():
            return created(rollout)
        if self._runner.files is not None:
            torn.trim(self._runner.files)
            if not self._runner.files.whole():
                return ()
        self._runner.folder.prepare()
        return self._runner.preview(self._program(rollout, self._to_record(rollout)), refresh=refresh)

    def up(self, rollout: Rollout, *, progress: Progress, refresh: bool = False, timeout: float = _HOUR) -> None:
        """Make the stack hold the rollout; it is recorded first, so that whoever comes after a crash knows of it.

        What a killed run left is mended before. Raises LockHeld when somebody else is at work, and HostError and
        others with a remedy; then what was begun is named by `pending` or goes on with the next `up`.
        """
        self.refuse_another_host()
        self.recover(progress)
        self._runner.prepare()
        recorded = self._to_record(rollout)
        self._runner.folder.begin()
        self._runner.folder.write(recorded)
        program = self._program(rollout, recorded)
        held = self._runner.deployment()
        self._runner.unprotect(retired(held, rollout))
        replace = recovery.failed_once(held)
        self._unlocked(
            lambda: self._runner.up(program, progress, refresh=refresh, replace=replace, timeout=timeout), progress
        )
        self._runner.folder.end()

    def destroy(self, *, keep_data: bool, progress: Progress) -> None:
        """Delete everything that the stack holds, and the stack; with `keep_data` all but the volumes with data.

        May run twice. What is kept stays recorded, without a release, for the deploy that takes it over.
        """
        if not self._runner.exists():
            return
        self.recover(progress)
        held = self._runner.deployment()
        self._runner.unprotect(recovery.protected(held, containers_only=keep_data))
        self._unlocked(lambda: self._runner.destroy(progress, exclude_protected=keep_data), progress)
        recorded = self.recorded(secrets=True)
        if keep_data and recorded is not None:
            self._runner.folder.write(self._to_record(Rollout(self.contract, recorded.database, recorded.redis)))
        else:
            self._runner.remove()
            self._runner.folder.remove()

    def export(self) -> Mapping[str, Any]:
        """Return the stack's whole state, its secrets encrypted."""
        return self._runner.export()

    def recover(self, progress: Progress, locks: Sequence[Lock] = ()) -> tuple[str, ...]:
        """Mend what a killed run left, and return what was done; nothing left: nothing is done or asked of the engine.

        Raises LockHeld naming a holder who lives.
        """
        return recovery.recover(self._runner, self._asked(), progress, locks)

    # -- how ---------------------------------------------------------------------------------------------------------

    def _recorded(self) -> Recorded | None:
        if self._runner.files is not None:
            return self._runner.folder.read()
        kept = self._runner.output()
        return None if kept is None else recorded_from(kept, f"the state of {self.contract}")

    def _program(self, rollout: Rollout, recorded: Recorded) -> Program:
        from infra.program import declare, keep

        def program() -> None:
            keep(recorded)
            declare(rollout, recorded.reach)

        return program

    def _to_record(self, rollout: Rollout) -> Recorded:
        """Return what is to be recorded; sealed as it is already where it says the same, since each sealing differs."""
        public, secret = encode(rollout)
        before = self._runner.folder.read()
        if before is not None and unseal(self._passphrase, self.contract, before.sealed) == secret:
            return Recorded(public, self.settings.reach, before.sealed)
        return Recorded(public, self.settings.reach, seal(self._passphrase, self.contract, secret))

    def _unlocked(self, run: Callable[[], None], progress: Progress) -> None:
        """Run; where a lock is found that could not be seen before, judge and mend, and run once more."""
        try:
            run()
        except Locked as error:
            self.recover(progress, error.locks)
            run()

    def _asked(self) -> recovery.Asked | None:
        """Return what the stack was last asked to hold, whether or not that came to be."""
        recorded = self._recorded()
        if recorded is None:
            return None
        rollout = decode(recorded.rollout, unseal(self._passphrase, self.contract, recorded.sealed))
        names = tuple(each.name for each in expected.containers(rollout))
        return recovery.Asked(self._program(rollout, recorded), names)

    def refuse_another_host(self) -> None:
        """Raise Refused when the contract names another Docker host than the one that the stack is on."""
        recorded = self._recorded()
        if recorded is not None and not same_host(recorded.reach, self.settings.reach):
            raise Refused(
                f"{self.contract}: the stack is on {recorded.reach.url}, the contract says {self.settings.reach.url}:"
                " Pulumi would replace nothing, and look for the customer where he is not",
                f"Back up there (crmhost backup {self.contract}), destroy it there, change the contract, deploy and"
                " restore; or set the host in the contract back.",
            )


def same_host(one: Reach, other: Reach) -> bool:
    """Tell whether two addresses are of one Docker engine; the account and the keys may change. Pure."""

    def place(reach: Reach) -> tuple[str, str | None, int | None, str]:
        parts = urlsplit(reach.url)
        return parts.scheme, parts.hostname, parts.port, parts.path if parts.scheme == "unix" else ""

    return place(one) == place(other)


def created(rollout: Rollout) -> tuple[Change, ...]:
    """Return the changes of a stack that was never made. Pure."""
    names = (
        f"network:{naming.network(rollout.contract)}",
        *(f"volume:{name}" for name in expected.volumes(rollout)),
        *(f"container:{each.name}" for each in expected.containers(rollout)),
    )
    return tuple(Change(name, "create", "is not there") for name in names)


def retired(deployment: Mapping[str, Any], rollout: Rollout) -> tuple[str, ...]:
    """Return the urns of containers that were protected while they served, and that the rollout does without. Pure."""
    wanted = {each.name for each in expected.containers(rollout)}
    return tuple(
        urn for urn in recovery.protected(deployment, containers_only=True) if urn.rpartition("::")[2] not in wanted
    )
