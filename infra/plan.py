"""What differs from what a contract wants on its Docker host, in the order in which it would be made right. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from crm import crossing
from crm.due import FIRST
from crm.errors import Refused
from crm.plan import Change, Crossing, Plan, Release, Upgrade, Want
from crm.recipe import Step
from crm.steps import Due, Records, key, known_by_record, ordered
from infra import expected, naming
from infra.drift import OWN_ROLES, Drift
from infra.engine.seen import Seen
from infra.rollout import Placed, Rollout, Slot, encode


@dataclass(frozen=True, slots=True)
class Survey:
    """What a contract wants of its Docker host, and what was seen there and in its stack.

    wanted: the rollout at the end. recorded: the one that the stack was asked to hold; None: there is no stack.
    slot: which of the host's two upstreams the ingress sends customers to; closed: to neither, but to the maintenance
    page. records: what the customer's database says, and due what follows; None: it is not up. built: the release's
    image is there. host: what differs in what the host has for all customers. pending: what a crash left in the stack.
    preview: what Pulumi would change; None: it was not asked. common: how many things the host has for all customers.
    rekeyed: the names of the secrets that the fleet has changed since the stack was given them. foreign: names of
    containers that somebody else made where the stack's own belong (infra.foreign).
    """

    want: Want
    release: Release
    wanted: Rollout
    recorded: Rollout | None
    seen: Seen
    drift: Drift
    slot: Slot | None
    closed: bool
    records: Records | None
    due: Due | None
    crossing: Crossing | None
    built: bool
    host: tuple[Change, ...] = ()
    pending: tuple[str, ...] = ()
    preview: tuple[Change, ...] | None = None
    common: int = 0
    rekeyed: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()

    @property
    def serving(self) -> Release | None:
        """Return the release that customers are sent to."""
        return next((each.release for each in releases(self.recorded) if each.slot == self.slot), None)

    @property
    def proven(self) -> bool:
        """Tell whether the wanted release serves, and has passed every gate."""
        recorded = self.recorded
        serves = self.serving is not None and self.serving.id == self.release.id
        return serves and recorded is not None and recorded.serving == self.release.id and not self.closed

    @property
    def has_files(self) -> bool:
        """Tell whether the release's own files are there, and with them what steps derived for it."""
        return naming.release_volume(self.want.contract, self.release.config[:12], "files") in self.seen.volumes

    @property
    def unfinished(self) -> Crossing | None:
        """Return the upgrade that was begun and did not end."""
        return crossing.unfinished(self.crossing)

    @property
    def going_back(self) -> bool:
        """Tell whether all that a deploy does is to put the backup of an unfinished upgrade back."""
        return crossing.going_back(self.crossing, self.release)


def releases(rollout: Rollout | None) -> tuple[Placed, ...]:
    """Return the releases of a rollout, none where there is no stack."""
    return () if rollout is None else rollout.releases


def same(one: Rollout | None, other: Rollout) -> bool:
    """Tell whether two rollouts are equal but for the secrets in their files, and what is said of their names."""
    return one is not None and encode(_unnamed(one))[0] == encode(_unnamed(other))[0]


def _unnamed(rollout: Rollout) -> Rollout:
    before = rollout.previous
    return replace(
        rollout,
        releases=tuple(replace(each, secrets=None) for each in rollout.releases),
        previous=None if before is None else replace(before, secrets=None),
    )


def plan_of(survey: Survey) -> Plan:
    """Return what differs; raises Refused for what a deploy must not touch."""
    check(survey)
    if survey.going_back:
        return _plan(survey, None, (*survey.host, *_unfinished(survey), *_page(survey)))
    own = (*_secrets(survey), *survey.drift.changes, *_rollout(survey))
    ground = _once(*survey.host, *_image(survey), *_foreign(survey), *own)
    upgrade = crossing.upgrade_of(survey.want, survey.release, survey.records, survey.crossing, _maker(survey))
    steps = tuple(_steps(survey, later=bool(ground)))
    changes = (
        *ground,
        *_pending(survey),
        *_unfinished(survey),
        *crossing.schema_changes(survey.want.contract, survey.due, upgrade, survey.crossing),
        *steps,
        *_gate(survey, later=bool(ground or steps)),
        *_site(survey),
        *_page(survey),
    )
    return _plan(survey, upgrade, changes)


def _plan(survey: Survey, upgrade: Upgrade | None, changes: tuple[Change, ...]) -> Plan:
    return Plan(
        contract=survey.want.contract,
        release=survey.release,
        serving=None if survey.serving is None else survey.serving.id,
        resources=_resources(survey),
        changes=changes,
        notes=tuple(_notes(survey)),
        upgrade=upgrade,
        unfinished=survey.unfinished,
    )


def _once(*changes: Change) -> tuple[Change, ...]:
    """Return the changes, one for each resource: the engine's own view of it comes first."""
    return tuple({change.resource: change for change in reversed(changes)}.values())[::-1]


