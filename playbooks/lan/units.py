"""The text of a customer's systemd units: what a release's processes may see and do on the server. Pure.

A unit sees the file system read-only but for the customer's data and the release's sockets, no home folders, no
devices, no other process, and runs as the customer's own user without a way to more rights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crm.slots import Filled
from playbooks.lan.layout import Layout, job
from playbooks.manifest import Manifest, Runs, Timed

PATH = "/usr/local/bin:/usr/bin:/bin"
TASKS = 256
"""The most processes and threads of one unit."""
BACKING_OFF = 254
"""The first systemd that can wait longer before each start of what fails again and again."""
_PAUSE, _LONGEST = 2, 60  # seconds before a process that ended is started again
SANDBOX = """\
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM"""
"""What every unit is denied."""


def process_unit(layout: Layout, manifest: Manifest, process: Runs, systemd: int) -> str:
    """Return the service of a process that must be up; `systemd`: the server's version, 252 or 255."""
    what = f"{layout.contract}: {process.name} of {manifest.release.id}"
    return _service(
        what,
        f"Type=exec\n{_program(process.run)}\nRestart=always\n{_pause(systemd)}\nTimeoutStopSec={process.stop}",
        _limits(layout, manifest, process.memory_mb, process.cpus),
        "multi-user.target",
    )


def job_unit(layout: Layout, manifest: Manifest, timed: Timed) -> str:
    """Return the service of a job: systemd starts none that runs already, so it is never at work twice."""
    return _service(
        f"{layout.contract}: job {timed.name} of {manifest.release.id}",
        f"Type=oneshot\n{_program(timed.run)}\nTimeoutStartSec=6h",
        _limits(layout, manifest, timed.memory_mb, ""),
        None,
    )


def timer_unit(layout: Layout, manifest: Manifest, timed: Timed) -> str:
    """Return the timer of a job."""
    service = layout.unit(manifest.release, job(timed.name))
    return "\n".join(
        (
            "[Unit]",
            f"Description={_plain(f'{layout.contract}: when job {timed.name} of {manifest.release.id} runs')}",
            "",
            "[Timer]",
            f"OnActiveSec={timed.every}min",
            f"OnUnitActiveSec={timed.every}min",
            "AccuracySec=1s",
            f"Unit={service}",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        )
    )


def _service(what: str, runs: str, limits: str, wanted_by: str | None) -> str:
    install = "" if wanted_by is None else f"\n[Install]\nWantedBy={wanted_by}\n"
    return (
        f"[Unit]\nDescription={_plain(what)}\nAfter=network.target postgresql.service\n"
        f"StartLimitIntervalSec=0\n\n[Service]\n{runs}\n{limits}\n{SANDBOX}\n{install}"
    )


def _program(run: Filled) -> str:
    environment = {"PATH": PATH, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **run.env}
    return "\n".join(
        (
            f"ExecStart={words(run.argv)}",
            f"WorkingDirectory={_path(run.cwd)}",
            *(f"Environment={_word(f'{name}={value}')}" for name, value in environment.items()),
        )
    )


def _limits(layout: Layout, manifest: Manifest, memory_mb: int, cpus: str) -> str:
    quota = f"\nCPUQuota={round(float(cpus) * 100)}%" if cpus else ""
    return (
        f"User={layout.user}\nGroup={layout.user}\nEnvironment=HOME={layout.run(manifest.release)}\n"
        f"ReadWritePaths={layout.data}\n{_runtime(layout.run(manifest.release).removeprefix('/run/'))}\n"
        f"MemoryMax={memory_mb}M{quota}\nTasksMax={TASKS}\n"
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"
    )


def _runtime(folder: str) -> str:
    return f"RuntimeDirectory={folder}\nRuntimeDirectoryMode=0700\nRuntimeDirectoryPreserve=yes"


def _pause(systemd: int) -> str:
    if systemd < BACKING_OFF:
        return f"RestartSec={_PAUSE}"
    return f"RestartSec={_PAUSE}\nRestartSteps=6\nRestartMaxDelaySec={_LONGEST}"


def words(argv: Iterable[str]) -> str:
    """Return a command as a unit's line reads it."""
    return " ".join(_word(word, dollar="$$") for word in argv)


def _word(word: str, dollar: str = "$") -> str:
    """Return a word as a unit's line reads it: quoted, specifiers and (in commands) variables as plain text."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", dollar)
    escaped = "".join(char if char >= " " else f"\\x{ord(char):02x}" for char in text)
    return f'"{escaped}"'


def _path(path: str) -> str:
    return path.replace("%", "%%")


def _plain(text: str) -> str:
    return text.replace("%", "%%").replace("\n", " ")


def contents(layout: Layout, manifest: Manifest, systemd: int) -> Mapping[str, str]:
    """Return the text of every unit of a release, by the unit's name."""
    release = manifest.release
    services = {layout.unit(release, p.name): process_unit(layout, manifest, p, systemd) for p in manifest.processes}
    jobs = {layout.unit(release, job(j.name)): job_unit(layout, manifest, j) for j in manifest.jobs}
    timers = {layout.unit(release, job(j.name), "timer"): timer_unit(layout, manifest, j) for j in manifest.jobs}
    return {**services, **jobs, **timers}
