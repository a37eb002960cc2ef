"""What a deploy takes from a contract for each front of a web host, and the password that only the host can give."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from contract.model import Contract
from crm.errors import Refused
from crm.plan import Want
from crmhost.fresh import Fresh
from crmhost.target import Wish, with_given
from crmhost.vault import Vault, make_identity
from crmhost.want import early_order
from tests.support.contracts import HEAD, contract_of

LINES = HEAD.splitlines(keepends=True)
SERVER = "database: {kind: mysql, host: db7.web.example, port: 3307, name: acme_crm, user: acme}"


def contract(target: str) -> Contract:
    """Return a contract with this target."""
    return contract_of("".join(f"target: {target}\n" if line.startswith("target:") else line for line in LINES))


def test_each_front_orders_what_its_driver_takes() -> None:
    host = "{kind: webhost, host: web.example, user: acme"
    process = early_order(contract(f'{host}, listen: "127.0.0.1:8100"}}'), "acme.yaml")
    assert (process.front, process.database, process.slots["listen"]) == ("process", "sqlite", "127.0.0.1:8100")
    assert "dbname" not in process.slots
    passenger = early_order(contract(f"{host}, front: passenger, document-root: public_html}}"), "acme.yaml")
    assert (passenger.front, passenger.document_root, "listen" in passenger.slots) == (
        "passenger",
        "public_html",
        False,
    )
    php = early_order(contract(f"{host}, front: php, document-root: public_html, {SERVER}}}"), "acme.yaml")
    assert (php.front, php.database) == ("php", "mysql")
    given = {"dbhost": "db7.web.example", "dbport": "3307", "dbname": "acme_crm", "dbuser": "acme"}
    assert {name: value for name, value in php.slots.items() if name.startswith("db")} == given
    assert php.scratch == {}


def test_a_database_for_trials_is_where_the_customers_is_unless_it_says_otherwise() -> None:
    php = "{kind: webhost, host: web.example, user: acme, front: php, document-root: public_html, "
    given = {"dbhost": "db7.web.example", "dbport": "3307", "dbname": "acme_try", "dbuser": "trier"}
    for more, there in (
        ("", {}),
        (", host: db8.web.example, port: 3308", {"dbhost": "db8.web.example", "dbport": "3308"}),
    ):
        server = SERVER.replace("user: acme}", f"user: acme, scratch: {{name: acme_try, user: trier{more}}}}}")
        assert early_order(contract(f"{php}{server}}}"), "acme.yaml").scratch == {**given, **there}


def test_a_process_without_an_address_is_refused() -> None:
    with pytest.raises(Refused, match=r"target\.listen: is absent"):
        early_order(contract("{kind: webhost, host: web.example, user: acme}"), "acme.yaml")


def test_the_password_of_the_hosts_database_is_never_made_up(tmp_path: Path) -> None:
    key = tmp_path / "age.key"
    vault = Vault(tmp_path / "secrets", (make_identity(key),), {"CRMHOST_AGE_KEY_FILE": str(key)})
    fresh = Fresh(vault, "acme")
    order = SimpleNamespace(database="mysql", contract="acme", copied="", file="contracts/acme.yaml")
    wanted = Want("acme", cast("Any", None), "1.0", {}, {"admin-password": "made up"})
    wish = cast("Wish", SimpleNamespace(order=order, vault=lambda: vault, want=lambda _: wanted))
    with pytest.raises(Refused, match="lacks the password that the host gave") as failure:
        with_given(wish, fresh)
    assert failure.value.remedy == "Store it: crmhost secrets set acme database-password"
    assert vault.get("acme", "database-password") is None
    vault.set("acme", "database-password", "given")
    assert with_given(wish, fresh).secrets == {"admin-password": "made up", "database-password": "given"}

    copy = SimpleNamespace(database="mysql", contract="acme_try", copied="acme", file="contracts/acme.yaml")
    wish = cast("Wish", SimpleNamespace(order=copy, vault=lambda: vault, want=lambda _: wanted))
    with pytest.raises(Refused, match=r"target\.database\.scratch: the fleet lacks the password") as failure:
        with_given(wish, fresh)
    assert failure.value.remedy == "Store it: crmhost secrets set acme scratch-database-password"
    vault.set("acme", "scratch-database-password", "of the second")
    assert with_given(wish, fresh).secrets["database-password"] == "of the second"