def check(survey: Survey) -> None:
    """Raise Refused for what cannot be, with the way out."""
    contract = survey.want.contract
    there = sorted(
        name for name, each in survey.seen.containers.items() if each.labels.get(naming.LABEL_ROLE) not in OWN_ROLES
    )
    if survey.recorded is None and there:
        raise Refused(
            f"{contract}: the host has containers of it ({', '.join(there)}), and this fleet knows no stack that they"
            " are of",
            "Deploy from where it was deployed before, with its .crmhost/pulumi/ or the same cloud.state.backend; what"
            " nobody knows any more is removed by hand: docker rm -f",
        )
    crossing.check(contract, survey.release, survey.crossing, survey.due)


def _image(survey: Survey) -> Iterator[Change]:
    if not survey.built:
        what = f"image:{survey.release.recipe}-{survey.release.version}"
        yield Change(what, "create", "it is built from packages pinned by their hashes")


def _foreign(survey: Survey) -> Iterator[Change]:
    for name in survey.foreign:
        why = "crmhost did not make the one that is there: look at it, then remove it by hand (docker rm -f)"
        yield Change(f"container:{name}", "create", why)


def _secrets(survey: Survey) -> Iterator[Change]:
    for name in survey.rekeyed:
        yield Change(f"secret:{name}", "update", "it was changed since the host was given it", disrupts="restart")


def _rollout(survey: Survey) -> Iterator[Change]:
    """Yield what the stack would change: as Pulumi says, or all of it where there is no stack yet."""
    if survey.preview is not None:
        yield from sorted((_handed_over(change, survey) for change in survey.preview), key=_late)
    elif survey.recorded is None:
        network = naming.network(survey.want.contract)
        if network not in survey.seen.networks:
            yield Change(f"network:{network}", "create", "it is not there")
        for name in expected.volumes(survey.wanted):
            if name not in survey.seen.volumes:
                yield Change(f"volume:{name}", "create", "it is not there")
        for each in expected.containers(survey.wanted):
            yield Change(f"container:{each.name}", "create", "it is not there")


def _handed_over(change: Change, survey: Survey) -> Change:
    """Say of what an earlier release had that it goes when another one serves; the engine cannot know that."""
    tags = {each.tag for each in releases(survey.recorded)} - {each.tag for each in survey.wanted.releases}
    if change.action == "delete" and any(f"-{tag}-" in change.resource for tag in tags):
        return replace(change, why="when another release serves", disrupts="no")
    return change


def _late(change: Change) -> tuple[bool, str]:
    """Return what changes are sorted by: Pulumi tells them as they come, and a plan has one digest."""
    return change.action == "delete", change.resource


def _pending(survey: Survey) -> Iterator[Change]:
    for what in survey.pending:
        yield Change(f"stack:{survey.want.contract}", "update", f"an operation was interrupted: {what}")


def _unfinished(survey: Survey) -> Iterator[Change]:
    return crossing.unfinished_change(survey.crossing, survey.release)


def _maker(survey: Survey) -> Release | None:
    """Return the release that made the data."""
    return survey.serving or next((each.release for each in releases(survey.recorded)), None)


def _steps(survey: Survey, *, later: bool) -> Iterator[Change]:
    for step in due_steps(survey):
        yield Change(
            f"step:{key(step, survey.release)}",
            "run",
            step.summary or f"phase {step.phase}",
            later=later or not known_by_record(step),
        )


def due_steps(survey: Survey) -> Sequence[Step]:
    """Return the steps that are due; all that a new database needs where there is none."""
    if survey.due is not None:
        return survey.due.steps
    return ordered(survey.want.recipe, FIRST) if survey.recorded is None else ()


def _gate(survey: Survey, *, later: bool) -> Iterator[Change]:
    if survey.proven:
        return
    serves = survey.serving is not None and survey.serving.id == survey.release.id
    why = "it serves, and was never seen at its public URL" if serves else "it was not proven yet"
    yield Change(f"gate:{survey.release.id}", "run", why, later=later)


def _site(survey: Survey) -> Iterator[Change]:
    site = f"site:{survey.want.slots['host']}"
    slot = survey.wanted.releases[0].slot
    if survey.slot is None:
        yield Change(site, "create", f"to {survey.release.id}")
    elif survey.slot != slot:
        before = "nothing" if survey.serving is None else survey.serving.id
        yield Change(site, "switch", f"from {before} to {survey.release.id}")


def _page(survey: Survey) -> Iterator[Change]:
    if survey.closed:
        yield Change(f"site:{survey.want.slots['host']}", "update", "the maintenance page is shown")


def _resources(survey: Survey) -> int:
    stack = len(expected.containers(survey.wanted)) + len(expected.volumes(survey.wanted)) + 1
    steps = sum(1 for _ in ordered(survey.want.recipe, FIRST))
    return stack + steps + survey.common + 2  # the image and the site


def _notes(survey: Survey) -> Iterator[str]:
    if survey.records is None and survey.recorded is not None:
        yield "the database is not up, so which steps are due is decided once it is"
    sick = sorted(each.name for each in survey.seen.containers.values() if each.health == "unhealthy")
    if sick:
        yield f"unhealthy: {', '.join(sick)}"
