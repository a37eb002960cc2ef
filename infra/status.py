"""What runs of a contract on its Docker host now."""

from __future__ import annotations

from collections.abc import Iterator

from crm.driver import Status
from crm.plan import Want
from infra import expected, naming, users
from infra.asking import Site
from infra.engine.lock import holder
from infra.engine.seen import Seen, SeenContainer
from infra.expected import Expected
from infra.plan import releases
from infra.rollout import Rollout
from infra.survey import Cloud


def status_of(cloud: Cloud, recorded: Rollout | None, serving: str | None, want: Want) -> Status:
    """Ask the host what runs; users are counted where the database is up."""
    placed = next((each for each in releases(recorded) if each.release.id == serving), None)
    kept = [] if recorded is None or recorded.previous is None else [recorded.previous.release.id]
    seen = cloud.engine.seen(cloud.contract)
    database = seen.containers.get(naming.database(cloud.contract))
    site = (
        Site(cloud.engine, want, placed) if placed is not None and database is not None and database.running else None
    )
    return Status(
        contract=cloud.contract,
        serving=serving,
        releases=tuple(dict.fromkeys([*(each.release.id for each in releases(recorded)), *kept])),
        processes=() if recorded is None else tuple(processes(recorded, seen)),
        users=None if site is None else users.count(site),
        holder=holder(cloud.engine, cloud.contract),
    )


def processes(recorded: Rollout, seen: Seen) -> Iterator[tuple[str, str, str]]:
    """Yield every process that should be up: name, `up` or `down` or `absent`, and what Docker says of it. Pure."""
    for want in expected.containers(recorded):
        if not want.once:
            yield _process(want, seen.containers.get(want.name))


def _process(want: Expected, now: SeenContainer | None) -> tuple[str, str, str]:
    if now is None:
        return want.role, "absent", "no such container"
    detail = ", ".join(filter(None, [now.state, now.health, f"exit {now.code}" if now.state == "exited" else ""]))
    if now.restarts:
        detail += f", restarted {now.restarts} times"
    well = now.running and now.health != "unhealthy"
    return want.role, "up" if well else "down", f"{detail}; {want.release}" if want.release is not None else detail
