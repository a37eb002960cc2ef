"""The way from here to a release that serves nobody: what a login needs goes through, and nothing else."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from crm.errors import GateFailed
from crm.plan import Release
from playbooks.sftponly.inside import inside, plain
from playbooks.sftponly.installer import Installer, Shown, page
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.release import Kept, Manifest
from playbooks.sftponly.sftp import Files
from tests.support.sftphost import NAME, ROOT, SftpHost
from tests.support.sftptrial import COPY

pytestmark = pytest.mark.slow
LAYOUT = Layout(COPY, ROOT, "acme")
KEPT = Kept(Manifest(Release("memo", "1.0", "0" * 64, "1"), "x", "x", "web", {}), "")
ACCOUNT = "/srv/acme/site/.crmhost"
LIES = f"{ACCOUNT}/{COPY}/{KEPT.folder}"
HOST = "acme.scratch.invalid"
INDEX = """<?php
if (parse_url($_SERVER["REQUEST_URI"], PHP_URL_PATH) === "/drip") {
    for ($i = 0; $i < 40; $i++) { echo str_repeat("x", 200000); @ob_flush(); flush(); usleep(100000); }
    exit;
}
if (strpos($_SERVER["REQUEST_URI"], "/large") === 0) { echo str_repeat("x", 5 << 20); exit; }
if (strpos($_SERVER["REQUEST_URI"], "/go") === 0) {
    header("Location: http://" . $_SERVER["HTTP_HOST"] . "/there", true, 302);
    exit;
}
header("Set-Cookie: session=1; path=/; secure; HttpOnly", false);
header("Set-Cookie: theme=dark; path=/", false);
$told = [];
$names = ["HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "HTTPS", "REQUEST_METHOD", "REQUEST_URI", "SCRIPT_NAME"];
foreach ($names as $name) {
    $told[$name] = isset($_SERVER[$name]) ? $_SERVER[$name] : null;
}
echo json_encode($told + ["cookies" => $_COOKIE, "get" => $_GET, "post" => $_POST, "body" => file_get_contents("php://input"),
    "ours" => array_values(preg_grep("/CRMHOST|FORWARDED/", array_keys($_SERVER)))], JSON_UNESCAPED_SLASHES);
"""


def lying(host: SftpHost) -> None:
    """Put the release there, and another one."""
    text = base64.b64encode(INDEX.encode()).decode()
    for folder in (LIES, f"{ACCOUNT}/{COPY}/releases/other"):
        host.run(f"mkdir -p {folder}/app/web && echo {text} | base64 -d >{folder}/app/web/index.php")
    host.run(f"chown -R acme: {ACCOUNT}")


@contextmanager
def way(host: SftpHost, told: list[str]) -> Iterator[int]:
    """Give the port that leads to it."""
    lying(host)
    with host.reach() as reached, inside(Files(reached), host.site, LAYOUT, KEPT, told.append) as (here, port):
        assert here == "127.0.0.1"
        yield port


def asked(
    port: int, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Host": HOST, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


def test_what_a_login_needs(sftp_host: SftpHost) -> None:
    """The release believes to be asked over http at the copy's own address, and meets nothing of ours."""
    told: list[str] = []
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "session=1"}
    sent = {"Content-Type": "application/json", "X-Forwarded-Proto": "https", "Authorization": "none of its business"}
    with way(sftp_host, told) as port:
        status, headers, body = asked(port, "GET", "/a/b?c=1&d=%C3%A9")
        seen = json.loads(body)
        assert status == 200
        assert [value for name, value in headers if name == "Set-Cookie"] == [
            "session=1; path=/; HttpOnly",
            "theme=dark; path=/",
        ]
        assert not {name.lower() for name, _ in headers} & {"x-crmhost", "transfer-encoding", "server"}
        assert seen == {
            "HTTP_HOST": HOST,
            "SERVER_NAME": HOST,
            "SERVER_PORT": "80",
            "HTTPS": None,
            "REQUEST_METHOD": "GET",
            "REQUEST_URI": "/a/b?c=1&d=%C3%A9",
            "SCRIPT_NAME": "/index.php",
            "cookies": [],
            "get": {"c": "1", "d": "é"},
            "post": [],
            "body": "",
            "ours": [],
        }
        seen = json.loads(asked(port, "POST", "/index.php", b"name=admin&token=its+own", form)[2])
        assert (seen["REQUEST_METHOD"], seen["post"]) == ("POST", {"name": "admin", "token": "its own"})
        assert seen["cookies"] == {"session": "1"}
        seen = json.loads(asked(port, "POST", "/api", b'{"user": "admin"}', sent)[2])
        assert (seen["post"], seen["body"], seen["ours"]) == ([], '{"user": "admin"}', [])
        status, headers, _ = asked(port, "GET", "/go")
        assert (status, dict(headers)["Location"]) == (302, f"http://{HOST}/there")
    assert told == []
    assert sftp_host.web_root() == ["index.html"]
    with pytest.raises(ConnectionRefusedError):
        asked(port, "GET", "/")


