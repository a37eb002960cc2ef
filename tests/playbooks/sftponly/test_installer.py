"""The page of PHP that lies on the host for some minutes, attacked; and what it refuses even from us."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from crm.errors import HostError, Refused
from playbooks.sftponly.installer import REMEMBERS, Installer, Shown, page, sweep
from playbooks.sftponly.layout import INSTALLER, Layout
from playbooks.sftponly.pack import MAGIC, make
from playbooks.sftponly.sftp import Files
from playbooks.sftponly.tree import Tree, delta
from playbooks.sftponly.web import Site
from tests.playbooks.sftponly.test_tree import HOSTILE
from tests.support.memo.recipe import files_of, packed
from tests.support.sftphost import ROOT, SERVER, SftpHost
from tests.support.until import until

pytestmark = pytest.mark.slow
LAYOUT = Layout("acme", ROOT)
HERE = "/srv/acme/site/.crmhost/acme"
TOKEN = "7" * 64


@contextmanager
def planted(host: SftpHost, until: int, may: str = "work") -> Iterator[tuple[str, Files]]:
    """Put a page with a known token there, and give its path at the site and what lies there."""
    with host.reach() as reached:
        files = Files(reached)
        files.folder(LAYOUT.root)
        name = f"crmhost-{may}-{until:08x}-{'a' * 16}.php"
        files.write(f"{ROOT}/{name}", page(TOKEN, until, may, "../.crmhost/acme"), 0o644)  # type: ignore[arg-type] # the test's own words
        yield f"/{name}", files


def asked(host: SftpHost, address: str, token: str, **order: object) -> tuple[int, str]:
    do = base64.b64encode(json.dumps(order).encode()).decode()
    answer = host.site.post(address, {"token": token, "do": do})
    return answer.status, answer.text


def test_attacks(own_host: SftpHost) -> None:
    """Without its token it says nothing and does nothing; after its time it deletes itself, whoever calls."""
    own_host.run(f"install -d -o acme {HERE} {HERE}/data && touch {HERE}/data/kept")
    with planted(own_host, int(time.time()) + 600) as (path, _):
        order = {"verb": "remove", "path": "data"}
        tokens = ("", "7" * 63, "8" * 64, "7" * 64 + "\n", hashlib.sha256(TOKEN.encode()).hexdigest())
        for token in tokens:
            assert asked(own_host, path, token, **order) == (404, "")
        assert (own_host.site.get(f"{path}?token={TOKEN}").status) == 404
        assert own_host.site.post(path, {"token[]": TOKEN, "do": "e30="}).status == 404
        assert own_host.site.post(path, {}).status == 404
        script = {"X-Crmhost-Script": "x.php", "X-Crmhost-Release": "releases/x", "X-Crmhost-Token": "8" * 64}
        shown = {"X-Crmhost-Page": "GET /", "X-Crmhost-Release": "releases/x", "X-Crmhost-Token": "8" * 64}
        for headers in (script, shown):
            assert own_host.site.send(path, b"", headers, 10.0).status == 404
        assert _unencrypted(own_host, path) == 404
        assert asked(own_host, path, TOKEN, verb="digest", file="data/kept")[0] == 200
        assert own_host.run(f"ls {HERE}/data") == "kept\n"
    with planted(own_host, int(time.time()) - 1) as (path, _):
        assert asked(own_host, path, "8" * 64, **order) == (404, "")
        assert path.lstrip("/") not in own_host.web_root()


def _unencrypted(host: SftpHost, path: str) -> int:
    """Ask with the right token over plain HTTP; return the status."""
    grants = r"<Directory /srv/acme>\nRequire all granted\n</Directory>"
    plain = rf"<VirtualHost *:80>\nDocumentRoot /srv/acme/site/public\n{grants}\n</VirtualHost>\n"
    host.run(f"printf '{plain}' >/etc/apache2/sites-enabled/plain.conf")
    host.restart()
    form = urllib.parse.urlencode({"token": TOKEN, "do": base64.b64encode(b'{"verb": "bye"}').decode()}).encode()

    with urllib.request.urlopen(f"http://{host.address}/index.html", timeout=10) as page_of_it:
        assert b"control panel" in page_of_it.read()
    try:
        with urllib.request.urlopen(f"http://{host.address}{path}", form, 10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_page_that_may_only_ask(sftp_host: SftpHost) -> None:
    with planted(sftp_host, int(time.time()) + 600, "ask") as (path, _):
        for verb in ("remove", "unpack_tree", "mend", "mark", "forget", "clear", "system", "gone", "phpinfo", ""):
            assert "may not do that" in asked(sftp_host, path, TOKEN, verb=verb, path="data")[1]
        assert json.loads(asked(sftp_host, path, TOKEN, verb="bye")[1]) == {"ok": True, "gone": True}
        assert sftp_host.site.get(path).status == 404


TELLS = """<?php http_response_code(202); $ours = preg_grep("/CRMHOST/", array_keys($_SERVER));
echo json_encode([$_SERVER["REQUEST_METHOD"], $_SERVER["REQUEST_URI"], $_SERVER["SCRIPT_NAME"], $_GET, $_POST,
  getcwd() === __DIR__, $ours, array_keys(get_defined_vars())], JSON_UNESCAPED_SLASHES);
