"""Reaching the engine as upstream does: a local socket, TCP with TLS, or `docker system dial-stdio` over ssh."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import requests
import urllib3
from docker.api.client import APIClient
from docker.errors import APIError, DockerException
from docker.tls import TLSConfig
from requests.adapters import HTTPAdapter

from tests.support.docker_provider.failures import Failed
from tests.support.docker_provider.values import Properties, text

LONG = 1200  # seconds: upstream's own limit of one operation
_FIRST_VERSION = "1.24"
_TUNNEL = "http://docker.example.com:80"


@dataclass(frozen=True, slots=True)
class Access:
    """Where the engine is, and what opens it."""

    host: str
    ssh_opts: tuple[str, ...] = ()
    ca: str = field(default="", repr=False)
    cert: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    cert_path: str = ""

    @property
    def by_ssh(self) -> bool:
        """Say whether the engine is reached over ssh."""
        return self.host.startswith("ssh://")


def access(settings: Properties, environment: Mapping[str, str], *, strict: bool = True) -> Access:
    """Read the provider's settings; raises Failed for TLS without all of its three parts."""
    found = Access(
        host=text(settings, "host") or environment.get("DOCKER_HOST") or "unix:///var/run/docker.sock",
        ssh_opts=_ssh_opts(settings),
        ca=text(settings, "caMaterial"),
        cert=text(settings, "certMaterial"),
        key=text(settings, "keyMaterial"),
        cert_path=text(settings, "certPath"),
    )
    parts = (found.ca, found.cert, found.key)
    if strict and any(parts) and not all(parts):
        raise Failed("certMaterial, keyMaterial, and caMaterial must all be specified")
    if strict and any(parts) and found.cert_path:
        raise Failed("when using raw certificates, certPath must not be specified")
    return found


def _ssh_opts(settings: Properties) -> tuple[str, ...]:
    given = settings.get("sshOpts")
    options = json.loads(given) if isinstance(given, str) and given else given
    return tuple(str(option) for option in options) if isinstance(options, list) else ()


def ssh_command(found: Access) -> list[str]:
    """Return the arguments that reach the engine over ssh; the program's own ConnectTimeout replaces the usual one."""
    url = urlsplit(found.host)
    argv = ["ssh"]
    argv += ["-l", url.username] if url.username else []
    argv += ["-p", str(url.port)] if url.port else []
    argv += found.ssh_opts
    if not any("connecttimeout" in option.lower() for option in found.ssh_opts):
        argv += ["-o", "ConnectTimeout=30"]
    remote = ["docker", *(["--host", f"unix://{url.path}"] if url.path.strip("/") else []), "system", "dial-stdio"]
    return [*argv, "-T", "--", url.hostname or "", *remote]


class Engines:
    """A client for each thread: docker-py's are not to be shared. Nothing is reached before one is asked for."""

    def __init__(self, found: Access) -> None:
        self.access = found
        self._mine = threading.local()
        self._papers: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()

    def client(self) -> APIClient:
        """Return this thread's client; raises Failed when the engine does not answer."""
        client: APIClient | None = getattr(self._mine, "client", None)
        if client is None:
            client = self._mine.client = self._connected()
        return client

    def _connected(self) -> APIClient:
        complaints = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the client
        try:
            first = self._made(_FIRST_VERSION, complaints)
            version = str(first.version(api_version=False)["ApiVersion"])
            return self._made(version, complaints)
        except (APIError, DockerException, requests.RequestException, OSError) as error:
            raise Failed(
                f"Error pinging Docker server, please make sure that {self.access.host} is reachable and has a  "
                f"'_ping' endpoint. Error: {self._why(error, complaints)}"
            ) from error

    def _why(self, error: Exception, complaints: IO[bytes]) -> str:
        if not self.access.by_ssh:
            return str(error)
        complaints.seek(0)
        command = " ".join(ssh_command(self.access))
        said = complaints.read().decode(errors="replace").strip()
        return (
            f"error during connect: command [{command}] has exited with exit status 255, make sure the URL is valid, "
            f"and Docker 18.09 or later is installed on the remote host: stderr={said}"
        )

    def _made(self, version: str, complaints: IO[bytes]) -> APIClient:
        base = _TUNNEL if self.access.by_ssh else self.access.host
        client = APIClient(base_url=base, version=version, timeout=LONG, tls=self._tls() or False)
        client.trust_env = False  # or a REQUESTS_CA_BUNDLE would replace the engine's own authority
        if self.access.by_ssh:
            client.mount(_TUNNEL, _TunnelAdapter(ssh_command(self.access), complaints))
        return client

    def _tls(self) -> TLSConfig | None:
        folder = Path(self.access.cert_path) if self.access.cert_path else self._written()
        if folder is None:
            return None
        return TLSConfig(
            client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")), ca_cert=str(folder / "ca.pem"), verify=True
        )

    def _written(self) -> Path | None:
        """Write the certificates into a folder of ours, since the TLS library reads files only."""
        if not self.access.key:
            return None
        with self._lock:
            if self._papers is None:
                self._papers = tempfile.TemporaryDirectory(prefix="docker-provider-")
                for name, content in (("ca", self.access.ca), ("cert", self.access.cert), ("key", self.access.key)):
                    path = Path(self._papers.name) / f"{name}.pem"
                    path.touch(mode=0o600)
                    path.write_text(content)
            return Path(self._papers.name)

    def close(self) -> None:
        """Remove what was written."""
        if self._papers is not None:
            self._papers.cleanup()


class _Tunnel(urllib3.connection.HTTPConnection):
    """HTTP over a program's standard input and output, both ends of one socket."""

    def __init__(self, argv: list[str], complaints: IO[bytes], timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._argv = argv
        self._complaints = complaints
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                self._argv,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._complaints,
                start_new_session=True,
            )
        ours.settimeout(LONG)
        self.sock = ours

    def close(self) -> None:
        super().close()
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
            process.terminate()


class _TunnelPool(urllib3.HTTPConnectionPool):
    def __init__(self, argv: list[str], complaints: IO[bytes]) -> None:
        super().__init__("localhost", timeout=LONG, maxsize=1)
        self._argv = argv
        self._complaints = complaints

    def _new_conn(self) -> urllib3.connection.HTTPConnection:
        return _Tunnel(self._argv, self._complaints, LONG)


class _TunnelAdapter(HTTPAdapter):
    def __init__(self, argv: list[str], complaints: IO[bytes]) -> None:
        super().__init__()
        self._pool = _TunnelPool(argv, complaints)

    def get_connection_with_tls_context(self, *_: object, **__: object) -> urllib3.HTTPConnectionPool:
        return self._pool

    def request_url(self, request: requests.PreparedRequest, _: object) -> str:
        return request.path_url

    def close(self) -> None:
        super().close()
        self._pool.close()


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Let what the engine refuses be told in upstream's words."""
    try:
        yield
    except APIError as error:
        raise Failed(f"{what}: Error response from daemon: {error.explanation or error}") from error
