"""Where things lie, and what is refused before anything is asked."""

import pytest

from crm.errors import Refused
from crm.plan import Release
from playbooks.webhost.layout import Layout, check_document_root, check_run

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
