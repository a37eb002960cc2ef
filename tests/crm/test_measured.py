"""What is only measured: it is listed, a contract of it can be written, and nothing of it is deployed."""

from __future__ import annotations

import pytest

from contract.model import Saas
from contract.scaffold import Options, scaffold
from crm.catalogue import all_measured, find, find_any
from crm.errors import Refused
from crm.measured import MEASURED, Measured, explain_measured
from tests.support.contracts import contract_of

SERVICES = list(MEASURED.values())


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.id)
def test_a_contract_of_it_has_no_version_and_says_what_is_good(service: Measured) -> None:
    url = service.url or "https://crm.acme.example/"
    sets = (("monitor.path", service.path), ("monitor.expect.status", str(service.status)))
    options = Options(recipe=service.id, version="", target="saas", url=url, sets=sets)
    contract = contract_of(scaffold("acme", options))
    assert contract.crm.version == ""
    assert isinstance(contract.target, Saas)
    assert contract.monitor.expect.status == service.status == 200


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.id)
def test_it_can_be_explained_and_not_be_deployed(service: Measured) -> None:
    rows = dict(explain_measured(service))
    assert all(answer.strip() for answer in rows.values())
    assert rows["suits"].endswith("never deployed")
    assert service.evidence.startswith(("run:", "read:", "believed:"))
    assert find_any(service.id) is service
    with pytest.raises(Refused) as refused:
        find(service.id)
    assert refused.value.what == (
        f"crm.recipe: {service.title} ({service.id}) is a service that others run; crmhost only measures it"
    )


def test_they_are_listed_in_order() -> None:
    assert [service.id for service in all_measured()] == ["fxiaoke", "http", "zoho"]
