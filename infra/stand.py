"""A contract's stack under the lock: what it holds, and what it is asked to hold next."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from crm.errors import HostError
from crm.plan import Release, Want
from infra import images, moves, psql, release
from infra.engine.lock import Held
from infra.moves import Services
from infra.plan import same
from infra.rollout import Placed, Rollout, encode
from infra.survey import Cloud, find_image, services

PATIENCE = 120.0
"""Seconds within which a database that was started answers."""
_PAUSE = 0.1


class Stand:
    """Everything that is asked of Pulumi goes through here, one rollout after the other.

    work: the release that was staged, brought back or left alone last: the one whose steps run. While it is beside
    another one, which knows the database's password, the database keeps that; `rekey` gives it the new one.
    """

    def __init__(self, cloud: Cloud, held: Held) -> None:
        self.cloud = cloud
        self.held = held
        self.work: Placed | None = None
        self._passwords: Mapping[str, str] = {}
        self._recorded: Rollout | None = None
        self._read = False

    @property
    def recorded(self) -> Rollout | None:
        """Return what the stack was last asked to hold, secrets included."""
        if not self._read:
            self._recorded, self._read = self.cloud.stack.recorded(secrets=True), True
        return self._recorded

    def up(self, rollout: Rollout, *, refresh: bool = False) -> None:
        """Ask Pulumi for the rollout, unless the stack holds just that; `refresh`: let it look at everything first."""
        before = self.recorded
        if before is not None and encode(before) == encode(rollout) and not refresh and not self.cloud.stack.pending():
            return
        self.held.check()
        self._read = False
        self.cloud.stack.up(rollout, progress=self.cloud.progress, refresh=refresh)
        self._recorded, self._read = rollout, True

    def placed(self, want: Want, kept: Release | None = None) -> Placed:
        """Return a release as the stack is to hold it: what is wanted, or a kept one as it was.

        Its image is built where the host has not got it (any more).
        """
        wanted = release.release_of(want, self.cloud.settings.images)
        if kept is None or kept == wanted:
            alone = moves.alone(self.recorded, wanted)
            self._passwords = {} if alone else release.passwords(self.recorded)
            given = self._given(want)
            self.work = release.place(given, wanted, self.image(want), moves.slot_for(self.recorded, wanted))
            return self.work
        self._passwords = release.passwords(self.recorded)
        found = moves.find(self.recorded, kept)
        if found is None or not found.files:
            raise HostError(
                f"{want.contract}: nobody knows any more how {kept.id} was configured",
                f"Write crm.version: {kept.version} and deploy it.",
            )
        self.work = moves.at(found, moves.slot_for(self.recorded, kept))
        return self.work

    def image(self, want: Want) -> str:
        """Return the id of the release's image, built where the host lacks it."""
        found = find_image(self.cloud, want)
        if found is not None:
            return found
        self.held.check()
        cloud, lock = self.cloud, release.lock_of(want)
        cloud.stack.bring_provider()  # nobody waits for minutes to learn that it is missing
        return images.build(cloud.engine, want.recipe.id, want.version, lock, cloud.settings, cloud.progress)

    def beside(self, want: Want, placed: Placed, *, waiting: bool) -> Rollout:
        """Return the rollout with the release beside what serves."""
        return moves.staged(self.recorded, want.contract, self._services(want), placed, waiting=waiting)

    def alone(self, want: Want, placed: Placed) -> Rollout:
        """Return the rollout in which the release serves, and no other exists."""
        return moves.final(self.recorded, want.contract, self._services(want), placed)

    def halted(self, want: Want, placed: Placed) -> Rollout:
        """Return the rollout in which nothing runs, and the release waits for its steps."""
        return moves.halted(self.recorded, want.contract, self._services(want), placed)

    def rekey(self, want: Want, to: Release) -> bool:
        """Give the database the password that was kept from it, now that the release is alone; tells whether it did."""
        wanted = release.release_of(want, self.cloud.settings.images)
        if wanted != to or not moves.alone(self.recorded, to) or self._given(want) == want:
            return False
        self.up(self.alone(want, self.placed(want)))
        self.await_database()
        return True

    def is_recorded(self, rollout: Rollout) -> bool:
        """Tell whether the stack was last asked for it, secrets aside."""
        return same(self.recorded, rollout)

    def await_database(self) -> None:
        """Wait until the customer's database answers; raises HostError with what PostgreSQL says when it does not."""
        until = time.monotonic() + PATIENCE
        while (output := psql.attempt(self.cloud.engine, self.cloud.contract, "records")).code != 0:
            if time.monotonic() > until:
                said = output.stderr.decode(errors="replace").strip()[-500:]
                raise HostError(
                    f"{self.cloud.contract}: its database did not answer within {PATIENCE:.0f} s: {said}",
                    f"Look at what it says: crmhost logs {self.cloud.contract} db",
                )
            self.held.check()
            time.sleep(_PAUSE)

    def _given(self, want: Want) -> Want:
        """Return the want with the passwords that the database keeps for now."""
        return replace(want, secrets={**want.secrets, **self._passwords})

    def _services(self, want: Want) -> Services:
        return services(self.cloud, self._given(want))
