"""docker-py's client over our own ways to an engine, and its errors as ours."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import docker
import docker.errors
import requests
import requests.adapters
import urllib3
import urllib3.connection

from crm.errors import HostError
from infra.engine.dial import Dialer

TIMEOUT = 60
"""Seconds for one answer of the engine, where a call says nothing else."""
NEWEST = "1.44"
"""The newest version of the engine's API that this code was written for."""
_BASE = "http://docker:80"  # nothing is looked up: every connection is dialed
_FULL = ("no space left on device", "disk quota exceeded")


class Client(docker.APIClient):
    """A client of one engine for one thread."""

    def __init__(self, dialer: Dialer, version: str = NEWEST) -> None:
        super().__init__(base_url=_BASE, version=version, timeout=TIMEOUT)
        self.trust_env = False  # no proxy of the environment stands between us and the engine
        self.mount(_BASE, _Adapter(dialer))

    def image(self, reference: str) -> dict[str, Any]:
        """Return what the engine says of an image; raises docker.errors.ImageNotFound."""
        return dict(self.inspect_image(reference))  # type: ignore[no-untyped-call]

    def prune(self, filters: Mapping[str, object]) -> None:
        """Remove the images that the filters describe."""
        self.prune_images(filters=dict(filters))  # type: ignore[no-untyped-call]

    def at(self, version: str) -> Client:
        """Speak that version of the API, and return itself."""
        self._version = version
        return self


def agreed(server: Mapping[str, object]) -> str:
    """Return the version of the API that both sides speak, from the engine's answer to `version`."""
    theirs = str(server.get("ApiVersion", NEWEST))
    return min(theirs, NEWEST, key=lambda version: [int(part) for part in version.split(".")])


@contextmanager
def asking(dialer: Dialer, subject: str) -> Iterator[None]:
    """Turn what docker-py raises into a HostError that names the subject; an absent thing is one too."""
    try:
        yield
    except docker.errors.APIError as error:
        raise refusal(subject, str(error.explanation or error)) from error
    except requests.Timeout as error:
        raise HostError(
            f"{subject}: the Docker engine did not answer in time", "Is the host overloaded? crmhost status NAME"
        ) from error
    except (requests.RequestException, http.client.HTTPException, OSError, docker.errors.DockerException) as error:
        raise dialer.failure(_root(error)) from error


def refusal(subject: str, said: str) -> HostError:
    """Return the error for what the engine itself said about the subject."""
    full = next((line.strip() for line in said.splitlines() if any(words in line.lower() for words in _FULL)), None)
    if full is not None:
        return HostError(
            f"{subject}: the host's disk is full: {full[:300]}",
            "Make room there (docker system df; docker image prune), then the same command again.",
        )
    return HostError(f"{subject}: the Docker engine said: {said[:500]}", "")


class _Connection(urllib3.connection.HTTPConnection):
    def __init__(self, dialer: Dialer) -> None:
        super().__init__("docker")
        self._dialer = dialer

    def connect(self) -> None:
        self.sock = self._dialer.dial()


class _Pool(urllib3.HTTPConnectionPool):
    def __init__(self, dialer: Dialer) -> None:
        super().__init__("docker", maxsize=2)
        self._dialer = dialer

    def _new_conn(self) -> _Connection:
        return _Connection(self._dialer)


class _Adapter(requests.adapters.HTTPAdapter):
    """Sends every request over connections that a Dialer made."""

    def __init__(self, dialer: Dialer) -> None:
        super().__init__()
        self._dialed = _Pool(dialer)

    def get_connection_with_tls_context(self, *_: object, **__: object) -> _Pool:
        return self._dialed

    def request_url(self, request: requests.PreparedRequest, _: object) -> str:
        return request.path_url or "/"

    def close(self) -> None:
        self._dialed.close()
        super().close()


def _root(error: BaseException) -> str:
    """Return what broke in the end: the libraries wrap it several times."""
    while isinstance(error.__context__, Exception) and not isinstance(error, socket.error):
        error = error.__context__
    return str(error) or type(error).__name__
