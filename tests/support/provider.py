"""The docker provider for tests: upstream's plugin where CRMHOST_TEST_PROVIDER names its folder, else the stand-in.

`provider_path` is the folder to put first on PATH for Pulumi; `asking` speaks the provider's protocol without Pulumi.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from tests.support.docker_provider.values import Properties, properties, struct

PLUGIN = "pulumi-resource-docker"
_REPOSITORY = Path(__file__).parents[2]
_LAUNCHER = """\
#!/bin/sh
# Written by tests/support/provider.py: the stand-in, in the environment of the tests.
PYTHONPATH={repository} exec {python} -m tests.support.docker_provider "$@"
"""


def launcher(folder: Path, repository: Path = _REPOSITORY, python: str = sys.executable) -> Path:
    """Write the stand-in's executable into the folder, for the repository and environment that are named."""
    folder.mkdir(parents=True, exist_ok=True)
    plugin = folder / PLUGIN
    plugin.write_text(_LAUNCHER.format(repository=shlex.quote(str(repository)), python=shlex.quote(python)))
    plugin.chmod(0o755)
    return plugin


@pytest.fixture(scope="session")
def provider_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the docker provider's plugin."""
    given = os.environ.get("CRMHOST_TEST_PROVIDER")
    return Path(given) if given else launcher(tmp_path_factory.mktemp("provider")).parent


class Refused(Exception):
    """The provider's answer was an error. `made` is what exists all the same, by id, with its state."""

    def __init__(self, code: grpc.StatusCode, text: str, made: tuple[str, Properties] | None) -> None:
        super().__init__(text)
        self.code = code
        self.made = made


@dataclass(frozen=True, slots=True)
class Answer:
    """What Diff has answered."""

    replaces: frozenset[str] = field(default_factory=frozenset)
    diffs: frozenset[str] = field(default_factory=frozenset)
    detailed: Mapping[str, str] = field(default_factory=dict)
    deletes_first: bool = False

    @property
    def verdict(self) -> str:
        """Return what Pulumi does: same, update or replace."""
        return "replace" if self.replaces else "update" if self.diffs else "same"


class Provider:
    """A client of the provider's protocol, which does what Pulumi would do."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = provider_pb2_grpc.ResourceProviderStub(channel)

    def configure(self, settings: Properties) -> None:
        """Give the provider its settings."""
        variables = {f"docker:config:{name}": str(value) for name, value in settings.items()}
        request = provider_pb2.ConfigureRequest(
            variables=variables, args=struct(settings), acceptSecrets=False, acceptResources=True
        )
        with _answers():
            self._stub.Configure(request)

    def check(self, kind: str, news: Properties, olds: Properties | None = None, name: str = "it") -> Properties:
        """Return the inputs with their defaults; a failed check is refused."""
        request = provider_pb2.CheckRequest(
            urn=_urn(kind, name), news=struct(news), olds=struct(olds or {}), randomSeed=b"seed" * 8
        )
        with _answers():
            response = self._stub.Check(request)
        if response.failures:
            said = "\n".join(one.reason for one in response.failures)
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, said, None)
        return properties(response.inputs)

    def diff(self, kind: str, identity: str, state: Properties, news: Properties, olds: Properties) -> Answer:
        """Compare the state with checked inputs; `olds` are the inputs before."""
        request = provider_pb2.DiffRequest(
            urn=_urn(kind), id=identity, olds=struct(state), news=struct(news), old_inputs=struct(olds)
        )
        with _answers():
            response = self._stub.Diff(request)
        if response.changes != provider_pb2.DiffResponse.DIFF_SOME:
            return Answer()
        names = provider_pb2.PropertyDiff.Kind.Name
        detailed = {path: names(one.kind) for path, one in response.detailedDiff.items()}
        tops = {path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0] for path in detailed}
        replaces = response.deleteBeforeReplace
        return Answer(frozenset(response.replaces), frozenset({*response.diffs} | tops), detailed, replaces)

    def create(self, kind: str, inputs: Properties, *, preview: bool = False) -> tuple[str, Properties]:
        """Make a resource and return its id and state."""
        request = provider_pb2.CreateRequest(urn=_urn(kind), properties=struct(inputs), preview=preview)
        with _answers():
            response = self._stub.Create(request)
        return response.id, properties(response.properties)

    def read(
        self, kind: str, identity: str, state: Properties, inputs: Properties
    ) -> tuple[str, Properties, Properties]:
        """Look at a resource: its id ("" when it is gone), state and inputs."""
        request = provider_pb2.ReadRequest(urn=_urn(kind), id=identity, properties=struct(state), inputs=struct(inputs))
        with _answers():
            response = self._stub.Read(request)
        return response.id, properties(response.properties), properties(response.inputs)

    def update(self, kind: str, identity: str, state: Properties, news: Properties, olds: Properties) -> Properties:
        """Change a resource in place and return its state."""
        request = provider_pb2.UpdateRequest(
            urn=_urn(kind), id=identity, olds=struct(state), news=struct(news), old_inputs=struct(olds)
        )
        with _answers():
            return properties(self._stub.Update(request).properties)

    def delete(self, kind: str, identity: str, state: Properties) -> None:
        """Remove a resource."""
        with _answers():
            self._stub.Delete(provider_pb2.DeleteRequest(urn=_urn(kind), id=identity, properties=struct(state)))


@contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        raise _refused(error) from None


def _urn(kind: str, name: str = "it") -> str:
    return f"urn:pulumi:stack::project::docker:index/{kind[0].lower()}{kind[1:]}:{kind}::{name}"


def _refused(error: grpc.RpcError) -> Refused:
    assert isinstance(error, grpc.Call)
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            detail = provider_pb2.ErrorResourceInitFailed()
            for packed in status_pb2.Status.FromString(bytes(value)).details:
                if packed.Unpack(detail):
                    return Refused(error.code(), "\n".join(detail.reasons), (detail.id, properties(detail.properties)))
    return Refused(error.code(), error.details() or "", None)


@contextmanager
def asking(folder: Path, arguments: Sequence[str] = ("127.0.0.1:1",)) -> Iterator[Provider]:
    """Start the plugin of a folder, as Pulumi does, and speak to it; it is ended afterwards."""
    with subprocess.Popen(
        [folder / PLUGIN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
                yield Provider(channel)
        finally:
            process.terminate()
            process.wait(timeout=10)
