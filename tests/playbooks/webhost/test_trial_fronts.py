"""A copy in the second database behind the other fronts: Passenger, and a process of the account's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm.plan import Event
from tests.support.hosted import EMPTY
from tests.support.sharedhost import DATABASE, SharedHost
from tests.support.smallapp.recipe import ON_MYSQL
from tests.support.trials import Trial

pytestmark = pytest.mark.slow
FRONTS = {"passenger": "document-root: public_html", "process": "listen: 127.0.0.1:8100"}
HIS = "ps -eo pid,user:20,args | grep ' customer .*[n]otebook' | grep -v acme_try"


@pytest.mark.parametrize("front", FRONTS)
def test_a_copy_is_used_in_the_second_database_and_leaves_nothing(
    sharedhost: SharedHost, tmp_path: Path, front: str
) -> None:
    acme = Trial(sharedhost, tmp_path / "fleet", ON_MYSQL, ()).begin(front, FRONTS[front])
    acme.deploy(public=front == "passenger")
    sharedhost.sql(f"insert into {DATABASE}.note (text, handled) values ('before', 1)")  # noqa: S608 - a name of ours
    sharedhost.run("echo '0 0 1 1 * true' | crontab -")  # no job writes rows meanwhile
    snapshot = acme.back_up()
    before, running = acme.customers(), sharedhost.run(HIS)
    seen: list[str] = []

    def look(event: Event) -> None:
        if (event.subject, event.state) == ("log in", "begin"):
            seen.extend(acme.tables())

    proof = acme.prove(snapshot, look)
    assert proof.found == snapshot.contents
    assert proof.found.tables["note"] == 1
    assert {"crmhost_trial", "note", "account"} <= set(seen)
    assert acme.tables() == []
    assert (acme.customers(), sharedhost.run(HIS)) == (before, running)
    assert "worker" in running
    assert not sharedhost.run("ps -eo args | grep '[a]cme_try' || true")
    acme.destroy()
    assert sorted(sharedhost.run("ls -A; ls -A public_html").split()) == sorted(EMPTY)
