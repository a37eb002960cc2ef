"""Two databases that must be taken for one, since a copy's is emptied: rather one too many than one too few."""

from __future__ import annotations

import pytest

from contract.given import same_database


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("localhost", "acme_crm"), ("localhost", "acme_crm"), True),
        (("localhost", "acme_crm"), ("localhost", "acme_try"), False),
        (("localhost", "acme_crm"), ("127.0.0.1", "ACME_CRM"), True),
        (("LocalHost.", "acme_crm"), ("::1", "acme_crm"), True),
        (("localhost.localdomain", "acme_crm"), ("127.0.1.1", "acme_crm"), True),
        (("db7.web.example", "acme_crm"), ("DB7.web.example.", "acme_crm"), True),
        (("2001:db8::1", "acme_crm"), ("2001:0db8:0::1", "acme_crm"), True),
        (("db7.web.example", "acme_crm"), ("db8.web.example", "acme_crm"), False),
    ],
)
def test_hosts_and_names_are_compared_as_servers_do(one: tuple[str, str], other: tuple[str, str], same: bool) -> None:
    assert same_database(one, other) is same
    assert same_database(other, one) is same
