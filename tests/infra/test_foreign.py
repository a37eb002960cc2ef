"""Containers of somebody else's in the places of a stack's own: which they are, and that a deploy says what to do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import pytest

from crm.errors import Refused
from infra import expected
from infra.engine.connect import Reach, connect
from infra.engine.engine import Engine
from infra.engine.run import OneShot, create
from infra.engine.seen import Seen
from infra.foreign import foreign, refuse
from infra.naming import labels
from infra.recovery import made, remove_unfinished
from infra.rollout import Rollout
from tests.infra.test_drift import healthy
from tests.support.engine import RealEngine
from tests.support.images import Images
from tests.support.rollouts import NEW, OLD, rollout

RECORDED, WANTED = rollout(OLD, serving=OLD), rollout(NEW, serving=NEW)
DATABASE, WEB = "crmhost-acme-db", "crmhost-acme-111111111111-web"


def id_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


OURS = {each.name: id_of(each.name) for each in expected.containers(RECORDED)}
SEEN = Seen("acme", {each.name: healthy(each) for each in expected.containers(RECORDED)}, {}, {})
MADE = frozenset(OURS.values())


@pytest.mark.parametrize(
    ("names", "known", "found"),
    [
        (OURS, MADE, ()),
        (OURS | {"somebody-elses": "1" * 64}, MADE, ()),
        ({}, MADE, ()),
        (OURS | {WEB: "1" * 64}, MADE, (WEB,)),
        (OURS | {WEB: "1" * 64}, None, (WEB,)),
        (OURS | {DATABASE: "1" * 64}, MADE, (DATABASE,)),
        (OURS | {DATABASE: "1" * 64}, None, ()),
    ],
    ids=[
        "all is well",
        "another name",
        "nothing is there",
        "without labels, where the next release belongs",
        "without labels, after a kill",
        "with labels, and not of the stack's making",
        "with labels, after a kill",
    ],
)
def test_whose_container_it_is(names: Mapping[str, str], known: frozenset[str] | None, found: tuple[str, ...]) -> None:
    assert foreign((RECORDED, WANTED), SEEN, names, known) == found


def test_what_to_do_is_said() -> None:
    refuse("acme", (), Reach("ssh://docker.example"))
    with pytest.raises(Refused) as refused:
        refuse("acme", (DATABASE, WEB), Reach("ssh://docker.example"))
    assert refused.value.what == (
        f"acme: crmhost did not make {DATABASE}, {WEB}, and needs the name for a container of its own; nothing was done"
    )
    assert f"docker -H ssh://docker.example rm -f {DATABASE} {WEB}" in refused.value.remedy


def test_what_the_stack_made_is_read_in_its_state() -> None:
    container = {"type": "docker:index/container:Container", "id": "1" * 64}
    others = [{"type": "docker:index/volume:Volume", "id": "data"}, {"type": "docker:index/container:Container"}]
    assert made({"resources": [container, *others]}) == {"1" * 64}
    assert made({}) == frozenset()


@pytest.fixture
def host(engine: RealEngine) -> Iterator[Engine]:
    with connect(Reach(engine.url)) as connected:
        yield connected


@pytest.mark.slow
def test_after_a_kill_only_a_container_with_crmhosts_labels_is_removed(host: Engine, images: Images) -> None:
    ours, theirs = "crmhost-foreign-ours", "crmhost-foreign-theirs"
    create(host.client, OneShot(ours, images.python, ("true",), labels("foreign", "web")))
    create(host.client, OneShot(theirs, images.python, ("true",), {}))
    try:
        kind = "docker:index/container:Container"
        left = tuple(("creating", kind, name) for name in (ours, theirs, "crmhost-foreign-nothing"))
        assert remove_unfinished(host, left) == (f"container:{ours}",)
        assert {ours, theirs} & host.names().keys() == {theirs}
    finally:
        host.remove(theirs)


def test_a_stack_without_releases_has_places_too() -> None:
    empty = Rollout("acme", RECORDED.database)
    assert foreign((empty,), Seen("acme", {}, {}, {}), {DATABASE: "1" * 64}, None) == (DATABASE,)
