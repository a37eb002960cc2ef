"""The Pulumi stack of what a Docker host has once for all customers: previewed, made, removed, mended after a kill."""

from __future__ import annotations

from crm.driver import Progress
from crm.plan import Change
from infra import naming, recovery
from infra.complaints import Where
from infra.recovery import pending
from infra.runner import Access, Locked, Program, Runner
from infra.settings import HostSettings

_CONTAINERS = (naming.INGRESS, f"{naming.INGRESS}-files")


class HostStack:
    """One host's own stack. Cheap to make: nothing is read or run before it is asked for."""

    def __init__(self, access: Access, settings: HostSettings) -> None:
        self.settings = settings
        name = naming.host_stack(settings.reach.url)
        self._runner = Runner(access, Where(name, settings.reach, str(access.folder)), settings.parallel)

    def exists(self) -> bool:
        """Tell whether the stack was ever made."""
        return self._runner.exists()

    def pending(self) -> tuple[str, ...]:
        """Return what a killed run left, in words; `up` mends it."""
        return pending(self._runner)

    def preview(self, *, refresh: bool = False) -> tuple[Change, ...]:
        """Return what an `up` would change; the stack is made, empty, where it is missing."""
        self._runner.prepare()
        return self._runner.preview(self._program(), refresh=refresh)

    def up(self, *, progress: Progress, refresh: bool = False, timeout: float = 900.0) -> None:
        """Make the host have what it is to have; raises LockHeld when somebody else is at it."""
        self._recover(progress)
        self._runner.prepare()
        replace = recovery.failed_once(self._runner.deployment())

        def run() -> None:
            self._runner.up(self._program(), progress, refresh=refresh, replace=replace, timeout=timeout)

        try:
            run()
        except Locked as error:
            recovery.recover(self._runner, self._asked(), progress, error.locks)
            run()

    def destroy(self, *, progress: Progress) -> None:
        """Delete everything, certificates too, and the stack; may run twice. Nobody may be served by it any more."""
        if not self._runner.exists():
            return
        self._recover(progress)
        self._runner.unprotect(recovery.protected(self._runner.deployment()))
        self._runner.destroy(progress)
        self._runner.remove()
        self._runner.folder.remove()

    def _recover(self, progress: Progress) -> None:
        recovery.recover(self._runner, self._asked(), progress)

    def _asked(self) -> recovery.Asked:
        return recovery.Asked(self._program(), _CONTAINERS)

    def _program(self) -> Program:
        from infra.hostprogram import declare_host

        return lambda: declare_host(self.settings)