def test_what_is_bounded_or_not_passed_on(sftp_host: SftpHost) -> None:
    told: list[str] = []
    with way(sftp_host, told) as port:
        assert asked(port, "POST", "/", None, {"Content-Length": str((1 << 20) + 1)})[0] == 413
        assert asked(port, "POST", "/", None, {"Content-Length": "-1"})[0] == 413
        assert asked(port, "GET", "/", None, {"Host": "a b"})[0] == 400
        assert asked(port, "GET", f"http://{NAME}/")[0] == 400
        assert asked(port, "GET", "/" + "x" * 5000)[0] == 400
        assert [asked(port, method, "/")[0] for method in ("PUT", "DELETE", "OPTIONS", "HEAD")] == [501] * 4
        assert len(asked(port, "GET", "/large")[2]) == 4 << 20
        assert told == []
        sftp_host.run("rm /srv/acme/site/public/crmhost-*")
        status, _, body = asked(port, "GET", "/")
        assert (status, body[:23]) == (502, b"the site answered 404 <")
    assert [line.partition(" <")[0] for line in told] == ["a request could not be passed on: the site answered 404"], (
        "the copy is never taken for what the customer's site answers"
    )


def test_an_answer_that_takes_too_long(sftp_host: SftpHost) -> None:
    lying(sftp_host)
    with sftp_host.reach() as reached:
        installer = Installer(Files(reached), sftp_host.site, LAYOUT, "show", shows=KEPT.folder)
        installer.page(Shown(KEPT.folder, "web"), "/", {}, 10.0)
        planted = installer._planted  # noqa: SLF001 - the page that lies there
        assert planted is not None
        headers = {"X-Crmhost-Token": planted.token, "X-Crmhost-Release": KEPT.folder, "X-Crmhost-Root": "web"}
        begun = time.monotonic()
        whole = sftp_host.site.whole(f"/{planted.name}", b"", {**headers, "X-Crmhost-Page": "GET /drip"}, 1.0)
        assert (whole.status, whole.body) == (0, b"the answer takes too long")
        assert time.monotonic() - begun < 2.0
        installer.leave()


def test_a_page_that_may_only_show(sftp_host: SftpHost) -> None:
    """With its token it shows the one release, and can do nothing else."""
    lying(sftp_host)
    token, until = "7" * 64, int(time.time()) + 600
    name = f"/crmhost-show-{until:08x}-{'a' * 16}.php"
    right = {
        "X-Crmhost-Token": token,
        "X-Crmhost-Release": KEPT.folder,
        "X-Crmhost-Root": "web",
        "X-Crmhost-Page": "GET /",
    }
    wrong: tuple[Mapping[str, str], ...] = (
        {"X-Crmhost-Token": "8" * 64},
        {"X-Crmhost-Release": "releases/other"},
        {"X-Crmhost-Release": f"{KEPT.folder}/../other"},
        {"X-Crmhost-Script": "app/web/index.php"},
        {"X-Crmhost-Page": ""},
        {"X-Crmhost-Page": "", "X-Crmhost-Script": "app/web/index.php"},
    )
    with sftp_host.reach() as reached:
        text = page(token, until, "show", f"../.crmhost/{COPY}", f"/.crmhost/{COPY}", KEPT.folder)
        Files(reached).write(f"{ROOT}{name}", text, 0o644)
    assert sftp_host.site.send(name, b"", right, 10.0).status == 200
    for headers in wrong:
        assert sftp_host.site.send(name, b"", {**right, **headers}, 10.0).status == 404, headers
    for root in ("../../other/app/web", "none", "/"):
        assert sftp_host.site.send(name, b"", {**right, "X-Crmhost-Root": root}, 10.0).status == 400
    for at in ("ftp://x/", "nonsense"):
        assert sftp_host.site.send(name, b"", {**right, "X-Crmhost-At": at}, 10.0).status == 400
    for verb in ("look", "remove", "clear", "value"):
        do = base64.b64encode(json.dumps({"verb": verb, "path": "releases", "extensions": []}).encode()).decode()
        assert sftp_host.site.post(name, {"token": token, "do": do}).status == 404
    assert sftp_host.run(f"ls {ACCOUNT}/{COPY}/releases") == f"{KEPT.id}\nother\n"


def test_a_site_that_runs_no_such_page(sftp_host: SftpHost) -> None:
    """Then nothing is asked of what the site shows instead, and no page is left."""
    lying(sftp_host)
    sftp_host.run(
        "echo '<FilesMatch ^crmhost-show->\nRequire all denied\n</FilesMatch>' >/srv/acme/site/.htaccess;"
        " chown acme: /srv/acme/site/.htaccess"
    )
    told: list[str] = []
    with (
        pytest.raises(GateFailed, match="through which the copy is asked answered '403"),
        sftp_host.reach() as reached,
        inside(Files(reached), sftp_host.site, LAYOUT, KEPT, told.append),
    ):
        pass
    assert sftp_host.web_root() == ["index.html"]


@pytest.mark.parametrize(
    ("cookie", "comes_back"),
    [
        ("a=1; path=/; Secure; HttpOnly", "a=1; path=/; HttpOnly"),
        ("a=1; secure", "a=1"),
        ("secure=1; path=/secure", "secure=1; path=/secure"),
        ("a=1;SECURE;SameSite=Lax", "a=1;SameSite=Lax"),
    ],
)
def test_cookies_come_back_on_the_way_that_is_here(cookie: str, comes_back: str) -> None:
    assert plain(cookie) == comes_back
