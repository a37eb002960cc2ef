"""A site is switched, closed and opened without a reload, so no request fails and no connection is closed for it."""

import http.client
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import pytest

from crm.errors import HostError
from crmhost.door import Door
from infra import naming, sites
from infra.engine.connect import Engine, connect
from infra.rollout import Slot
from tests.support.ingress import SharedIngress
from tests.support.slots import Slots, two_slots

pytestmark = pytest.mark.slow
USERS, RATE, SWITCHES = 5, 50, 12


@pytest.fixture(scope="module")
def host(ingress: SharedIngress) -> Iterator[Engine]:
    with connect(ingress.settings.reach) as connected:
        yield connected


@pytest.fixture(scope="module")
def both(host: Engine, ingress: SharedIngress) -> Iterator[Slots]:
    with two_slots(host, ingress) as made:
        yield made


@pytest.fixture
def site(host: Engine, both: Slots) -> Slots:
    sites.maintain(host, both.host, on=False)
    sites.serve(host, both.host, "a")
    return both


@dataclass
class Load:
    """Users who each keep one connection for all that they ask; one that is closed is not opened again."""

    site: Slots
    failed: list[str] = field(default_factory=list)
    answers: list[tuple[float, float, str]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def user(self, number: int) -> None:
        connection = self.site.door.connection(urlsplit(self.site.url), 15)
        with closing(connection):
            connection.connect()
            connection.auto_open = 0
            due = time.monotonic() + number / RATE
            while not self.stop.wait(max(0.0, due - time.monotonic())):
                self.ask(connection)
                due += USERS / RATE

    def ask(self, connection: http.client.HTTPConnection) -> None:
        begun = time.monotonic()
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            said = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.failed.append(repr(error))
            return
        if answer.status != 200 or answer.will_close:
            self.failed.append(f"{answer.status} {answer.getheaders()}")
        self.answers.append((begun, time.monotonic(), said[0]))


def test_twelve_switches_under_load_close_no_connection_and_fail_no_request(host: Engine, site: Slots) -> None:
    load = Load(site)
    users = [threading.Thread(target=load.user, args=(number,)) for number in range(USERS)]
    for user in users:
        user.start()
    serving: list[tuple[float, float, str]] = []
    both: tuple[Slot, Slot] = ("b", "a")
    for number in range(SWITCHES):
        slot = both[number % 2]
        sites.serve(host, site.host, slot)
        switched = time.monotonic()
        time.sleep(0.3)
        serving.append((switched, time.monotonic(), slot))
    load.stop.set()
    for user in users:
        user.join()
    assert load.failed == []
    assert len(load.answers) > SWITCHES * 0.3 * RATE * 0.8
    for begin, end, served in serving:
        during = {said for begun, ended, said in load.answers if begin <= begun and ended <= end}
        assert during == {served}


def test_a_new_site_needs_nothing_but_its_files(host: Engine, site: Slots) -> None:
    new = replace(site, host=f"new.{site.host}")
    assert sites.state(host, new.host) == sites.Site(None, closed=False)
    assert new.host not in sites.every(host)
    with pytest.raises(ssl.SSLError):
        new.ask()
    sites.maintain(host, new.host, on=True)
    sites.serve(host, new.host, "b")
    assert new.ask()[0] == 503
    assert sites.serving_slot(host, new.host) == "b"
    assert sites.every(host)[new.host] == sites.Site("b", closed=True)
    sites.remove(host, new.host)
    assert new.ask()[0] == 404


def test_the_web_process_is_told_how_it_was_reached(site: Slots) -> None:
    slot, proto, name, client = site.ask(**{"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "gopher"})[1].split()
    assert (slot, proto, name) == ("a", "https", site.host)
    assert "192.0.2.1" not in client


def test_maintenance_shows_a_page_that_says_when_to_come_back(host: Engine, site: Slots) -> None:
    sites.maintain(host, site.host, on=True, retry_after=77)
    sites.maintain(host, site.host, on=True, retry_after=77)
    assert sites.state(host, site.host) == sites.Site("a", closed=True)
    for method in ("GET", "POST"):
        status, page, headers = site.ask(method, "/anything?x=1")
        assert (status, headers["retry-after"], headers["cache-control"]) == (503, "77", "no-store")
        assert "Nothing that you saved is lost" in page
        assert "text/html; charset=utf-8" in headers["content-type"]
    sites.serve(host, site.host, "b")
    assert site.ask()[0] == 503
    sites.maintain(host, site.host, on=True, retry_after=5)
    assert site.ask()[2]["retry-after"] == "5"
    sites.maintain(host, site.host, on=False)
    sites.maintain(host, site.host, on=False)
    assert site.ask()[:1] == (200,)
    assert site.ask()[1][0] == "b"


def test_a_removed_site_is_gone_for_open_connections_too(host: Engine, site: Slots) -> None:
    connection = site.door.connection(urlsplit(site.url), 15)
    with closing(connection):
        connection.request("GET", "/")
        assert connection.getresponse().read()[:1] == b"a"
        sites.remove(host, site.host)
        sites.remove(host, site.host)
        connection.request("GET", "/")
        assert connection.getresponse().status == 404


def test_a_host_name_that_is_no_site_gets_no_certificate(site: Slots, ingress: SharedIngress) -> None:
    for name in ("other.example", f"x.{site.host}", "127.0.0.1"):
        door = Door(ingress.address, ingress.authority)
        with pytest.raises(ssl.SSLError):
            door.connection(urlsplit(f"https://{name}/"), 15).connect()


@pytest.mark.parametrize("name", ["*", "../{host}", "{host}x", "x*", "[{host}]", "{HOST}"])
def test_a_host_header_that_is_no_site_is_no_way_in(site: Slots, name: str) -> None:
    asked = name.format(host=site.host, HOST=site.host.upper())
    assert site.ask(Host=asked)[0] in {400, 404}


def test_plain_http_leads_to_https_for_sites_alone(site: Slots, ingress: SharedIngress) -> None:
    http_port = ingress.settings.ingress.http
    for name, status in ((site.host, 308), ("other.example", 404)):
        connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=15)
        with closing(connection):
            connection.request("GET", "/path?x=1", headers={"Host": name})
            answer = connection.getresponse()
            assert answer.status == status
            if status == 308:
                assert answer.getheader("Location") == f"https://{name}:{ingress.address[1]}/path?x=1"


def test_a_web_process_that_starts_again_is_waited_for(host: Engine, site: Slots) -> None:
    host.stop(site.container("a"), 0)
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(site.ask()[0]))
    waiting.start()
    time.sleep(0.5)
    host.start(site.container("a"))
    waiting.join()
    assert answers == [200]


def test_the_ingress_can_do_little_else(host: Engine) -> None:
    seen = host.container(naming.INGRESS)
    assert seen is not None
    assert (seen.user, seen.read_only, seen.restart) == ("10002:10002", True, "unless-stopped")
    assert seen.dropped == {"ALL"}
    assert seen.capabilities == {"CAP_NET_BIND_SERVICE"}
    assert "no-new-privileges:true" in seen.security
    assert seen.memory == seen.memory_swap == 256 * 2**20
    assert set(seen.networks) == {naming.EDGE}


def test_an_ingress_that_is_not_there_is_said_with_the_way_to_it(host: Engine, site: Slots) -> None:
    assert sites.authority(host).startswith("-----BEGIN CERTIFICATE-----")
    with pytest.raises(HostError, match="touch failed"):
        sites.serve(host, f"{site.host}/x/y/../../../../proc", "b")
