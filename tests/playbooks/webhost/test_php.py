"""A PHP application on a real shared host: its own Apache and PHP serve it, its own MariaDB has the data."""

from __future__ import annotations

import http.client
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from crm.errors import GateFailed, HostError, Refused
from crm.recipe import Php
from playbooks.webhost.layout import Serves
from tests.support.hosted import EMPTY, Hosted, Visitor
from tests.support.hosteddeployer import deploying
from tests.support.phpapp.recipe import ARCHIVE, RECIPE, packed
from tests.support.sharedhost import DATABASE, DATABASE_PASSWORD, SharedHost, give_database
from tests.support.until import until
from tests.support.wants import SECRETS

pytestmark = pytest.mark.slow
SLOTS = {"dbhost": "localhost", "dbport": "3306", "dbname": DATABASE, "dbuser": DATABASE}
ADMIN = {"username": "admin", "password": SECRETS["admin-password"]}


@dataclass
class Guestbook(Hosted):
    """The guestbook on a shared host. archive: what is sent there."""

    archive: Path = Path()


@pytest.fixture
def hosted(sharedhost: SharedHost, tmp_path: Path) -> Iterator[Guestbook]:
    """Return a contract on the host, whose account and database are as empty afterwards as before."""
    archive = tmp_path / "guestbook.tar.gz"
    archive.write_bytes(packed())

    give_database(sharedhost)
    secrets = {"admin-password": SECRETS["admin-password"], "database-password": DATABASE_PASSWORD}
    serves = Serves("php", "mysql", lambda _: archive)
    one = Guestbook(sharedhost, serves, recipe=RECIPE, secrets=secrets, slots=SLOTS, archive=archive)
    yield one
    one.destroy()
    assert one.left() == EMPTY
    assert sharedhost.sql(f"show tables in {DATABASE}") == ""


