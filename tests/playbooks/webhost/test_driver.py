"""A contract's whole life on a web host, over SSH, with a real application."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm.errors import GateFailed, HostError, LockHeld, Refused
from crm.plan import Event, Want
from crm.recipe import PipLock
from crmhost import deploy
from crmhost.sandbox.host import Sandbox
from crmhost.sandbox.server import Faults
from playbooks import journal
from tests.support.deployments import (
    Customer,
    by_resource,
    everything_in,
    lend_artifacts,
    quick_public,
    spare_port,
)
from tests.support.hosts import until
from tests.support.smallapp.recipe import RECIPE
from tests.support.wants import SECRETS

pytestmark = pytest.mark.slow
MINUTE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def gone(pid: int) -> bool:
    """Tell whether a process has ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def locked(customer: Customer) -> bool:
    """Tell whether somebody holds the contract's lock."""
    return subprocess.run(["flock", "-n", customer.layout.lock, "true"], check=False).returncode != 0


def fail_in_public(_want: Want) -> None:
    raise GateFailed("502")


def test_a_first_deploy_serves_and_the_plan_after_it_is_empty(customer: Customer) -> None:
    before = customer.plan()
    assert before.serving is None
    assert "step:schema" in by_resource(before)
    outcome = customer.deploy()
    assert (outcome.did, outcome.release) == ("deployed", before.release.id)
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.log_in("root", "root") is None
    customer.write("hello")
    after = customer.plan()
    assert after.changes == ()
    assert after.notes == ()
    assert after.serving == before.release.id
    assert after.resources == before.resources > 20
    assert customer.deploy().did == "nothing"
    with customer.driver() as driver:
        status = driver.status(customer.want())
        assert (status.serving, status.users, status.holder) == (before.release.id, 1, None)
        assert [(name, state) for name, state, _ in status.processes] == [("web", "up"), ("worker", "up")]
        assert any("/ready" in line for line in driver.logs("web", 50))
        with pytest.raises(Refused, match="no process 'database'"):
            list(driver.logs("database", 5))
    assert customer.notes() == ["hello"]


def test_what_is_private_on_the_host_is_private_to_the_account(customer: Customer) -> None:
    customer.deploy()
    for path, _ in everything_in(customer.root):
        assert path.stat().st_mode & 0o077 == 0, path
    assert customer.root.parent.stat().st_mode & 0o077 == 0


def test_a_hand_edit_shows_as_that_one_resource_and_is_mended_with_a_restart(customer: Customer) -> None:
    customer.deploy()
    config, pid = customer.release / "site.conf", customer.pid("web")
    good = config.read_text()
    config.write_text(good.replace("language = vi", "language = fa"))
    (change,) = customer.plan().changes
    assert change.resource == f"file:{config.relative_to(customer.box.home)}"
    assert (change.action, change.disrupts) == ("update", "restart")
    customer.deploy()
    assert config.read_text() == good
    assert gone(pid)
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.plan().changes == ()


def test_a_hand_edit_of_a_secret_names_the_secret_and_shows_nothing_of_it(customer: Customer) -> None:
    customer.deploy()
    (customer.release / "secret-key").write_text("guessed")
    (change,) = customer.plan().changes
    assert "with the secrets: secret-key" in change.diff
    assert SECRETS["secret-key"] not in repr(change)
    customer.deploy()
    assert (customer.release / "secret-key").read_text() == SECRETS["secret-key"]


def test_a_mend_that_was_cut_off_still_ends_in_a_restart(customer: Customer) -> None:
    customer.deploy()
    (customer.release / "site.conf").write_text("broken")
    pid = customer.pid("web")

    def stop(event: Event) -> None:
        if event.subject.endswith("site.conf") and event.state == "done":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        customer.deploy(progress=stop)
    assert sorted(by_resource(customer.plan())) == [f"process:.crmhost/acme/run/{name}" for name in ("web", "worker")]
    customer.deploy()
    assert gone(pid)
    assert customer.plan().changes == ()


def test_a_process_that_died_is_planned_and_started_again(customer: Customer) -> None:
    customer.deploy()
    os.killpg(customer.pid("web"), signal.SIGKILL)
    until(lambda: customer.get() == "down", "the web process ends")
    (change,) = customer.plan().changes
    assert (change.resource, change.action) == ("process:.crmhost/acme/run/web", "start")
    events: list[Event] = []
    customer.deploy(progress=events.append)
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.plan().changes == ()


