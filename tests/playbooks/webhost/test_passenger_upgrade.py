"""A database that gets another schema where the host's Passenger serves, which looks for another release now and then.

Old code never meets the new schema: customers are let in only once Passenger runs the release that made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from playbooks.webhost.layout import Serves
from tests.support.givendata import Given
from tests.support.hosted import EMPTY, Visitor, lend_environments
from tests.support.sharedhost import SharedHost
from tests.support.until import until

pytestmark = pytest.mark.slow


@pytest.fixture
def hosted(sharedhost: SharedHost, tmp_path: Path) -> Iterator[Given]:
    lend_environments(sharedhost)
    one = Given(sharedhost, Serves("passenger"), folder=tmp_path)
    yield one
    one.destroy()
    assert one.left() == EMPTY


def test_it_is_upgraded_and_taken_back_and_nobody_meets_old_code_on_new_data(hosted: Given) -> None:
    hosted.deploy()
    old = serving(hosted)

    def get_after_the_switch() -> str:
        # The link is switched and Passenger has not looked yet: it starts a process beside the old one.
        if not late.answers:
            until(lambda: serving(hosted) != old, "the link is switched", 90)
        return hosted.get()

    visitor, late = Visitor(hosted.get), Visitor(get_after_the_switch)
    with visitor.visiting(), late.visiting():
        assert hosted.upgrade("2.0").did == "deployed"
        until(lambda: visitor.saw("ready 2.0"), "the visitor meets the new release", 20)
        assert hosted.plan("2.0").changes == ()
        assert hosted.go_back("2.0", lambda _: True).did == "rolled back"
        last = len(visitor.answers)
        until(lambda: len(visitor.answers) > last + 5, "the visitor goes on", 20)
    whole = ["200 ready 1.0", "503 ", "200 ready 2.0", "503 ", "200 ready 1.0"]
    assert met(visitor) == whole
    assert met(late) == whole[1:]
    assert hosted.plan().changes == ()


def serving(hosted: Given) -> str:
    return hosted.host.run(f"readlink {hosted.layout.current}")


def met(visitor: Visitor) -> list[str]:
    kinds = [kind for kind, _ in groupby(said.partition(",")[0][:13] for _, said in visitor.answers)]
    return [kind if kind.startswith("200") else kind[:4] for kind in kinds]
