"""A customer's stack on a real engine, through the real Pulumi: made, looked at, changed, refused, removed."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from crm.errors import CrmhostError, HostError, Refused
from infra.engine.reach import Reach
from infra.rollout import Placed, Rollout
from infra.stack import Stack
from tests.support.stacks import PASSPHRASE, SECRET, Customer, Make, Told, silent
from tests.support.until import until

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Standing:
    """A customer with one release and redis, and what was told while he came to be."""

    customer: Customer
    release: Placed
    rollout: Rollout
    told: Told

    def name(self, process: str) -> str:
        return f"crmhost-{self.customer.contract}-{self.release.tag}-{process}"


@pytest.fixture(scope="module")
def standing(new_customer: Make) -> Iterator[Standing]:
    one = new_customer()
    release = one.release("1.0", "a", "a")
    rollout = one.rollout(release, serving=release, redis=True)
    told = Told()
    assert {change.action for change in one.stack.preview(rollout)} == {"create"}
    assert not one.access.folder.exists(), "a preview makes nothing"
    one.stack.up(rollout, progress=told)
    yield Standing(one, release, rollout, told)
    one.sweep()


def answer(customer: Customer, placed: Placed) -> str:
    """Ask a release's web container for its page, from inside."""
    page = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/').read().decode())"
    container = f"crmhost-{customer.contract}-{placed.tag}-web"
    return until(lambda: customer.said(container, "python3", "-c", page), "the page", 20) or ""


def test_what_was_asked_for_is_there_and_was_told_of(standing: Standing) -> None:
    contract = standing.customer.contract
    states = standing.customer.containers()
    assert {name for name, state in states.items() if state == "exited"} == {
        f"crmhost-{contract}-db-files",
        standing.name("files"),
    }
    assert {name for name, state in states.items() if state == "running"} == {
        f"crmhost-{contract}-db",
        f"crmhost-{contract}-redis",
        standing.name("web"),
        standing.name("jobs"),
    }
    assert {f"container:{name}" for name in states} <= standing.told.subjects()
    assert all(event.seconds is not None for event in standing.told.events if event.state == "done")
    assert SECRET in answer(standing.customer, standing.release)


def test_it_is_recorded_and_nothing_is_to_be_done(standing: Standing) -> None:
    stack = standing.customer.stack
    assert stack.recorded(secrets=True) == standing.rollout
    assert stack.recorded() != standing.rollout, "without the passphrase's use no content of a file is known"
    assert stack.pending() == ()
    assert stack.preview(standing.rollout) == ()
    assert stack.preview(standing.rollout, refresh=True) == ()


def test_a_customers_database_asks_for_a_password_on_the_network_and_for_none_inside(standing: Standing) -> None:
    database = f"crmhost-{standing.customer.contract}-db"
    ask = ("psql", "-XAtd", "crm", "-c", "SELECT current_user")
    until(lambda: standing.customer.said(database, *ask), "the database", 20)
    assert standing.customer.say(database, *ask, user="postgres") == "postgres\n"
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'crm'"
    assert standing.customer.say(database, "psql", "-XAtd", "crm", "-c", owner) == "crm\n"
    over = ("psql", "-XAt", "-h", "db", "-U", "crm", "-d", "crm", "-c", "SELECT 1")
    assert standing.customer.said(database, *over, "-w") is None
    with_password = ("env", f"PGPASSWORD={SECRET}-password", *over)
    assert standing.customer.say(database, *with_password) == "1\n"


def test_no_secret_is_where_it_could_be_read(standing: Standing) -> None:
    customer = standing.customer
    for name in customer.containers():
        assert SECRET not in json.dumps(customer.inspect(name)), name
    assert SECRET not in repr(standing.told.events)
    found = [path for path in customer.fleet.rglob("*") if path.is_file()]
    assert len(found) > 10
    for path in found:
        content = path.read_bytes()
        whole = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        assert SECRET.encode() not in whole, path
        assert PASSPHRASE.encode() not in whole, path
    assert SECRET not in json.dumps(customer.stack.export())