def test_the_scheduler_starts_what_is_down_and_runs_jobs_and_holds_no_lock(customer: Customer) -> None:
    customer.deploy()
    for name in ("web", "worker"):
        os.killpg(customer.pid(name), signal.SIGKILL)
    until(lambda: customer.get() == "down", "the web process ends")
    assert customer.box.tick(MINUTE) == 2
    until(lambda: customer.get().startswith("200 ready"), "the scheduler starts the web process")
    until(lambda: ("job",) in customer.ask("select source from beat"), "the job runs")
    until(lambda: customer.plan().changes == (), "the scheduler starts the worker")
    keeper = f"{customer.layout.runs}/keep.cron"
    until(lambda: subprocess.run(["flock", "-n", keeper, "true"], check=False).returncode == 0, "the keeper ends")
    first = customer.pid("web")
    os.killpg(customer.pid("worker"), signal.SIGKILL)
    customer.box.tick(MINUTE)
    until(lambda: customer.plan().changes == (), "the scheduler starts the worker while the web process is up")
    assert customer.pid("web") == first
    assert customer.deploy("1.1").did == "deployed"


def test_a_host_without_cron_is_said_so_and_served_all_the_same(artifacts: Path, tmp_path: Path) -> None:
    path = os.environ["PATH"]
    tools = tmp_path / "tools"
    tools.mkdir()
    for folder in path.split(os.pathsep):
        for tool in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if tool.name != "crontab" and not (tools / tool.name).exists():
                (tools / tool.name).symlink_to(tool)
    profile = f"PATH={tools}; export PATH"
    with (
        tempfile.TemporaryDirectory(prefix="crmhost-") as root,
        Sandbox(Path(root), cron=False, profile=profile) as box,
    ):
        lend_artifacts(artifacts, box)
        customer = Customer(box)
        plan = customer.plan()
        (note,) = plan.notes
        assert note.startswith("this host has no cron: after a reboot or crash nothing restarts acme until the next")
        assert note.endswith("; its jobs never run: beat")
        assert not any(name.startswith("cron:") for name in by_resource(plan))
        customer.deploy()
        assert customer.get() == "200 ready 1.0, 1 accounts"
        assert customer.plan().changes == ()


def test_another_version_takes_over_keeps_the_data_and_can_be_gone_back_from(customer: Customer) -> None:
    first = customer.deploy().release
    customer.write("before")
    second = customer.deploy("1.1").release
    assert customer.get() == "200 ready 1.1, 1 accounts"
    assert "step:admin" not in by_resource(customer.plan("1.0"))
    outcome = customer.rollback(version="1.1")
    assert (outcome.did, outcome.release) == ("rolled back", first)
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.notes() == ["before"]
    assert customer.plan("1.0").changes == ()
    assert customer.rollback("1.1").release == second
    assert customer.get() == "200 ready 1.1, 1 accounts"


def test_old_releases_go_and_the_last_three_stay(customer: Customer) -> None:
    languages = ("vi", "fa", "zh", "en", "fr")
    ids = [customer.deploy(language=language).release for language in languages]
    assert sorted(path.name for path in Path(customer.layout.releases).iterdir()) == sorted(map(str, ids[-3:]))
    assert len(list(Path(customer.layout.runs).glob("*/"))) == 3
    derived = customer.ask("select name from crmhost_steps where name like 'derive@%'")
    assert sorted(derived) == sorted((f"derive@{name}",) for name in ids[-3:])
    customer.deploy(language="vi")
    assert (customer.release / "static" / "style.css").exists()


