"""The small application on a real shared host, run by the host's own Passenger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playbooks.webhost.layout import Serves
from tests.support.hosted import Hosted
from tests.support.sharedhost import SharedHost
from tests.support.wants import SECRETS

pytestmark = pytest.mark.slow


@pytest.fixture
def hosted(sharedhost: SharedHost) -> Iterator[Hosted]:
    """Return a contract on the host, whose account is as empty afterwards as before."""
    one = Hosted(sharedhost, Serves("passenger"))
    yield one
    one.destroy()
    assert sharedhost.run("ls -A; ls -A public_html; crontab -l 2>&1 | grep crmhost || true").split() == sorted(
        [".bash_logout", ".bashrc", ".profile", ".ssh", "public_html"]
    )


def test_a_first_deploy_serves_and_the_plan_after_it_is_empty(hosted: Hosted) -> None:
    assert hosted.deploy().did == "deployed"
    assert hosted.get() == "200 ready 1.0, 1 accounts"
    assert hosted.log_in("/login", {"username": "admin", "password": SECRETS["admin-password"]}).startswith("200 ")
    assert "Wrong name or password" in hosted.log_in("/login", {"username": "root", "password": "root"})
    assert hosted.plan().changes == ()
    assert hosted.deploy().did == "nothing"
