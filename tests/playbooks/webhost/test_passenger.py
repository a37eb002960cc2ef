"""The small application on a real shared host, run by the host's own Passenger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from crm.errors import GateFailed, Refused
from crm.plan import Event
from crm.recipe import File
from playbooks.course import Patience
from playbooks.webhost.layout import Serves
from tests.support.hosted import EMPTY, Hosted, Visitor, lend_environments
from tests.support.sharedhost import SharedHost
from tests.support.smallapp.recipe import RECIPE
from tests.support.until import until
from tests.support.wants import SECRETS

pytestmark = pytest.mark.slow
ADMIN = {"username": "admin", "password": SECRETS["admin-password"]}


@pytest.fixture
def hosted(sharedhost: SharedHost) -> Iterator[Hosted]:
    """Return a contract on the host, whose account is as empty afterwards as before."""
    one = Hosted(sharedhost, Serves("passenger"))
    yield one
    one.destroy()
    assert one.left() == EMPTY


def test_a_release_is_deployed_mended_replaced_and_taken_back(
    hosted: Hosted, capsys: pytest.CaptureFixture[str]
) -> None:
    lend_environments(hosted.host, but="1.0")
    plan = hosted.plan()
    assert [one.resource for one in plan.changes if one.resource.startswith("door:")] == [
        "door:passenger_wsgi.py",
        "door:public_html/.htaccess",
        "door:tmp/restart.txt",
    ]
    first = hosted.deploy()
    assert first.did == "deployed"
    assert hosted.get() == "200 ready 1.0, 1 accounts"
    assert "<ul>" in hosted.log_in("/login", ADMIN)
    assert "Wrong name or password" in hosted.log_in("/login", {"username": "root", "password": "root"})
    assert hosted.plan().changes == ()
    assert hosted.deploy().did == "nothing"
    with hosted.driver() as driver:
        status = driver.status(hosted.want())
        assert (status.users, [(name, state) for name, state, _ in status.processes]) == (1, [("worker", "up")])
        assert any("GET /ready" in line for line in driver.logs("web", 20))

    _mends(hosted)

    visitor = Visitor(hosted.get)
    with visitor.visiting():
        begun = time.monotonic()
        hosted.deploy("1.1")
        took = time.monotonic() - begun
        until(lambda: visitor.saw("ready 1.1"), "the visitor meets the new release", 20)
    assert visitor.wrong() == []
    mixed = visitor.mixed("ready 1.0", "ready 1.1")
    # One that Passenger had started beside the old one, before it looked for a restart, may have been what was met.
    until(lambda: hosted.get() == "200 ready 1.1, 1 accounts", "the old one has ended", 20)
    assert hosted.rollback().release == first.release
    until(lambda: hosted.get() == "200 ready 1.0, 1 accounts", "the newer one has ended", 20)
    told = f"{len(visitor.answers)} answers, all 200, from both for {mixed:.1f} s"
    with capsys.disabled():
        print(f"\npassenger: 1.0 → 1.1 in {took:.1f} s, {told}")  # noqa: T201


def _mends(hosted: Hosted) -> None:
    """Show that each hand edit is one change, and that Passenger starts anew where the application reads the file."""
    config = f"{hosted.layout.release(hosted.plan().release.id)}/site.conf"
    hosted.host.run(f"sed -i 's/language = vi/language = fa/' {config}; echo >>public_html/.htaccess")
    assert [(one.resource, one.disrupts) for one in hosted.plan().changes] == [
        (f"file:{config.removeprefix('/home/customer/')}", "restart"),
        ("door:public_html/.htaccess", "no"),
    ]
    before = hosted.host.run("cat tmp/restart.txt; stat -c %y tmp/restart.txt")
    hosted.deploy()
    assert hosted.host.run("cat tmp/restart.txt; stat -c %y tmp/restart.txt") != before
    assert hosted.plan().changes == ()
    assert hosted.get() == "200 ready 1.0, 1 accounts"


def test_a_release_that_is_not_ready_or_fails_under_passenger_leaves_the_old_one_serving(hosted: Hosted) -> None:
    lend_environments(hosted.host)
    hosted.deploy()
    with pytest.raises(GateFailed, match="did not become ready") as failure:
        hosted.deploy("broken")
    assert "still serves" in failure.value.remedy
    assert hosted.get() == "200 ready 1.0, 1 accounts"

    fails = "import os, sys\nif 'CRMHOST_DOOR' in os.environ: sys.exit('told to fail')\n"
    files = tuple(
        File(file.path, (*file.content, fails)) if file.path == "notebook/wsgi.py" else file for file in RECIPE.files
    )
    bad = replace(hosted, recipe=replace(RECIPE, files=files), patience=Patience(candidate=15.0, serving=20.0))
    with pytest.raises(GateFailed, match=r"was ready on a spare port, and is not on http://") as failure:
        bad.deploy("1.1")
    assert "serves again." in failure.value.remedy
    assert hosted.get() == "200 ready 1.0, 1 accounts"
    assert hosted.plan().changes == ()


@pytest.mark.parametrize("last", ["link:.crmhost/acme/current", "door:passenger_wsgi.py", "door:tmp/restart.txt"])
def test_a_first_deploy_that_was_cut_off_is_finished_by_the_same_command(hosted: Hosted, last: str) -> None:
    def stop(event: Event) -> None:
        if (event.subject, event.state) == (last, "done"):
            raise KeyboardInterrupt

    lend_environments(hosted.host)
    with pytest.raises(KeyboardInterrupt):
        hosted.deploy(progress=stop)
    assert hosted.deploy().did == "deployed"
    assert hosted.get() == "200 ready 1.0, 1 accounts"
    assert hosted.plan().changes == ()


@pytest.mark.parametrize("path", ["public_html/.htaccess", "public_html/index.html", "passenger_wsgi.py"])
def test_what_somebody_else_put_there_is_refused_and_left(sharedhost: SharedHost, path: str) -> None:
    sharedhost.run(f"echo 'somebody else wrote this' >{path}")
    hosted = Hosted(sharedhost, Serves("passenger"))
    with pytest.raises(Refused, match=f"{path} was not written by crmhost"):
        hosted.plan()
    assert sharedhost.run(f"cat {path}; rm {path}") == "somebody else wrote this\n"


def test_a_document_root_that_is_not_there_is_refused(sharedhost: SharedHost) -> None:
    with pytest.raises(Refused, match=r"target.document-root /home/customer/www is not there"):
        Hosted(sharedhost, Serves("passenger"), document_root="www").plan()