def test_a_release_whose_gate_fails_never_serves(customer: Customer) -> None:
    old = customer.deploy().release
    customer.write("kept")
    pid = customer.pid("web")
    with pytest.raises(GateFailed) as failure:
        customer.deploy("broken")
    assert "the candidate smallapp-broken-" in failure.value.what
    assert "not ready broken" in failure.value.what
    assert "its log ends with:" in failure.value.what
    assert '"GET /ready HTTP/1.1" 500' in failure.value.what
    assert failure.value.remedy == f"{old} still serves; the candidate is kept for inspection."
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.pid("web") == pid
    assert customer.plan().changes == ()
    kept = [path.name for path in Path(customer.layout.releases).iterdir()]
    assert any(name.startswith("smallapp-broken-") for name in kept)
    with pytest.raises(Refused, match="there is no release to go back to"):
        customer.rollback()
    customer.deploy("1.1")
    assert not any(path.name.startswith("smallapp-broken-") for path in Path(customer.layout.releases).iterdir())


def test_a_first_release_whose_gate_fails_leaves_nothing_serving(customer: Customer) -> None:
    customer.fault("web")
    with pytest.raises(
        GateFailed, match=r"did not become ready: its process ended with exit 1; .*\n.*told to end"
    ) as f:
        customer.deploy()
    assert "nothing serves now" in f.value.remedy
    assert customer.get() == "down"
    assert not Path(customer.layout.current).exists()


def test_a_release_that_cannot_have_its_address_goes_back_to_the_one_before(customer: Customer) -> None:
    old = customer.deploy().release
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        other = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(GateFailed, match=r"did not start: .*process:\.crmhost/acme/run/web failed") as failure:
            customer.deploy("1.1", listen=other)
    assert failure.value.remedy == f"{old} serves again."
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.plan().changes == ()


def test_a_release_that_nobody_sees_in_public_goes_back_to_the_one_before(customer: Customer) -> None:
    old = customer.deploy().release
    with pytest.raises(GateFailed, match="not at its public URL: 502") as failure:
        customer.deploy("1.1", public=fail_in_public)
    assert failure.value.remedy == f"{old} serves again."
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.plan().changes == ()


def test_a_first_release_that_nobody_sees_in_public_is_taken_back(customer: Customer) -> None:
    with pytest.raises(GateFailed) as failure:
        customer.deploy(public=fail_in_public)
    assert "nothing serves" in failure.value.remedy
    assert customer.get() == "down"
    assert (
        "crmhost" not in (customer.box.home / ".crontab").read_text()
        if (customer.box.home / ".crontab").exists()
        else True
    )
    assert customer.deploy().did == "deployed"


def test_a_deploy_cut_off_before_its_public_gate_is_not_taken_for_proven(customer: Customer) -> None:
    def cut(_want: Want) -> None:
        raise KeyboardInterrupt

    old = customer.deploy().release
    with pytest.raises(KeyboardInterrupt):
        customer.deploy("1.1", public=cut)
    (change,) = customer.plan("1.1").changes
    assert change.resource.startswith("gate:smallapp-1.1-")
    with pytest.raises(GateFailed) as failure:
        customer.deploy("1.1", public=fail_in_public)
    assert failure.value.remedy == f"{old} serves again."
    assert customer.deploy("1.1").did == "deployed"
    assert customer.plan("1.1").changes == ()


def test_another_schema_is_refused_before_anything_is_done(customer: Customer) -> None:
    customer.deploy()
    before = sorted(Path(customer.layout.releases).iterdir())
    with pytest.raises(
        Refused, match=r"needs schema 2, the database of acme has schema 1 .*does not upgrade"
    ) as failure:
        customer.deploy("2.0")
    assert "nothing was done" in failure.value.remedy
    assert sorted(Path(customer.layout.releases).iterdir()) == before


def test_an_interrupted_schema_begins_anew_and_says_so(customer: Customer) -> None:
    fault = customer.fault("init")
    with pytest.raises(HostError, match="step schema did not print"):
        customer.deploy()
    assert customer.get() == "down"
    fault.unlink()
    reset = by_resource(customer.plan())["database:acme"]
    assert (reset.action, reset.disrupts) == ("replace", "data")
    customer.deploy()
    assert customer.get() == "200 ready 1.0, 1 accounts"


def test_a_step_that_must_not_run_twice_stops_plan_and_deploy(customer: Customer) -> None:
    customer.deploy()
    with closing(sqlite3.connect(customer.layout.db, isolation_level=None)) as db:
        db.execute("update crmhost_steps set state = 'started' where name = 'register'")
    for act in (customer.plan, customer.deploy):
        with pytest.raises(HostError, match="step register was begun and not finished"):
            act()
    assert customer.get() == "200 ready 1.0, 1 accounts"