def test_the_same_again_changes_nothing(standing: Standing) -> None:
    before = {name: standing.customer.inspect(name)["Id"] for name in standing.customer.containers()}
    told = Told()
    standing.customer.stack.up(standing.rollout, progress=told)
    assert told.events == []
    assert {name: standing.customer.inspect(name)["Id"] for name in standing.customer.containers()} == before


def by_hand(customer: Customer, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run `pulumi` in the stack's folder as a person would: crmhost's environment activated, and the passphrase."""
    folders = (str(Path(sys.executable).parent), str(customer.access.pulumi), customer.access.environment["PATH"])
    environment = {
        "PATH": os.pathsep.join(folders),
        "HOME": str(customer.fleet),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    return subprocess.run(
        [customer.access.pulumi / "pulumi", *argv, "--stack", customer.contract, "--non-interactive"],
        cwd=customer.access.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_pulumi_by_hand_finds_nothing_to_do_either(standing: Standing) -> None:
    done = by_hand(standing.customer, "preview", "--expect-no-changes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unchanged" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_pulumi_by_hand_refuses_a_version_that_only_a_deploy_can_bring(standing: Standing) -> None:
    contract = standing.customer.fleet / "contracts" / f"{standing.customer.contract}.yaml"
    contract.parent.mkdir()
    contract.write_text(
        f"contract: {standing.customer.contract}\n"
        "customer: {name: ACME, language: en, contacts: [{role: operations, email: it@acme.example}]}\n"
        "crm: {recipe: tiny, version: 1.1, url: https://crm.acme.example/}\n"
        "target: {kind: webhost, host: host.example, user: u, listen: 127.0.0.1:8100}\n"
        "term: {signed: 2026-01-10, lasts: 1 year}\n"
    )
    try:
        done = by_hand(standing.customer, "preview")
    finally:
        contract.unlink()
    assert done.returncode != 0
    assert "use `crmhost deploy" in done.stdout
    assert "the contract orders 1.1, the stack was last asked to hold 1.0" in done.stdout


def test_another_host_is_refused_and_the_way_there_is_named(standing: Standing) -> None:
    elsewhere = replace(standing.customer.settings, reach=Reach("ssh://deploy@other.example"))
    stack = Stack(standing.customer.access, standing.customer.contract, elsewhere)
    for ask in (lambda: stack.preview(standing.rollout), lambda: stack.up(standing.rollout, progress=silent)):
        with pytest.raises(Refused, match=r"the stack is on unix://.*, the contract says ssh://") as error:
            ask()
        assert "crmhost backup" in error.value.remedy


def test_another_passphrase_is_one_error_with_a_remedy(standing: Standing) -> None:
    access = replace(standing.customer.access, passphrase=PASSPHRASE[::-1])
    stack = Stack(access, standing.customer.contract, standing.customer.settings)
    for ask in (
        lambda: stack.recorded(secrets=True),
        lambda: stack.preview(standing.rollout),
        lambda: stack.up(standing.rollout, progress=silent),
    ):
        with pytest.raises(CrmhostError, match="passphrase") as error:
            ask()
        assert error.value.remedy


def test_a_provider_that_is_nowhere_is_one_error_with_a_remedy(standing: Standing) -> None:
    environment = {"PATH": os.defpath, "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
    stack = Stack(
        replace(standing.customer.access, environment=environment),
        standing.customer.contract,
        standing.customer.settings,
    )
    with pytest.raises(CrmhostError, match="pulumi-resource-docker") as error:
        stack.preview(replace(standing.rollout, redis=None))
    assert "crmhost doctor" in error.value.remedy


def test_what_docker_was_made_to_do_by_hand_is_named_and_mended(standing: Standing) -> None:
    customer, api = standing.customer, standing.customer.client.api
    jobs, redis = standing.name("jobs"), f"crmhost-{customer.contract}-redis"
    api.stop(jobs, timeout=0)
    api.remove_container(redis, force=True)
    api.update_container(standing.name("web"), mem_limit=96 << 20, memswap_limit=96 << 20)
    assert customer.stack.preview(standing.rollout) == (), "Pulumi alone does not look"
    changes = {change.resource: change for change in customer.stack.preview(standing.rollout, refresh=True)}
    assert changes.keys() >= {f"container:{redis}", f"container:{standing.name('web')}"}
    assert any("memory: 96 → 64" in line for line in changes[f"container:{standing.name('web')}"].diff)
    customer.stack.up(standing.rollout, progress=silent, refresh=True)
    assert customer.containers()[jobs] == customer.containers()[redis] == "running"
    assert customer.inspect(standing.name("web"))["HostConfig"]["Memory"] == 64 << 20
    assert customer.stack.preview(standing.rollout, refresh=True) == ()


def test_a_name_that_somebody_else_took_is_one_error_and_goes_on_when_it_is_free(acme: Customer) -> None:
    release = acme.release("1.0", "a", "a")
    rollout = acme.rollout(release, serving=release)
    web = f"crmhost-{acme.contract}-{release.tag}-web"
    acme.client.api.create_container(acme.settings.images.python, ["sleep", "9"], name=web)
    try:
        with pytest.raises(HostError, match=f"there is a container {web} that this stack did not make") as error:
            acme.stack.up(rollout, progress=silent)
    finally:
        acme.client.api.remove_container(web, force=True)
    assert f"docker -H {acme.settings.reach.url} rm -f {web}" in error.value.remedy
    acme.stack.up(rollout, progress=silent)
    assert acme.containers()[web] == "running"


def test_an_upgrade_and_what_stays_of_a_customer(acme: Customer) -> None:
    old, new = acme.release("1.0", "a", "a"), acme.release("1.1", "b", "b")
    acme.stack.up(acme.rollout(old, serving=old), progress=silent)
    serving = {name: acme.inspect(name)["Id"] for name in acme.containers()}

    acme.stack.up(acme.rollout(old, new, serving=old), progress=silent)
    now = {name: acme.inspect(name)["Id"] for name in acme.containers()}
    assert serving.items() <= now.items(), "what serves is not touched"
    assert {name.rpartition("-")[2] for name in now.keys() - serving.keys()} == {"files", "web"}
    assert "1.1" in answer(acme, new)

    changes = {change.resource: change.action for change in acme.stack.preview(acme.rollout(new, serving=new))}
    assert changes[f"container:crmhost-{acme.contract}-{old.tag}-web"] == "delete", "also while it is protected"
    acme.stack.up(acme.rollout(new, serving=new), progress=silent)
    assert not [name for name in (*acme.containers(), *acme.volumes()) if old.tag in name]

    database = f"crmhost-{acme.contract}-db"
    until(lambda: acme.said(database, "psql", "-Xd", "crm", "-c", "SELECT 1"), "the database", 20)
    acme.say(database, "psql", "-Xd", "crm", "-c", "CREATE TABLE kept AS SELECT 42 AS answer")
    acme.stack.destroy(keep_data=True, progress=silent)
    assert acme.containers() == {}
    assert acme.volumes() == {f"crmhost-{acme.contract}-db", f"crmhost-{acme.contract}-data"}
    left = acme.stack.recorded()
    assert left is not None
    assert left.releases == ()

    acme.stack.up(acme.rollout(new, serving=new), progress=silent)
    until(lambda: acme.said(database, "psql", "-Xd", "crm", "-c", "SELECT 1"), "the database", 20)
    assert acme.say(database, "psql", "-XAtd", "crm", "-c", "SELECT answer FROM kept") == "42\n"

    acme.stack.destroy(keep_data=False, progress=silent)
    acme.stack.destroy(keep_data=False, progress=silent)
    assert (dict(acme.containers()), acme.volumes(), acme.networks()) == ({}, set(), set())
    assert not [path for path in acme.fleet.rglob(f"*{acme.contract}*") if path.is_file() and path.suffix != ".log"]
