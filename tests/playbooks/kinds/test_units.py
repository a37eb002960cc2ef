"""Units and services on a real systemd: made, found right, spoilt by hand, made right again, removed."""

from __future__ import annotations

import pytest

from crm.errors import HostError
from playbooks.converge import apply, changes
from playbooks.kind import Resource
from playbooks.kinds.folder import FolderKind, FolderWanted
from playbooks.kinds.service import ServiceKind, ServiceWanted
from playbooks.kinds.unit import UnitKind, UnitWanted
from playbooks.session import Session
from tests.playbooks.kinds.conftest import converge, planned, seen
from tests.support.lanhost import LanHost
from tests.support.until import until

pytestmark = pytest.mark.slow

FILE = "/etc/systemd/system/crmhost-acme-web.service"


def text(command: str = "sleep 600", more: str = "") -> str:
    return f"[Service]\nExecStart={command}\n{more}\n[Install]\nWantedBy=multi-user.target\n"


def web(content: str = text(), **more: object) -> Resource:
    return Resource(UnitKind(), "crmhost-acme-web.service", UnitWanted(content, **more))  # type: ignore[arg-type]


def pid(server: LanHost, unit: str = "crmhost-acme-web") -> str:
    return server.run(f"systemctl show -p MainPID --value {unit}").strip()


def test_a_unit_runs_until_it_is_not_wanted(held: Session, server: LanHost) -> None:
    wanted = web(stamp="one")
    converge(held, wanted)
    first = pid(server)
    assert server.run(f"tail -n 1 {FILE}; stat -c %a:%U {FILE}").split() == ["X-Crmhost-Stamp=one", "644:root"]
    assert server.run("systemctl is-enabled crmhost-acme-web").strip() == "enabled"
    server.run("systemctl stop crmhost-acme-web; systemctl disable -q crmhost-acme-web")
    assert [change.diff for change in changes([wanted], seen(held, [wanted]))] == [("+ starts with the host",)]
    assert planned(held, wanted) == ["start it is down"]
    converge(held, wanted)
    second = pid(server)
    assert second != first
    assert planned(held, web(stamp="two")) == ["update its file differs"]
    converge(held, web(stamp="two"))
    assert pid(server) != second
    converge(held, Resource(UnitKind(), wanted.key, None))
    assert (
        server.run(
            f"ls {FILE} 2>&1; systemctl is-active crmhost-acme-web; systemctl is-enabled crmhost-acme-web 2>&1",
            check=False,
        ).splitlines()[1]
        == "inactive"
    )
    assert "No such file" in server.run(f"ls {FILE} 2>&1", check=False)


def test_a_file_that_was_changed_by_hand_is_kept_and_mended(held: Session, server: LanHost) -> None:
    wanted = web(keep_aside="/var/lib/crmhost/kept")
    converge(held, Resource(FolderKind("folder", "root"), "/var/lib/crmhost/kept", FolderWanted()), wanted)
    server.run(f"echo '# mine' >>{FILE}; systemctl daemon-reload")
    assert planned(held, wanted) == ["update its file differs"]
    converge(held, wanted)
    kept = server.run("cd /var/lib/crmhost/kept; stat -c %a *; tail -n 1 *").splitlines()
    assert kept == ["600", "# mine"]
    server.run(f"chmod 600 {FILE}")
    assert planned(held, wanted) == ["update its file's mode or owner differs"]
    converge(held, wanted)
    server.run(f"systemctl stop crmhost-acme-web; ln -sf /dev/null {FILE}; systemctl daemon-reload")
    assert planned(held, wanted) == ["update its file differs"]
    converge(held, wanted)
    converge(held, Resource(UnitKind(), wanted.key, None))


def test_a_deploy_that_was_killed_before_the_restart_is_found(held: Session, server: LanHost) -> None:
    """The new file is there and systemd has read it, but what runs was started from the old one."""
    converge(held, web())
    old = pid(server)
    new = web(text("sleep 601"))
    server.run(f"cat >{FILE} <<'end'\n{new.want.text}end\nsystemctl daemon-reload")
    assert planned(held, new) == ["restart what runs was started from another file, or from which is not known"]
    converge(held, new)
    assert pid(server) != old
    server.run(f"touch {FILE}")
    assert planned(held, new) == ["update systemd has not read its file again"]
    running = pid(server)
    converge(held, new)
    assert pid(server) == running
    converge(held, Resource(UnitKind(), new.key, None))