def test_a_second_customer_begins_from_the_template_which_holds_no_secret(customer: Customer) -> None:
    customer.deploy()
    (template,) = Path(customer.layout.templates).iterdir()
    for secret in SECRETS.values():
        assert secret.encode() not in template.read_bytes()
    with closing(sqlite3.connect(template)) as db:
        assert db.execute("select name from account").fetchall() == [("root",)]
        assert db.execute("select name from crmhost_steps order by name").fetchall() == [("schema",), ("seed",)]
    other = Customer(customer.box, "globex")
    plan = by_resource(other.plan())
    assert "step:schema" not in plan
    assert plan["database:.crmhost/globex/data/db.sqlite3"].diff == (
        "+ from the template of this version, initialised before",
    )
    other.deploy()
    assert other.get() == "200 ready 1.0, 1 accounts"
    assert other.log_in("root", "root") is None
    other.write("mine")
    assert customer.notes() == []
    third = Customer(customer.box, "initech")
    assert "step:schema" in by_resource(third.plan(language="fa"))


def test_destroy_leaves_nothing_and_may_be_run_again(customer: Customer) -> None:
    customer.deploy()
    customer.deploy("1.1")
    (customer.box.home / "public_html").mkdir()
    running = customer.box.running
    assert running
    customer.destroy()
    assert customer.get() == "down"
    assert [path.name for path in customer.box.home.iterdir() if path.name != "public_html"] == []
    until(lambda: not customer.box.running, "every process has ended")
    assert customer.destroy().did == "destroyed"
    assert not (customer.box.home / ".crmhost").exists()


def test_destroy_leaves_the_other_contracts_of_the_account_alone(customer: Customer) -> None:
    other = Customer(customer.box, "globex")
    customer.deploy()
    other.deploy()
    customer.destroy()
    assert not customer.root.exists()
    assert other.get() == "200 ready 1.0, 1 accounts"
    assert other.plan().changes == ()
    assert other.box.tick(MINUTE) == 2


def test_data_that_was_kept_is_served_again(customer: Customer, artifacts: Path) -> None:
    customer.deploy()
    customer.write("precious")
    customer.destroy(keep_data=True)
    assert [path.name for path in customer.root.iterdir()] == ["data"]
    lend_artifacts(artifacts, customer.box)
    customer.deploy()
    assert customer.notes() == ["precious"]
    assert customer.get("/static/style.css").startswith("200 /* 1.0")


def test_of_two_deploys_at_once_the_second_names_step_and_holder(customer: Customer) -> None:
    held, go_on = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def wait(event: Event) -> None:
        if (event.phase, event.subject, event.state) == ("steps", "seed", "begin"):
            held.set()
            go_on.wait(60)

    def first() -> None:
        try:
            customer.deploy(progress=wait)
        except BaseException as error:  # noqa: BLE001 - the test shows it
            raised.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(60)
    with pytest.raises(LockHeld, match=r"at work on acme: test@here: deploy smallapp-1\.0-"):
        customer.deploy()
    with customer.driver() as driver:
        holder = driver.status(customer.want()).holder
    assert holder is not None
    assert "test@here: deploy smallapp-1.0-" in holder
    go_on.set()
    thread.join(60)
    assert raised == []
    assert customer.plan().changes == ()


