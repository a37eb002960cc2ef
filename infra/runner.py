"""One Pulumi stack on this machine: its folder, its state, and the runs of the engine. It knows no rollout.

Programs run inside this process (the Automation API's inline programs), so `up` needs no language host. Nothing secret
is an argument of a process or in a log: the passphrase is in the environment of `pulumi` alone.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import psutil
from pulumi.automation import LocalWorkspace, OutputMap, Stack, UpdateSummary
from pulumi.automation.errors import CommandError, ConcurrentUpdateError, StackNotFoundError

from crm.driver import Progress
from crm.errors import CrmhostError
from crm.plan import Change
from infra.backend import Lock, StateFiles, deployment_of, files_of, locks_in
from infra.command import Bounded
from infra.complaints import Where, explain
from infra.events import Watcher
from infra.naming import OUTPUT
from infra.plugin import find_plugin, known_version, plugin_on_path, plugin_version, refuse_other
from infra.workfolder import WorkFolder

Program: TypeAlias = Callable[[], None]
STARTED_BY = "CRMHOST_STARTED_BY"
"""Variable of a `pulumi` that crmhost started: pid and start of that crmhost, so that an orphan can be told."""
_ASTRAY = (
    *("CRMHOST_", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME", "PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"),
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "DOCKER_API_VERSION"),
)
"""What begins so is crmhost's own secret, or names another state or another host: the provider would follow it."""
_QUIET = {
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    "PULUMI_SUPPRESS_NEO_LINK": "true",
    "NO_COLOR": "1",
    "PULUMI_LOG_ROTATION_MAX_TOTAL_MB": "50",  # of its own logs, encrypted with the passphrase, in its home
}


@dataclass(frozen=True, slots=True)
class Access:
    """How a stack is run from this machine.

    folder: its work folder, which is kept. backend: where its state is (`file:///…`, `s3://…`). pulumi: the folder of
    Pulumi's programs. environment: what its processes get, less what could lead them astray.
    """

    folder: Path
    backend: str
    passphrase: str = field(repr=False)
    pulumi: Path
    environment: Mapping[str, str] = field(repr=False)


class Locked(CrmhostError):
    """Somebody is at work on the stack, or was killed while he was."""

    def __init__(self, locks: Sequence[Lock]) -> None:
        super().__init__("the stack is locked")
        self.locks = tuple(locks)