def test_what_does_not_start_shows_the_end_of_its_journal(held: Session) -> None:
    broken = web(text("sh -c 'echo no such setting: colour; exit 3'", "Restart=always\nRestartSec=1"), start=5)
    with pytest.raises(
        HostError, match=r"(?s)unit:crmhost-acme-web.service failed .*does not run.*no such setting: colour"
    ):
        converge(held, broken)
    assert planned(held, broken)[0].startswith("start it is ")
    converge(held, web())
    converge(held, Resource(UnitKind(), broken.key, None))


def test_a_timer_and_the_service_that_it_starts(held: Session, server: LanHost) -> None:
    job = Resource(
        UnitKind(),
        "crmhost-acme-job.service",
        UnitWanted("[Service]\nType=oneshot\nExecStart=true\n", enabled=None, active=None),
    )
    timer = Resource(
        UnitKind(),
        "crmhost-acme-job.timer",
        UnitWanted("[Timer]\nOnCalendar=minutely\n\n[Install]\nWantedBy=timers.target\n"),
        (job.id,),
    )
    converge(held, job, timer)
    assert server.run("systemctl is-active crmhost-acme-job.timer").strip() == "active"
    converge(held, Resource(UnitKind(), timer.key, None), Resource(UnitKind(), job.key, None))


def test_a_service_of_the_distribution(held: Session, server: LanHost) -> None:
    redis = Resource(ServiceKind(), "redis-server", ServiceWanted())
    nginx = Resource(ServiceKind(), "nginx", ServiceWanted())
    server.run("systemctl stop redis-server; systemctl disable -q redis-server; systemctl disable -q nginx")
    assert planned(held, redis, nginx) == ["start it is down", "update it does not start with the host"]
    converge(held, redis, nginx)
    converge(held, Resource(ServiceKind(), "redis-server", None), nginx)
    assert server.run("systemctl is-active redis-server", check=False).strip() == "inactive"
    absent = Resource(ServiceKind(), "no-such-program", ServiceWanted())
    assert planned(held, absent, Resource(ServiceKind(), "nor-this", None)) == ["start it is not installed yet"]
    with pytest.raises(HostError, match=r"(?s)service:no-such-program failed .*does not exist"):
        apply(held, [absent], {}, lambda _: None)


def test_a_cluster_of_postgresql_that_was_killed(held: Session, server: LanHost) -> None:
    """The umbrella `postgresql` stays active then; its instance tells the truth."""
    server.run("kill -9 $(head -n 1 /var/lib/postgresql/15/main/postmaster.pid)")
    state = "systemctl is-active postgresql@15-main"
    until(lambda: server.run(state, check=False).strip() == "failed", "systemd has noticed", 60)
    both = [Resource(ServiceKind(), name, ServiceWanted()) for name in ("postgresql", "postgresql@15-main")]
    assert planned(held, *both) == ["start it is failed (failed)"]
    converge(held, *both)


@pytest.mark.parametrize(
    "name", ["web", "web@.service", "-x.service", "a b.service", "../x.service", "é.service", "x" * 300]
)
def test_names_that_systemd_cannot_have(name: str) -> None:
    with pytest.raises(ValueError, match=r"^unit:"):
        UnitKind().ask({name: None})
    with pytest.raises(ValueError, match=r"^service:"):
        ServiceKind().act(f"{name}/", ServiceWanted(), None)


@pytest.mark.parametrize(
    ("content", "stamp", "message"),
    [
        ("[Service]", "", "ends with a newline"),
        ("[Service]\n", "", r"has a section \[Install\]"),
        (text() + "[X-Crmhost]\n", "", "no section"),
        (text(), "a\nExecStart=x", "a stamp has letters"),
    ],
)
def test_files_that_cannot_be_a_unit(content: str, stamp: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UnitWanted(content, stamp)