def test_a_command_runs_as_the_application_does(customer: Customer, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    customer.deploy()
    code = "import os, sys; print(os.getcwd()); print('err', file=sys.stderr); print(sys.argv[1:], end=''); sys.exit(7)"
    with customer.driver() as driver:
        assert driver.exec(customer.want(), ["python", "-c", code, "a b", "$HOME", "'"]) == 7
    out = capfdbinary.readouterr().out.decode().splitlines()
    assert sorted(out) == sorted([str(customer.release), "err", "['a b', '$HOME', \"'\"]"])


def test_no_secret_is_anywhere_but_where_it_belongs(customer: Customer) -> None:
    seen: list[str] = []
    stop = threading.Event()

    def sample() -> None:
        while not stop.is_set():
            for pid in Path("/proc").glob("[0-9]*"):
                try:
                    text = (pid / "cmdline").read_bytes() + b"\0" + (pid / "environ").read_bytes()
                except OSError:
                    continue
                seen.extend(name for name, secret in SECRETS.items() if secret.encode() in text)
            stop.wait(0.005)

    events: list[Event] = []
    shown = [repr(customer.plan())]
    thread = threading.Thread(target=sample)
    thread.start()
    customer.deploy(progress=events.append)
    stop.set()
    thread.join()
    assert seen == []
    with customer.driver() as driver:
        shown += [*driver.logs("steps", 500), *driver.logs("web", 500), repr(driver.status(customer.want()))]
    shown += [repr(events), repr(customer.want())]
    entries = journal.read((customer.root / "journal").read_bytes())
    assert len(entries) > 40
    for secret in SECRETS.values():
        assert secret not in "\n".join(shown)
        places = [
            str(path.relative_to(customer.root))
            for path, data in everything_in(customer.root)
            if secret.encode() in data
        ]
        assert [path for path in places if not path.endswith("/secret-key")] == []


def test_a_python_that_is_too_old_is_named_and_nothing_is_switched(box: Sandbox) -> None:
    lock = PipLock("# needs a future\n", ((3, 98), (3, 99)))
    customer = Customer(box, recipe=replace(RECIPE, artifacts={**RECIPE.artifacts, "1.0": lock}))
    running = ".".join(map(str, sys.version_info[:2]))
    with pytest.raises(HostError, match=rf"no usable Python from 3\.98 to 3\.98.* is {running}"):
        customer.deploy()
    assert not Path(customer.layout.current).exists()
    customer.destroy()
    assert list(box.home.iterdir()) == []


def test_a_home_that_cannot_be_written_to_is_one_clear_error(customer: Customer) -> None:
    shutil.rmtree(customer.box.home / ".crmhost")
    (customer.box.home / ".crmhost").write_text("in the way")
    with pytest.raises(HostError, match=r"cannot lock ~/\.crmhost/acme: .*\.crmhost"):
        customer.deploy()


@pytest.mark.parametrize("fault", [Faults(cut_after=4000), Faults(full_after=4000)])
def test_an_upload_that_breaks_off_switches_nothing_and_the_next_one_finishes(
    customer: Customer, fault: Faults
) -> None:
    old = customer.deploy().release
    customer.write("kept")
    customer.box.faults = fault
    with pytest.raises(HostError, match=r"the connection was lost|cannot write files|No space left"):
        customer.deploy("1.1")
    customer.box.faults = Faults()
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.plan().serving == old
    until(lambda: not locked(customer), "the lock is free")
    assert customer.deploy("1.1").did == "deployed"
    assert customer.notes() == ["kept"]
    assert customer.plan("1.1").changes == ()


def test_a_switch_is_short(customer: Customer) -> None:
    """A request that comes between the two web processes is refused; the gap is a second or two, and not more."""
    customer.deploy()
    gaps: list[float] = []
    stop = threading.Event()

    def poll() -> None:
        down_since: float | None = None
        while not stop.is_set():
            now, up = time.monotonic(), customer.get("/live").startswith("200")
            if not up and down_since is None:
                down_since = now
            if up and down_since is not None:
                gaps.append(now - down_since)
                down_since = None
            stop.wait(0.005)

    thread = threading.Thread(target=poll)
    thread.start()
    customer.deploy("1.1")
    stop.set()
    thread.join()
    assert sum(gaps) < 5


def test_a_document_root_that_leads_to_our_folder_is_refused(customer: Customer) -> None:
    (customer.box.home / "public_html").symlink_to(".crmhost")
    with customer.driver() as driver:
        driver._document_root = "public_html"  # noqa: SLF001 - what the contract says
        with pytest.raises(Refused, match="lie in one another"):
            deploy.plan(driver, customer.want())


def test_two_customers_of_one_account_deploy_at_once(customer: Customer) -> None:
    others = [customer, Customer(customer.box, "globex", spare_port())]
    failures: list[BaseException] = []

    def run(one: Customer) -> None:
        try:
            one.deploy(public=quick_public)
        except BaseException as error:  # noqa: BLE001 - the test shows it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    for one in others:
        assert one.get() == "200 ready 1.0, 1 accounts"
        assert one.plan().changes == ()
