"""Where things lie, and what is refused before anything is asked."""

from dataclasses import replace

import pytest

from crm.errors import Refused
from crm.plan import Release
from crm.slots import Filled
from playbooks.manifest import Front, Manifest, Runs
from playbooks.webhost.layout import Layout, check_document_root, check_run
from playbooks.webhost.resources import nothing, serving
from playbooks.webhost.upkeep import stale

RELEASE = Release("creme", "2.8.6", "ab12cd34ef56" + "0" * 52, "2.8")


def test_everything_lies_below_the_accounts_folder() -> None:
    layout = Layout("/home/shop", "acme")
    mine = (layout.lock, layout.db, layout.log, layout.current, layout.run(RELEASE), layout.manifest(RELEASE.id))
    assert all(path.startswith("/home/shop/.crmhost/acme/") for path in mine)
    assert layout.artifact("77").startswith("/home/shop/.crmhost/artifacts/")
    assert layout.template("k") == "/home/shop/.crmhost/templates/k.sqlite3"


@pytest.mark.parametrize("name", ["artifacts", "templates", "../x", "a/b", "", ".", "Acme", "a b", "-x"])
def test_a_name_that_would_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="cannot be a folder"):
        Layout("/home/shop", name)


@pytest.mark.parametrize("root", ["/home/shop", "/home/shop/", "/", ".", "/home/shop/.crmhost", ".crmhost/acme/data"])
def test_a_document_root_that_holds_our_files_is_refused(root: str) -> None:
    with pytest.raises(Refused, match="document-root"):
        check_document_root(Layout("/home/shop", "acme"), root)


@pytest.mark.parametrize(
    "root", [None, "public_html", "/home/shop/public_html", "/var/www/shop", "/home/shop/.crmhost2"]
)
def test_a_document_root_beside_it_is_fine(root: str | None) -> None:
    check_document_root(Layout("/home/shop", "acme"), root)


def test_a_home_too_deep_for_a_socket_is_refused_with_the_arithmetic() -> None:
    check_run(Layout("/home/" + "x" * 20, "acme"), RELEASE)
    with pytest.raises(Refused, match=r"has \d+ bytes: the path of a unix socket"):
        check_run(Layout("/home/" + "x" * 60, "acme"), RELEASE)


@pytest.mark.parametrize("front", ["passenger", "php"])
def test_a_copy_never_touches_what_leads_the_customers_requests(front: Front) -> None:
    customers = Layout("/home/shop", "acme", front, "public_html")
    trial = Runs("web", Filled(("python",), {}, "/"), 5)
    manifest = Manifest(RELEASE, "77", "", (), trial, (), front, customers.served)
    of_customer = [one.id for one in nothing(customers, [manifest]) if one.id.startswith("door:")]
    assert "door:public_html/.htaccess" in of_customer
    copy = replace(customers, contract="acme_try")
    of_copy = (*nothing(copy, [manifest]), *serving(copy, manifest, [manifest]))
    assert [one.id for one in of_copy if one.id.startswith("door:")] == []
    assert "restart.txt" not in stale(copy, manifest).text
