"""The driver of one contract on a host that gives SFTP and a control panel only; see `crm.driver.Driver`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from crm.driver import Progress, Status
from crm.errors import HostError, LockHeld, Refused
from crm.made import holds, made_with
from crm.plan import Crossing, Event, Plan, Release, Want
from crm.recipe import Recipe
from playbooks.host import Host
from playbooks.sftponly.changes import plan_of
from playbooks.sftponly.ground import Ground, Spot
from playbooks.sftponly.inside import inside
from playbooks.sftponly.installer import Installer, Silent, sweep
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.lock import Lease, abandoned, hold, holder
from playbooks.sftponly.memory import recall
from playbooks.sftponly.place import look, web_folders
from playbooks.sftponly.remove import drop_account
from playbooks.sftponly.root import torn
from playbooks.sftponly.sftp import Files
from playbooks.sftponly.status import status_of
from playbooks.sftponly.steps import LOG, refusal
from playbooks.sftponly.survey import survey
from playbooks.sftponly.work import SftpWork
from playbooks.terminal import safe_line

_DENY = b"""\
<IfModule mod_authz_core.c>
Require all denied
</IfModule>
<IfModule !mod_authz_core.c>
Deny from all
</IfModule>
"""
PATIENCE = 30.0
"""Seconds that a candidate has to become ready."""
_LOGS = {"steps": LOG, "journal": "journal"}
_LOG_BYTES = 64 << 20


class SftpDriver:
    """One open connection to the host of one contract. who: `user@machine`, for those who find the lock held."""

    def __init__(
        self,
        host: Host,
        spot: Spot,
        *,
        who: str,
        progress: Progress,
        lease: Lease | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._host = host
        self._spot = spot
        self._layout = spot.layout
        self._ground = Ground(Files(host), spot, progress, patience)
        self._who = who
        self._lease = lease or Lease()

    def refuses(self, recipe: Recipe) -> str | None:
        """Return why a host without commands cannot carry the recipe, or None."""
        return refusal(recipe)

    def plan(self, want: Want) -> Plan:
        """Ask the host about everything, change nothing, and return what differs.

        A page of PHP that may only ask is put there for it, and removed. What a killed run has left is first removed,
        and a switch finished or taken back, since without a document root nothing could be asked.
        """
        if torn(self._ground.files, self._layout.customer) or self._killed():
            with self.lock("clear up after a run that was killed"):
                pass
        with self._asking() as installer:
            return plan_of(survey(self._ground.files, installer, self._layout, want, self._spot.server))

    @contextmanager
    def lock(self, doing: str) -> Iterator[SftpWork]:
        """Hold the contract's lock on the host; raises LockHeld naming the holder.

        Of a copy, the customer's too, and first: his document root has the page through which the copy comes up, and
        nobody else may move it, or take that page for one that a killed run has left.
        """
        if not self._layout.copied:
            with self._locked(self._layout, doing) as work:
                yield work
            return
        files, customer = self._ground.files, self._layout.customer
        known = files.entry(customer.root) is not None
        with self._locked(customer, doing) as his:
            his.record(Event("lock", doing, "begin", f"for {self._layout.contract}"))
            try:
                with self._locked(self._layout, doing) as work:
                    yield work
            finally:
                if not known:  # he is not deployed there; the lock was all that he had
                    files.drop_folder(customer.root)
                    drop_account(files, customer)

    @contextmanager
    def _locked(self, layout: Layout, doing: str) -> Iterator[SftpWork]:
        files = self._ground.files
        if files.entry(layout.document_root) is None and files.entry(layout.root) is None:
            look(files, layout)  # it says what is missing
        files.folder(layout.account, 0o711)
        files.create(f"{layout.account}/.htaccess", _DENY, 0o644)
        files.folder(layout.root, 0o711)
        with hold(self._host, layout, doing, self._who, self._lease) as held:
            spot = replace(self._ground.spot, layout=layout)
            work = SftpWork(replace(self._ground, spot=spot), held)
            try:
                work.begin()
                yield work
            finally:
                work.close()

    def status(self, want: Want) -> Status:
        """Return what runs now."""
        with self._asking() as installer:
            return status_of(self._ground, installer, want, self._lease.silence)

    def made_with(self, want: Want, secrets: frozenset[str]) -> frozenset[str]:
        """Return which of these secrets, which the fleet lacks, were used to make what is there; changes nothing."""
        with self._asking() as installer:
            seen = survey(self._ground.files, installer, self._layout, want, self._spot.server)
        return made_with(secrets, (one.manifest.secrets for one in seen.place.kept), data=holds(seen.records))

    def serving(self) -> str | None:
        """Return the id of the release that serves."""
        return look(self._ground.files, self._layout).serving

    def crossing(self) -> Crossing | None:
        """Return what the host remembers of the last upgrade of the database's schema."""
        return recall(self._ground.files, self._layout)

    def releases(self) -> Sequence[Release]:
        """Return the releases that have proven themselves and are kept, the one that served last first."""
        return [kept.manifest.release for kept in look(self._ground.files, self._layout).kept if kept.proven]

    def logs(self, process: str, lines: int) -> Iterator[str]:
        """Yield the last lines of what the steps answered, or of the journal, made safe for a terminal."""
        if process not in _LOGS:
            raise Refused(
                f"{self._layout.contract} has no process {process!r}: the host's own web server runs it",
                f"crmhost keeps: {', '.join(_LOGS)}; the web server's logs are in the control panel",
            )
        raw = self._ground.files.read(self._layout.below(_LOGS[process]), _LOG_BYTES) or b""
        for line in raw.decode("utf-8", "replace").splitlines()[-lines:]:
            yield safe_line(line, 4000)

    def exec(self, want: Want, argv: Sequence[str]) -> int:  # noqa: ARG002 - there is nothing to run it with
        """Raise Refused: no command runs there."""
        raise Refused(
            f"{want.contract}: its host gives SFTP alone, so no command can be run there",
            "Use the control panel, or move the contract to a host that gives SSH.",
        )

    def inside(self, release: Release) -> AbstractContextManager[tuple[str, int]]:
        """Give a loopback address here at which a staged release answers what a login asks, while this is held."""
        layout = self._layout
        kept = look(self._ground.files, layout).find(release.id)
        if kept is None:
            raise HostError(f"{layout.contract}: the host has no release {release.id}", "Deploy it first.")
        return inside(Files(self._host), self._spot.site, layout, kept, lambda said: self._note(said, "gate"))

    def _killed(self) -> bool:
        """Tell whether nobody is at work and yet something is left of somebody's."""
        files, layout = self._ground.files, self._layout
        clock = Installer(files, self._spot.site, layout, "ask")
        return abandoned(files, layout, self._lease.silence, clock.now)

    def _note(self, said: str, phase: str = "plan") -> None:
        self._ground.progress(Event(phase, "php", "note", said))

    @contextmanager
    def _asking(self) -> Iterator[Installer]:
        """Give a page of PHP that may only ask; first remove those whose time is over."""
        files, layout = self._ground.files, self._layout
        installer = Installer(files, self._spot.site, layout, "ask", self._note)
        look(files, layout)  # it says what is missing
        try:
            sweep(files, web_folders(files, layout), dead_at=installer.now())
            yield installer
        except Silent:
            customer = layout.customer
            at_work = holder(files, customer, installer.now())
            if at_work is None:
                raise
            raise LockHeld(
                f"{customer.contract} is being changed on the host by {at_work}, so it could not be asked",
                "Run the command again when that is done.",
            ) from None
        finally:
            installer.leave()