def ask(hosted: Hosted, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Return status, body and where a redirect leads."""
    with closing(http.client.HTTPConnection(hosted.host.address, 80, timeout=60)) as connection:
        connection.request("GET", path, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read().decode(), response.getheader("Location") or ""


def test_a_release_is_deployed_mended_replaced_and_taken_back(
    hosted: Hosted, capsys: pytest.CaptureFixture[str]
) -> None:
    first = hosted.deploy()
    assert first.did == "deployed"
    assert "Welcome" in hosted.log_in("/login.php", ADMIN)
    assert "Wrong name or password" in hosted.log_in("/login.php", {**ADMIN, "password": "root"})
    assert hosted.plan().changes == ()
    assert hosted.deploy().did == "nothing"
    with hosted.driver() as driver:
        assert driver.status(hosted.want()).users == 1
    release = hosted.layout.release(first.release or "")

    hosted.host.run(
        f"echo '<?php // hacked' >{release}/app/config.php; rm {release}/app/public/files; rm public_html/*"
    )
    assert [one.resource.rpartition("/")[2] for one in hosted.plan().changes] == ["app", "config.php", "index.php"]
    hosted.deploy()
    assert hosted.plan().changes == ()
    assert hosted.get("/ready.php").endswith(">ready 1.0, 1 accounts")

    visitor = Visitor(lambda: hosted.get("/ready.php"))
    with visitor.visiting():
        begun = time.monotonic()
        hosted.deploy("1.1")
        took = time.monotonic() - begun
        until(lambda: visitor.saw(">ready 1.1"), "the visitor meets the new release", 20)
    assert visitor.wrong() == []
    mixed = visitor.mixed(">ready 1.0", ">ready 1.1")
    assert mixed <= 1.0
    assert hosted.rollback().release == first.release
    assert hosted.get("/ready.php").endswith(">ready 1.0, 1 accounts")
    with pytest.raises(GateFailed, match="did not become ready"):
        hosted.deploy("broken")
    assert hosted.get("/ready.php").endswith(">ready 1.0, 1 accounts")
    with capsys.disabled():
        print(f"\nphp: 1.0 → 1.1 in {took:.1f} s, {len(visitor.answers)} answers, both for {mixed:.2f} s")  # noqa: T201


def test_what_is_served_is_what_a_web_server_would_serve_and_nothing_private(hosted: Hosted) -> None:
    hosted.deploy()
    uploads = f"{hosted.layout.data}/uploads"
    hosted.host.run(
        f"echo png >{uploads}/a.png; echo '<?php echo 1;' >{uploads}/a.php; ln -s /etc/passwd {uploads}/b.css"
    )
    hosted.host.run(
        "mkdir -p public_html/.well-known/acme-challenge; echo proof >public_html/.well-known/acme-challenge/x"
    )
    release = f"/.crmhost/acme/releases/{hosted.plan().release.id}"
    assert {path: ask(hosted, path) for path in PAGES} == PAGES
    private = [
        "/backup.sql", "/files/a.php", "/files/b.css", "/.htaccess", "/.well-known/../../.profile", "/nothing.php",
        "/%2e%2e/config.php", "/..%2fconfig.php", "/config.php", "/.crmhost/acme/database.json",
        f"{release}/database-password", "/inner/%00", "/index.php%00.css",
    ]  # fmt: skip
    got = {path: ask(hosted, path) for path in private}
    assert {path: answer for path, answer in got.items() if answer[0] not in (400, 403, 404)} == {}
    assert DATABASE_PASSWORD not in repr(got)
    with closing(http.client.HTTPConnection(hosted.host.address, 80, timeout=60)) as connection:
        connection.request("GET", "/style.css")
        response = connection.getresponse()
        tag = response.getheader("ETag") or ""
        assert (response.getheader("Content-Type"), response.read()) == (
            "text/css; charset=utf-8",
            b"body { color: #123 }\n",
        )
    assert ask(hosted, "/style.css", {"If-None-Match": tag})[:2] == (304, "")
    served = hosted.host.run(f"find -L {hosted.layout.current}/app -name style.css").strip()
    hosted.host.run(f"cp -p {served} same.css && tr 1 4 <same.css >other.css && touch -r same.css other.css")
    hosted.host.run(f"mv -f other.css {served}")  # as a next release's, of equal size and year
    assert ask(hosted, "/style.css", {"If-None-Match": tag})[:2] == (200, "body { color: #423 }\n")
    hosted.host.run(f"mv -f same.css {served}")
    hosted.host.run("rm -r public_html/.well-known")

    hosted.host.run(f"echo closed >{hosted.layout.closed}")
    assert ask(hosted, "/ready.php")[0] == 503
    hosted.host.run(f"rm {hosted.layout.closed}")


PAGES = {
    "/": (302, "", "/login.php"),
    "/style.css": (200, "body { color: #123 }\n", ""),
    "/files/a.png": (200, "png\n", ""),
    "/some/pretty?x=1": (
        200,
        "<!doctype html><title>Guestbook 1.0</title><p>pretty /some/pretty?x=1 of /index.php",
        "",
    ),
    "/inner": (301, "", "/inner/"),
    "/inner?x=1": (301, "", "/inner/?x=1"),
    "/inner/": (200, "<!doctype html><title>Guestbook 1.0</title>inner none in inner", ""),
    "/inner/index.php/a/b": (200, "<!doctype html><title>Guestbook 1.0</title>inner /a/b in inner", ""),
    "/inner/deeper/page": (200, "<!doctype html><title>Guestbook 1.0</title>inner none in inner", ""),
    "/.well-known/acme-challenge/x": (200, "proof\n", ""),
}


@pytest.mark.parametrize("last", ["done tree:", "begin tables", "done link:"])
def test_a_first_deploy_that_was_killed_is_finished_by_the_same_command(hosted: Guestbook, last: str) -> None:
    with deploying(hosted, hosted.archive) as process:
        assert process.stdout is not None
        assert any(line.startswith(last) for line in process.stdout)
        process.send_signal(signal.SIGKILL)
        process.wait()
    free = f"flock -n {hosted.layout.lock} true"
    until(lambda: hosted.host.run(f"{free} && echo free || true") == "free\n", "nobody holds the lock", 90)
    assert hosted.deploy().did == "deployed"
    assert hosted.get("/ready.php").endswith(">ready 1.0, 1 accounts")
    assert hosted.plan().changes == ()


def test_an_interrupted_step_begins_with_an_empty_database(hosted: Hosted) -> None:
    bad = replace(hosted, slots={**SLOTS, "dbname": DATABASE})
    hosted.host.sql(f"revoke create view on {DATABASE}.* from {DATABASE}@localhost")
    with pytest.raises(HostError, match="step tables did not print"):
        bad.deploy()
    assert "account" in hosted.host.sql(f"show tables in {DATABASE}")
    give = f"grant all on {DATABASE}.* to {DATABASE}@localhost"
    hosted.host.sql(give)
    assert any(one.disrupts == "data" for one in hosted.plan().changes)
    hosted.deploy()
    assert hosted.get("/ready.php").endswith(">ready 1.0, 1 accounts")


def test_a_database_that_cannot_be_used_is_refused_before_anything_is_done(hosted: Hosted) -> None:
    wrong = replace(hosted, secrets={**hosted.secrets, "database-password": "wrong"})
    with pytest.raises(HostError, match=r"could not be read: .*Access denied"):
        wrong.plan()
    with pytest.raises(Refused, match="lacks the password of the database that the host gave"):
        replace(hosted, secrets={"admin-password": "x"}).plan()
    hosted.host.sql(f"create table {DATABASE}.theirs (id int)")
    with pytest.raises(Refused, match="holds 1 tables, and no record that crmhost made them"):
        hosted.plan()
    hosted.host.sql(f"drop table {DATABASE}.theirs")
    lacks = replace(ARCHIVE, php=Php(((8, 1), (9, 0)), ("pdo_mysql", "imagick")))
    recipe = replace(RECIPE, artifacts={"1.0": lacks})
    with pytest.raises(HostError, match=r"no usable PHP from 8\.1 to 8\.\d+ ; .* is 8\.2\.\d+, without imagick"):
        replace(hosted, recipe=recipe).deploy()


def test_no_secret_is_in_a_process_list_or_where_others_read(hosted: Hosted) -> None:
    stop = "/tmp/stop-watching"  # noqa: S108 - of the container
    watch = f"while [ ! -e {stop} ]; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; done 2>/dev/null >/tmp/seen"
    _, _ = hosted.host.container.exec_run(["sh", "-c", watch], user="root", detach=True), None
    hosted.deploy()
    hosted.host.run(f"touch {stop}", user="root")
    for secret in hosted.secrets.values():
        marked = secret.replace("'", ".").replace("$", ".").replace("\\", ".").replace('"', ".")
        assert hosted.host.run(f"grep -ac '{marked}' /tmp/seen || true", user="root").strip() == "0"
        found = hosted.host.run(f"grep -rla '{marked}' .crmhost public_html || true").split()
        assert {path.rpartition("/")[2] for path in found} <= {"database-password", "database.json"}
    hosted.host.run(f"rm -f {stop} /tmp/seen", user="root")
    assert hosted.host.run("stat -c %a .crmhost .crmhost/acme .crmhost/acme/database.json").split() == [
        "700",
        "700",
        "600",
    ]