"""


def test_a_page_of_a_release_that_does_not_serve(sftp_host: SftpHost) -> None:
    """It believes that it is asked at the site's own address, and meets nothing of the installer's."""
    web = f"{HERE}/releases/r/app/web"
    sftp_host.run(f"mkdir -p {web}/api; echo '{TELLS}' >{web}/api/index.php; chown -R acme: /srv/acme/site/.crmhost")
    with sftp_host.reach() as reached:
        installer = Installer(Files(reached), sftp_host.site, LAYOUT, "work")
        for form in ({}, {"token": "the CRM's own"}):
            answer = installer.page(Shown("releases/r", "web"), "/api/v1/x?a=1", form, 10.0)
            *told, names = json.loads(answer.text)
            method = "POST" if form else "GET"
            assert (answer.status, told) == (
                202,
                [method, "/api/v1/x?a=1", "/api/index.php", {"a": "1"}, form or [], True, []],
            )
            assert not {"token", "release", "page", "root"} & set(names)
        for path in ("/../../app/web/api/index.php", "/none.php", "/it's"):
            assert installer.page(Shown("releases/r", "web"), path, {}, 10.0).status == 400
        installer.leave()


@pytest.mark.parametrize("way", ["files", "paths"])
def test_hostile_orders(sftp_host: SftpHost, way: str) -> None:
    """What a stolen token could ask for beside its own folder."""
    before = sftp_host.run("find / -xdev -newer /etc/hostname -name '*up*' 2>/dev/null | sort")
    sftp_host.run(f"install -d -o acme {HERE}; ln -s /tmp {HERE}/link; chown -h acme {HERE}/link")
    with planted(sftp_host, int(time.time()) + 600) as (path, files):
        if way == "paths":
            for hostile in ("../x", "/etc", "data/../..", "link", "link/x", ".", "..", "", "a//b", "-x", "a\n", "ä"):
                for verb, key in (("remove", "path"), ("digest", "file")):
                    answer = json.loads(asked(sftp_host, path, TOKEN, verb=verb, **{key: hostile})[1])
                    assert answer["ok"] is False, (verb, hostile)
                    assert answer["why"].startswith(("not a path of ours", "a link is in the way"))
        else:
            for hostile in HOSTILE:
                said = _unpacked(sftp_host, files, path, hostile)
                assert said == {"ok": False, "why": "a name in the archive is not allowed"}, hostile
    assert sftp_host.run("find / -xdev -newer /etc/hostname -name '*up*' 2>/dev/null | sort") == before


def _unpacked(host: SftpHost, files: Files, path: str, name: str) -> Mapping[str, object]:
    sha256 = hashlib.sha256(b"x").hexdigest()
    text = f"{sha256} 1 {name}\n"
    head = {
        "version": 1,
        "base": None,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "gone": [],
        "files": [[name, sha256, 1]],
    }
    pieces = [gzip.compress(json.dumps(head).encode()), gzip.compress(b"x")]
    pack = MAGIC + b"".join(len(piece).to_bytes(4, "big") + piece for piece in pieces)
    files.folder(LAYOUT.below("packs"))
    files.write(LAYOUT.below("packs/hostile"), pack)
    order = {"pack": "packs/hostile", "into": "releases/r/app", "list": "releases/r/list", "at": 0, "place": None}
    answer = json.loads(asked(host, path, TOKEN, verb="unpack_tree", **order)[1])
    assert isinstance(answer, dict)
    return answer


def test_left_over_pages_are_swept(sftp_host: SftpHost) -> None:
    now = int(time.time())
    with (
        planted(sftp_host, now + 600, "ask") as (live, files),
        planted(sftp_host, now - 5, "ask") as (dead, _),
    ):
        assert sweep(files, (ROOT,), dead_at=now) == (dead[1:],)
        assert live[1:] in sftp_host.web_root()
        assert sweep(files, (ROOT,)) == (live[1:],)
        assert sftp_host.web_root() == ["index.html"]


def test_slices(own_host: SftpHost, tmp_path: Path) -> None:
    """A tree that takes longer than one request may: unpacked, compared and removed in several, each going on."""
    own_host.run("sed -i 's/^max_execution_time.*/max_execution_time = 1/' /etc/php/8.2/apache2/php.ini")
    own_host.restart()
    path = tmp_path / "many.tar.gz"
    path.write_bytes(packed(files_of("1.0", more=6000)))
    with own_host.reach() as reached, Tree(path) as tree:
        files = Files(reached)
        files.folder(LAYOUT.below("packs"))
        pack = make(tree, tree.listing, delta(tree.listing, None), None)
        files.write(LAYOUT.below(pack.name), b"".join(pack.pieces()))
        installer = Installer(files, own_host.site, LAYOUT, "work")
        listed = "releases/r/list"
        unpacked = list(installer.slices("unpack_tree", pack=pack.name, into="releases/r/app", list=listed))
        assert len(unpacked) > 1
        own_host.run(f"rm {HERE}/releases/r/app/htdocs/lib/99/part5999.php")
        compared = list(installer.slices("check", tree="releases/r/app", list=listed))
        assert [one for answer in compared for one in answer["differs"]] == [["htdocs/lib/99/part5999.php", "missing"]]
        assert compared[-1]["sha256"] == tree.listing.sha256
        own_host.run(f"cp /srv/acme/site/public/crmhost-work-*.php {HERE}/releases/r/app/htdocs/")
        assert list(installer.slices("remove", path="releases"))[-1]["done"] is True
        left = own_host.run(f"find {HERE}/releases -type f").splitlines()
        assert [Path(path).name[:13] for path in left] == ["crmhost-work-"], (
            "PHP may look for the page there until the end"
        )
        installer.remove("releases", lambda: None)
        assert own_host.run(f"ls {HERE}") == "packs\n"
        installer.leave()
        assert own_host.web_root() == ["index.html"]


def test_php_that_remembers_where_the_document_root_led(own_host: SftpHost) -> None:
    """The page is looked for in a tree that is gone: nothing ran, so it is asked again once PHP has forgotten."""
    own_host.run(
        "cd /etc/apache2/mods-available; sed -i -E 's/^(\\s*\\w+(Servers|Workers))\\s.*/\\1 1/' mpm_prefork.conf;"
        " echo 'realpath_cache_ttl = 4' >>/etc/php/8.2/apache2/php.ini"
    )
    own_host.restart()
    own_host.run(
        f"install -d -o acme {HERE} /srv/acme/site/gone; cd /srv/acme/site; mv public found; ln -s gone public;"
        " echo '<?php echo 1;' >gone/x.php; chown -h acme public"
    )
    assert own_host.site.get("/x.php").text == "1"
    own_host.run("cd /srv/acme/site; rm -r public gone; mv found public; cp /dev/null public/forgotten.php")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        until(lambda: own_host.site.get("/forgotten.php").status == 200, "PHP has forgotten", 60)

    with own_host.reach() as reached:
        installer = Installer(Files(reached), own_host.site, LAYOUT, "ask", sleep=sleep)
        assert installer.ask("look", extensions=[])["writes"] is True
        installer.leave()
    assert slept == [REMEMBERS]


def test_a_web_root_without_php(own_host: SftpHost) -> None:
    own_host.run("a2dismod -q php8.2")
    own_host.restart()
    with own_host.reach() as reached:
        files = Files(reached)
        installer = Installer(files, own_host.site, LAYOUT, "ask")
        with pytest.raises(HostError, match=r"(?s)the page of PHP .*target\.document-root"):
            installer.ask("look", extensions=[])
        installer.leave()
    assert own_host.web_root() == ["index.html"]


def test_the_page_has_neither_token_nor_password() -> None:
    text = page(TOKEN, 1_800_000_000, "ask", "../../x").decode()
    assert TOKEN not in text
    assert str(SERVER.password) not in text
    assert "@" not in text.split("const SLICE")[0]
    with pytest.raises(HostError, match="does not write into a program"):
        page(TOKEN, 1, "ask", "it's")


def test_http_is_refused() -> None:
    with pytest.raises(Refused, match="unencrypted"):
        Site("http://crm.acme.test")


def test_names_of_installers() -> None:
    assert INSTALLER.fullmatch("crmhost-ask-6b0b32ef-965ed2d41c84ada7.php")
    assert not INSTALLER.fullmatch("crmhost-ask-6b0b32ef-965ed2d41c84ada7.php.bak")