class Runner:
    """Runs the engine on one stack. Cheap to make: nothing is read or run before it is asked for."""

    def __init__(self, access: Access, where: Where, parallel: int) -> None:
        self.access, self.where, self._parallel = access, where, parallel
        self.folder = WorkFolder(access.folder, where.stack, access.backend)
        self.files: StateFiles | None = files_of(access.backend, where.stack)

    # -- what is there -----------------------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Tell whether the stack was ever made; starts Pulumi only where the state is not in files."""
        if self.files is not None:
            return self.files.exists()
        self.folder.prepare()
        try:
            self._pulumi("stack", "select", self.where.stack)
        except StackNotFoundError:
            return False
        return True

    def deployment(self) -> Mapping[str, Any]:
        """Return the stack's resources and unfinished operations, with secrets encrypted; {} without a stack."""
        if self.files is not None:
            return self.files.read() or {}
        if not self.exists():
            return {}
        found = deployment_of(json.dumps({"checkpoint": {"latest": self._exported()}}).encode())
        return found or {}

    def export(self) -> Mapping[str, Any]:
        """Return the stack's whole state with its secrets encrypted, as `pulumi stack export` has it."""
        return dict(json.loads(self._pulumi("stack", "export")))

    def output(self) -> str | None:
        """Return what the last whole run kept in the state, or None."""
        if not self.exists():
            return None
        return str(json.loads(self._pulumi("stack", "output", "--json", "--show-secrets")).get(OUTPUT) or "") or None

    # -- runs of the engine ------------------------------------------------------------------------------------------

    def bring_provider(self) -> None:
        """Install the Docker provider in Pulumi's home where there is none: the user's own copy, else upstream's.

        Pulumi would download it by itself, but not copy it, nor before it is needed. Raises CrmhostError without one,
        and for one on PATH that Pulumi would take although it is of another version.
        """
        environment = self.access.environment
        path = {"PATH": os.pathsep.join([str(self.access.pulumi), environment.get("PATH", os.defpath)])}
        on_path = plugin_on_path(path)
        if on_path is not None:
            variables = handed_on(environment)
            refuse_other(on_path, known_version(on_path, variables, self._home / "docker-provider.json"))
            return
        if find_plugin({**path, "PULUMI_HOME": str(self._home)}) is not None:
            return
        self.folder.prepare()
        at_hand = find_plugin(environment)
        source = () if at_hand is None else ("--file", str(at_hand.parent))
        self._small("plugin", "install", "resource", "docker", plugin_version(), *source)

    def prepare(self) -> None:
        """Make the folder and the stack where they are missing."""
        self.folder.prepare()
        if not self.exists():
            self._pulumi("stack", "init", self.where.stack)

    def preview(self, program: Program, *, refresh: bool = False) -> tuple[Change, ...]:
        """Return what an `up` would change. That something is protected is said when it is really to be deleted."""
        watcher = Watcher()
        try:
            with self._asking(watcher):
                self._stack().preview(
                    program=outlasting(program),
                    on_event=watcher,
                    color="never",
                    parallel=self._parallel,
                    refresh=refresh,
                )
        except CrmhostError:
            if not watcher.only_protected:
                raise
        return watcher.changes

    def up(
        self,
        program: Program,
        progress: Progress,
        *,
        refresh: bool = False,
        replace: Sequence[str] = (),
        timeout: float | None = None,
    ) -> None:
        """Make what the program declares. replace: urns of what is to be made anew. Raises Locked."""
        watcher = Watcher(progress)
        with self._asking(watcher):
            self._stack(timeout).up(
                program=outlasting(program),
                on_event=watcher,
                color="never",
                parallel=self._parallel,
                refresh=refresh,
                replace=list(replace),
                show_secrets=False,
            )

    def refresh(self, program: Program, progress: Progress) -> None:
        """Let the state say what is there, and forget creations that were never finished."""
        watcher = Watcher(progress, phase="recover")
        with self._asking(watcher):
            self._stack().refresh(
                program=outlasting(program),
                run_program=True,
                on_event=watcher,
                color="never",
                parallel=self._parallel,
                clear_pending_creates=True,
                show_secrets=False,
            )

    def destroy(self, progress: Progress, *, exclude_protected: bool = False) -> None:
        """Delete what the state holds."""
        watcher = Watcher(progress, phase="retire")
        with self._asking(watcher):
            self._stack().destroy(
                on_event=watcher,
                color="never",
                parallel=self._parallel,
                exclude_protected=exclude_protected,
                show_secrets=False,
            )

    def unprotect(self, urns: Sequence[str]) -> None:
        """Let the next run delete these; without any, nothing is run."""
        if urns:
            self._pulumi("state", "unprotect", "--yes", *urns)

    def cancel(self) -> None:
        """Take every lock, a living holder's too: judge first (infra.recovery)."""
        self._pulumi("cancel", "--yes")

    def remove(self) -> None:
        """Forget the empty stack and its configuration; none there is no error."""
        if self.exists():
            self._pulumi("stack", "rm", "--yes", "--remove-backups", self.where.stack)

    # -- how ---------------------------------------------------------------------------------------------------------

    @cached_property
    def _command(self) -> Bounded:
        return Bounded(self.access.pulumi, handed_on(self.access.environment))

    def _stack(self, timeout: float | None = None) -> Stack:
        self.bring_provider()
        command = self._command if timeout is None else self._command.within(timeout)
        workspace = LocalWorkspace(
            work_dir=str(self.folder.path),
            pulumi_home=str(self._home),
            env_vars=self._variables,
            pulumi_command=command,
        )
        return _Quiet(self.where.stack, workspace)

    @property
    def _home(self) -> Path:
        """Pulumi's own folder, with plugins that it downloads: one for all stacks, and never the user's."""
        return self.folder.path.parent / ".home"

    @property
    def _variables(self) -> dict[str, str]:
        return {
            **_QUIET,
            "PULUMI_BACKEND_URL": self.access.backend,
            "PULUMI_CONFIG_PASSPHRASE": self.access.passphrase,
            STARTED_BY: _myself(),
        }

    def _pulumi(self, *args: str) -> str:
        """Run one of Pulumi's small commands on the stack and return what it prints."""
        return self._small(*args, *(() if self.where.stack in args else ("--stack", self.where.stack)))

    def _small(self, *args: str) -> str:
        with self._asking(Watcher()):
            variables = {**self._variables, "PULUMI_HOME": str(self._home)}
            return self._command.run([*args], str(self.folder.path), variables).stdout

    def _exported(self) -> Mapping[str, Any]:
        return dict(self.export().get("deployment") or {})

    @contextmanager
    def _asking(self, watcher: Watcher) -> Iterator[None]:
        """Turn what Pulumi complains of into one error with a remedy; StackNotFoundError is left to who asks."""
        try:
            yield
        except StackNotFoundError:
            raise
        except ConcurrentUpdateError as error:
            raise Locked(locks_in(str(error))) from error
        except CommandError as error:
            raise explain([*watcher.complaints, str(error)], self.where) from error
        if watcher.broke is not None:
            raise watcher.broke


class _Quiet(Stack):
    """A stack that is known to be there, whose outputs and history nobody reads: four processes fewer in each `up`."""

    def __init__(self, name: str, workspace: LocalWorkspace) -> None:
        self.name, self.workspace = name, workspace

    def outputs(self) -> OutputMap:
        """Return none."""
        return {}

    def info(self, show_secrets: bool = True) -> UpdateSummary:  # noqa: ARG002, FBT001, FBT002 -- the base's signature
        """Return that something was done."""
        return UpdateSummary("update", datetime.now(UTC), "", {}, {}, "succeeded")


def outlasting(program: Program) -> Program:
    """Return the program so that it ends, and ends whole, when the engine has gone before it.

    The SDK stops its event loop then, in the middle of a coroutine that the garbage collector finds later and
    complains of with a traceback; here the coroutine is cancelled, so that it runs to its end.
    """

    def run() -> None:
        running = asyncio.current_task()

        def heard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            if running is not None and isinstance(context.get("exception"), grpc.RpcError):
                running.cancel()
            else:
                loop.default_exception_handler(context)

        asyncio.get_running_loop().set_exception_handler(heard)
        program()

    return run


def handed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what Pulumi gets of an environment."""
    return {name: value for name, value in environment.items() if not name.startswith(_ASTRAY)}


def _myself() -> str:
    me = psutil.Process()
    return f"{me.pid}:{me.create_time():.0f}"
