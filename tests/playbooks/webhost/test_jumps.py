"""A deploy through two jump hosts whose line is cut in mid-work: it is named, and the same command again converges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from crm.errors import HostError
from crm.plan import Event
from crmhost import deploy
from crmhost.deploy import Outcome
from playbooks.connect import Stop, connect_through
from playbooks.host import Host
from playbooks.keys import Ring
from playbooks.known_hosts import name_of
from playbooks.route import Place, nothing_said, route
from playbooks.webhost.driver import WebHostDriver
from tests.support.cable import Cable
from tests.support.deployments import PATIENT, QUIETLY, Customer
from tests.support.jumps import ME, Chain, chained

pytestmark = pytest.mark.slow


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    """Return two jump hosts."""
    with chained(tmp_path, 2) as made:
        yield made


@contextmanager
def reached(customer: Customer, chain: Chain, cable: Cable) -> Iterator[tuple[Host, tuple[Stop, ...]]]:
    """Reach the customer's host over both; the cable lies before the second."""
    jump = (f"{ME}@127.0.0.1:{chain.servers[0].port}", f"{ME}@127.0.0.1:{cable.port}")
    address = customer.box.address
    *jumps, last = route(Place(address.user, address.host, address.port, jump), nothing_said, chain.key, ME)
    way = (*jumps, replace(last, key=customer.box.key_file))
    with connect_through(way, chain.known, ring=Ring(), accept=lambda _stop, _shown: True) as host:
        yield host, way


def deployed(customer: Customer, host: Host, progress: Callable[[Event], None]) -> Outcome:
    driver = WebHostDriver(
        host, customer.contract, document_root=None, who="test@here", progress=progress, patience=PATIENT
    )
    return deploy.deploy(driver, customer.want(), replace(QUIETLY, progress=progress), confirm=lambda _: True)


@pytest.mark.parametrize("when", ["stage", "steps", "gate"])
def test_a_line_that_is_cut_is_named_and_the_same_command_again_converges(
    customer: Customer, chain: Chain, when: str
) -> None:
    with Cable(chain.servers[1].port) as cable:
        cuts: list[Event] = []

        def cut(event: Event) -> None:
            if event.phase == when and event.state == "begin" and not cuts:
                cuts.append(event)
                cable.cut()

        with reached(customer, chain, cable) as (host, way):
            with pytest.raises(HostError) as caught:
                deployed(customer, host, cut)
            assert way[1].title in caught.value.what, caught.value.what
            assert "same command again" in caught.value.remedy
        assert cuts
        assert way[2].pinned.startswith(name_of("127.0.0.1", customer.box.address.port) + "%")
        with reached(customer, chain, cable) as (host, _):
            assert deployed(customer, host, lambda _: None).did == "deployed"
        with reached(customer, chain, cable) as (host, _):
            assert deployed(customer, host, lambda _: None).did == "nothing"
