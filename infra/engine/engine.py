"""One Docker engine, as the rest of crmhost uses it. Every error is a HostError that names its subject."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import BinaryIO

import docker.errors

from crm.errors import HostError
from infra.engine import files as archives
from infra.engine import run as programs
from infra.engine import seen as looking
from infra.engine.client import Client, agreed, asking
from infra.engine.dial import Dialer
from infra.engine.files import Volume
from infra.engine.reach import Reach
from infra.engine.run import OneShot
from infra.engine.seen import Seen, SeenContainer
from infra.engine.stream import OutOfTime, Output, Stream, Streams, converse
from infra.naming import LABEL_CONTRACT, UID

HOUR = 3600.0


class Engine:
    """A connected engine; safe to use from many threads (each has its own client). Make it with `connect`."""

    def __init__(self, reach: Reach, dialer: Dialer) -> None:
        self.reach = reach
        self._dialer = dialer
        self._mine = threading.local()
        self._clients: list[Client] = []
        with asking(dialer, reach.url):
            client = Client(dialer)
            self._clients.append(client)
            answer = client.version(api_version=False)
        self.version = str(answer.get("Version", "unknown"))
        self._speaks = agreed(answer)
        self._mine.client = client.at(self._speaks)

    @property
    def client(self) -> Client:
        """Return this thread's docker-py client, for what is asked in one place alone."""
        if not hasattr(self._mine, "client"):
            self._mine.client = Client(self._dialer, self._speaks)
            self._clients.append(self._mine.client)
        return self._mine.client  # type: ignore[no-any-return]

    def asking(self, subject: str) -> contextlib.AbstractContextManager[None]:
        """Turn what `client` raises into HostErrors that name the subject."""
        return asking(self._dialer, subject)

    def close(self) -> None:
        """Close every connection."""
        for client in self._clients:
            client.close()
        self._dialer.close()

    # -- looking -----------------------------------------------------------------------------------------------------

    def seen(self, contract: str) -> Seen:
        """Return every container, volume and network with the contract's label, inspected. One look, no change."""
        return self.labelled(LABEL_CONTRACT, contract)

    def labelled(self, label: str, value: str) -> Seen:
        """Return everything whose label has that value."""
        with self.asking(f"{label}={value}"):
            return looking.look(self.client, label, value)

    def contracts(self) -> frozenset[str]:
        """Return the contracts that have a container here, running or not."""
        with self.asking(LABEL_CONTRACT):
            rows = self.client.containers(all=True, filters={"label": LABEL_CONTRACT})
        return frozenset(row["Labels"][LABEL_CONTRACT] for row in rows)

    def names(self) -> Mapping[str, str]:
        """Return the id of every container, whoever made it, by its name."""
        with self.asking(self.reach.url):
            rows = self.client.containers(all=True)
        return {name.lstrip("/"): str(row["Id"]) for row in rows for name in row["Names"] or ()}

    def container(self, name: str) -> SeenContainer | None:
        """Return one container as it is now, or None."""
        with self.asking(name):
            try:
                return looking.container_of(self.client.inspect_container(name))
            except docker.errors.NotFound:
                return None

    def now(self) -> datetime:
        """Return the host's time, which what happens there is dated by."""
        with self.asking(self.reach.url):
            return datetime.fromisoformat(str(self.client.info()["SystemTime"]))

    def logs(self, container: str, lines: int) -> bytes:
        """Return the last lines that a container printed, both outputs as the engine got them."""
        with self.asking(container):
            return self.client.logs(container, tail=lines)

    def image_id(self, reference: str) -> str:
        """Return the id (`sha256:…`) of an image, pulled where the engine lacks it; raises HostError with a remedy."""
        with self.asking(reference):
            with contextlib.suppress(docker.errors.ImageNotFound):
                return str(self.client.image(reference)["Id"])
            try:
                for line in self.client.pull(reference, stream=True, decode=True):
                    if "error" in line:
                        raise _no_image(reference, str(line["error"]))
            except docker.errors.APIError as error:
                raise _no_image(reference, str(error.explanation)) from error
            return str(self.client.image(reference)["Id"])

    # -- programs ----------------------------------------------------------------------------------------------------

    def run(self, spec: OneShot, *, stdin: bytes = b"", timeout: float = HOUR) -> Output:
        """Run a one-shot container to its end and return what it printed; it is removed unless `spec.keep`.

        Raises LockHeld where one of that name runs, OutOfTime after `timeout` seconds (it is ended then).
        """
        with self.asking(spec.name):
            return programs.run(self.client, self._dialer, spec, io.BytesIO(stdin), timeout)

    def attach(self, container: str) -> Stream:
        """Return the streams of a container that was created; when ours ends, so does its standard input."""
        with self.asking(container):
            return programs.attach(self.client, self._dialer, container)

    def finish(self, container: str, *, timeout: float = HOUR) -> Output:
        """Wait for the end of a kept one-shot, whoever started it, and return what it printed from its beginning."""
        with self.asking(container):
            return programs.finish(self.client, container, timeout)

    def execute(
        self,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = HOUR,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Output:
        """Run a program in a container that is up; its input and outputs stay in memory.

        Raises OutOfTime after `timeout` seconds; the program may run on then, with its outputs closed.
        """
        return self.stream(container, argv, Streams(io.BytesIO(stdin)), timeout=timeout, user=user, env=env)

    def stream_out(self, container: str, argv: Sequence[str], sink: BinaryIO, *, timeout: float = HOUR) -> Output:
        """Run a program whose standard output goes to the sink; the Output has standard error and the exit code."""
        return self.stream(container, argv, Streams(out=sink), timeout=timeout)

    def stream_in(self, container: str, argv: Sequence[str], source: BinaryIO, *, timeout: float = HOUR) -> Output:
        """Run a program with the source as its standard input."""
        return self.stream(container, argv, Streams(source), timeout=timeout)

    def stream(
        self,
        container: str,
        argv: Sequence[str],
        streams: Streams,
        *,
        timeout: float = HOUR,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Output:
        """Run a program between a source and sinks; what has no sink is kept in the Output."""
        until = time.monotonic() + timeout
        with self.asking(f"{container}: {argv[0]}"):
            running = programs.started(self.client, self._dialer, container, tuple(argv), user, env or {})
            try:
                with running as (made, stream):
                    kept = converse(stream, streams, until)
            except OutOfTime:
                raise OutOfTime(f"{container}: {argv[0]} did not end within {timeout:.0f} s", "") from None
            return kept.output(programs.exit_code(self.client, made))

    # -- files -------------------------------------------------------------------------------------------------------

    def put(
        self,
        where: str | Volume,
        folder: str,
        files: Mapping[str, bytes],
        *,
        mode: int = 0o600,
        uid: int = UID,
    ) -> None:
        """Write files below a folder of a container (a text) or of a Volume (`/` is its root)."""
        with self.asking(_name(where)), archives.place(self.client, where, folder) as (container, path):
            archives.put(self.client, container, path, files, mode, uid)

    def get(self, where: str | Volume, path: str) -> bytes | None:
        """Return the content of a file in a container or a Volume, or None where there is none."""
        with self.asking(_name(where)), archives.place(self.client, where, path) as (container, inside):
            return archives.get(self.client, container, inside)

    # -- changing what is there --------------------------------------------------------------------------------------

    def start(self, container: str) -> None:
        """Start a container; one that runs stays as it is."""
        with self.asking(container):
            self.client.start(container)

    def stop(self, container: str, seconds: int = 30) -> None:
        """End a container's program, by force after `seconds`; one that is gone or has ended is no error."""
        with self.asking(container), contextlib.suppress(docker.errors.NotFound):
            self.client.stop(container, timeout=seconds)

    def unpause(self, container: str) -> None:
        """Let a frozen container run on."""
        with self.asking(container):
            self.client.unpause(container)

    def remove(self, container: str) -> None:
        """Remove a container by force, and return when it is gone; one that is gone is no error. Its volumes stay."""
        with self.asking(container), contextlib.suppress(docker.errors.NotFound):
            try:
                self.client.remove_container(container, force=True)
            except docker.errors.APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
                programs.wait_gone(self.client, container)  # somebody removes it at this moment

    def connect_network(self, container: str, network: str, aliases: Sequence[str] = ()) -> None:
        """Put a container on a network, with these names there."""
        with self.asking(f"{container} on {network}"):
            self.client.connect_container_to_network(container, network, aliases=list(aliases))

    def disconnect_network(self, container: str, network: str) -> None:
        """Take a container off a network; one that is not on it is no error."""
        with self.asking(f"{container} on {network}"), contextlib.suppress(docker.errors.NotFound):
            self.client.disconnect_container_from_network(container, network, force=True)

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a volume, unless there is one of that name."""
        with self.asking(name):
            self.client.create_volume(name, labels=dict(labels))

    def remove_volume(self, name: str) -> None:
        """Remove a volume with its data; one that is gone is no error."""
        with self.asking(name), contextlib.suppress(docker.errors.NotFound):
            self.client.remove_volume(name)

    def remove_network(self, name: str) -> None:
        """Remove a network; one that is gone is no error."""
        with self.asking(name), contextlib.suppress(docker.errors.NotFound):
            self.client.remove_network(name)


def _name(where: str | Volume) -> str:
    return where if isinstance(where, str) else where.name


def _no_image(reference: str, said: str) -> HostError:
    return HostError(
        f"{reference}: the host has no such image and cannot fetch it: {said[:300]}",
        "Correct cloud.images: in crmhost.yaml, or load it there: docker load, docker pull.",
    )
