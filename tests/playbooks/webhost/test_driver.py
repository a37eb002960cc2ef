"""A contract that converges on a web host: first deploy, hand edits, dead processes, the scheduler."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm.errors import Refused
from crm.plan import Event
from crmhost.sandbox.host import Sandbox
from playbooks import journal
from tests.support.deployments import (
    Customer,
    by_resource,
    everything_in,
    lend_artifacts,
)
from tests.support.hosts import until
from tests.support.wants import SECRETS

pytestmark = pytest.mark.slow
MINUTE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def gone(pid: int) -> bool:
    """Tell whether a process has ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


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


def test_the_host_says_which_secrets_its_releases_were_made_with(customer: Customer) -> None:
    asked = frozenset({"secret-key", "of-a-newer-recipe"})
    with customer.driver() as driver:
        assert driver.made_with(customer.want(), asked) == frozenset()
        customer.deploy()
        assert driver.made_with(customer.want(), asked) == {"secret-key"}
        manifest = customer.release / "release.json"
        said = json.loads(manifest.read_text())
        del said["secrets"]
        manifest.write_text(json.dumps(said))
        assert driver.made_with(customer.want(), asked) == asked, "an older crmhost did not say"
        customer.destroy(keep_data=True)
        assert driver.made_with(customer.want(), asked) == asked, "its data is there"
        customer.destroy()
        assert driver.made_with(customer.want(), asked) == frozenset()


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
    assert "the present content is kept in .crmhost/acme/aside" in change.diff
    customer.deploy()
    assert config.read_text() == good
    (aside,) = Path(customer.layout.aside).iterdir()
    assert aside.read_text() == good.replace("language = vi", "language = fa")
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
    assert not Path(customer.layout.aside).exists()  # a copy would outlive the secret


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
