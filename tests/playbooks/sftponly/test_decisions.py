"""What is decided without a host: places, versions, what may go, and which recipes can be carried."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace

import pytest

from crm import maintenance
from crm.errors import HostError, Refused
from crm.plan import Crossing, Release
from crm.recipe import Ask, Exec, Http, Php, Process, Slotted
from crm.steps import Records
from playbooks.sftponly.installer import page
from playbooks.sftponly.layout import Layout, relative
from playbooks.sftponly.place import Place, Root, check_root
from playbooks.sftponly.release import Kept, Manifest, Server, archive_of, decode, encode, release_of
from playbooks.sftponly.remove import past
from playbooks.sftponly.steps import Request, Script, asked, database, due_of, masked, records_of, refusal
from playbooks.sftponly.survey import check_version, link_to
from playbooks.sftponly.verbs import TO, refused, stuck
from playbooks.sftponly.web import Site
from tests.support.memo.recipe import RECIPE, SECRETS, SLOTS, memo_want
from tests.support.smallapp.recipe import RECIPE as SMALL

SERVER = Server("localhost", 3306, "acme", "acme", "host-gave-this")
PHP = Php(((7, 4), (8, 3)))


def kept(version: str, proven: str, *, schema: str = "1", shut: bool = False) -> Kept:
    release = Release("memo", version, f"{version}0000000000000", schema)
    return Kept(Manifest(release, "a", "t", "htdocs", {}), proven, shut)


@pytest.mark.parametrize(
    ("root", "base", "served"),
    [
        ("public_html", ".", "./.crmhost/acme"),
        ("/site/public", "/site", "/site/.crmhost/acme"),
        ("a/b/c", "a/b", "a/b/.crmhost/acme"),
    ],
)
def test_what_lies_beside_a_document_root(root: str, base: str, served: str) -> None:
    layout = Layout("acme", root)
    assert layout.base == base
    assert posixpath.normpath(layout.root) == posixpath.normpath(served)
    assert layout.served("htdocs") == ".crmhost/acme/current/app/htdocs"
    assert layout.served("") == ".crmhost/acme/current/app"


def test_a_copy_lies_beside_the_customer_and_has_no_document_root_of_its_own() -> None:
    copy, customer = Layout("acme_try", "site/public", "acme"), Layout("acme", "site/public")
    assert (copy.root, copy.account) == ("site/.crmhost/acme_try", customer.account)
    assert (copy.customer, customer.customer) == (customer, customer)


@pytest.mark.parametrize("root", ["", "/", "../public", "a/../b", "it's", "a b", "a\nb", ".hidden", "a//b"])
def test_what_is_no_document_root(root: str) -> None:
    with pytest.raises(Refused, match="no folder that SFTP could list"):
        Layout("acme", root)


def test_links_lead_to_the_data_from_any_depth() -> None:
    for path in ("uploads", "htdocs/uploads", "a/b/c"):
        link = f"/h/.crmhost/acme/releases/r/app/{path}"
        leads = posixpath.normpath(posixpath.join(posixpath.dirname(link), link_to(path, "uploads")))
        assert leads == "/h/.crmhost/acme/data/uploads"
    assert relative("/h/.crmhost/acme", "/h/public") == "../.crmhost/acme"


@pytest.mark.parametrize(("found", "fits"), [("7.3.33", False), ("7.4.0", True), ("8.2.29", True), ("8.3.0", False)])
def test_versions_of_php(found: str, fits: bool) -> None:
    if fits:
        check_version(found, PHP)
    else:
        with pytest.raises(Refused, match=r"needs 7\.4 or newer, and older than 8\.3"):
            check_version(found, PHP)
    with pytest.raises(HostError, match="calls its version"):
        check_version("\x1b[2J", PHP)


def test_releases_past_the_last_few() -> None:
    proven = [kept(f"1.{number}", f"2026-01-0{9 - number}") for number in range(5)]
    place = Place(Root(None, ()), True, proven[2].id, (*proven, kept("2.0", "")), ("torn",))
    assert past(place, proven[2].id) == (proven[3].id, proven[4].id, kept("2.0", "").id, "torn")


def test_releases_that_an_upgrade_may_have_to_go_back_to_stay() -> None:
    proven = [kept(f"1.{number}", f"2026-01-0{9 - number}") for number in range(4)]
    place = Place(Root(None, ()), True, proven[0].id, (*proven, kept("2.0", "", schema="2")), ())
    old, new = proven[3].manifest.release, place.kept[-1].manifest.release
    assert past(place, proven[0].id, Crossing(old, new, 1)) == ()
    assert past(place, proven[0].id) == (old.id, new.id)


def test_who_is_let_in_after_an_upgrade() -> None:
    """A process of PHP may remember any release that served; none of another schema must be met."""
    old, same, failed = kept("1.0", "2026-01-01", shut=True), kept("2.1", "2026-01-02", schema="2"), kept("3.0", "")
    new = kept("2.0", "", schema="2", shut=True)
    place = Place(Root("x", ()), True, new.id, (same, old, failed, new), ())
    assert place.remembered(failed.id) == (same, old, new)
    assert place.remembered(new.id) == place.remembered(None) == place.kept
    assert place.welcome == (same, new)
    assert place.shut
    assert not replace(place, serving=None).shut
    assert (old.folder, same.folder) == (f"shut/{old.id}", f"releases/{same.id}")
    assert place.folder("memo-4.0") == "releases/memo-4.0"
    records = Records({}, ("memo", "2.0", "2"), 1)
    assert place.maker(records) == new.manifest.release
    assert place.maker(replace(records, schema=("memo", "2.1", "2"))) == same.manifest.release
    assert place.maker(replace(records, schema=("memo", "9", "9"))) is None


def test_the_page_is_one_of_php() -> None:
    assert "<?" not in maintenance.page()


def test_a_document_root_that_is_somebodys() -> None:
    layout = Layout("acme", "public_html")
    check_root(layout, Root(None, ()), "htdocs")
    check_root(layout, Root(".crmhost/acme/current/app/web", ()), "htdocs")
    with pytest.raises(Refused, match=r"is a link to \.\./other"):
        check_root(layout, Root("../other", ()), "htdocs")
    with pytest.raises(Refused, match=r"holds 7 files .*: a, b, c, d, e\n"):
        check_root(layout, Root(None, tuple("abcdefg")), "htdocs")


def test_which_recipes_can_be_carried() -> None:
    assert refusal(RECIPE) is None
    assert "is no archive" in str(refusal(SMALL))
    worker = Process("worker", Exec((Slotted("{php}"), "worker.php")))
    assert "processes that must be up (worker)" in str(refusal(replace(RECIPE, processes=(worker,))))
    step = replace(RECIPE.steps[0], ways=(Exec(("sh", "-c", "true")),))
    assert "steps that can only be done by a command (tables)" in str(refusal(replace(RECIPE, steps=(step,))))
    assert "whether it is ready" in str(refusal(replace(RECIPE, ready=Ask(Exec(("true",)), ""))))
    assert "does not run on a web host" in str(refusal(replace(RECIPE, targets=("cloud",))))
    assert "MySQL" in str(refusal(replace(RECIPE, databases=("postgresql",))))
    with pytest.raises(Refused, match="is no archive that PHP runs"):
        archive_of(replace(memo_want(), recipe=SMALL, version=SMALL.versions[0]))


def test_ways_that_need_no_command() -> None:
    want = memo_want()
    known = {**SLOTS, "php": "php"}
    assert asked(RECIPE.steps[1].ways[0], want, known, "x") == Script("app/htdocs/greet.php", b"twelve bytes")
    request = asked(RECIPE.steps[2].ways[0], want, known, "x")
    assert isinstance(request, Request)
    assert request.form == {"do": "admin", "name": "admin", "password": SECRETS["admin-password"]}
    assert asked(Http("GET", "/"), want, known, "x") == Request("/", {})
    assert masked(f"the password is {SECRETS['admin-password']}\x1b[0m", want) == "the password is ***\\x1b[0m"


def test_a_release_and_its_manifest() -> None:
    release = release_of(memo_want(), SERVER)
    assert release == release_of(memo_want(), replace(SERVER, password=None))
    assert release != release_of(memo_want(), replace(SERVER, name="another"))
    manifest = Manifest(release, "a", "t", "htdocs", {"htdocs/uploads": "uploads"})
    assert decode(encode(manifest), "here") == manifest
    for text, said in ((b"{", "is not a release's manifest"), (b'{"version": 2}', "written by another crmhost")):
        with pytest.raises(HostError, match=said):
            decode(text, "here")


def test_records_and_what_is_due() -> None:
    want, release = memo_want(), release_of(memo_want(), SERVER)
    none = records_of({"steps": [], "schema": None, "others": 0}, "acme")
    tried = records_of({"steps": [], "schema": None, "others": 0, "trial": ["acme_try", "0a"]}, "acme")
    assert (none.trial, tried.trial) == (None, ("acme_try", "0a"))
    assert [step.name for step in due_of(want, release, none).steps] == ["tables", "greet", "admin"]
    raw = {"steps": {"tables": ["finished", "r", "at"]}, "schema": ["memo", "1.0", "1"], "others": 2}
    assert [step.name for step in due_of(want, release, records_of(raw, "acme")).steps] == ["greet", "admin"]
    with pytest.raises(HostError, match="its records of steps read"):
        records_of({"steps": {"tables": ["perhaps"]}, "schema": None, "others": 0}, "acme")
    with pytest.raises(Refused, match="secrets set acme database-password"):
        database(replace(SERVER, password=None), "acme")
    assert "host-gave-this" not in repr(SERVER)


def test_a_site_and_the_one_above() -> None:
    assert Site("https://h.example/a/crm").above().url == "https://h.example/a"
    assert Site("https://h.example").above().url == "https://h.example"


def test_what_the_page_on_the_host_could_not_do_is_told_in_words() -> None:
    lists = re.findall(r"^\$(?:asks|works|moves) = \[(.*)\];$", page("t", 1, "work", "x").decode(), re.MULTILINE)
    assert sorted(re.findall(r"'(\w+)'", "".join(lists))) == sorted(TO)
    said = refused("records", "\x1b[31mno such table").what
    assert re.fullmatch(r"the page of crmhost on the host, asked to read the records of steps, says: .+ table", said)
    assert "\x1b" not in said
    assert stuck("fill").what == (
        "the page of crmhost on the host, asked to fill the database from a backup, does not get on within PHP's time"
        " for one request"
    )
