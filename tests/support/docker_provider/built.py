"""Images that are built: upstream wrote this resource by itself, and it is another animal than the others.

Known differences: BuildKit is asked for its version 1 builder, too, since docker-py has no session for it; nothing is
pushed to a registry.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from pathlib import Path

from docker.api.client import APIClient
from docker.utils.build import exclude_paths

from tests.support.docker_provider.connect import told
from tests.support.docker_provider.diff import Change, Difference
from tests.support.docker_provider.failures import Failed
from tests.support.docker_provider.image import inspected
from tests.support.docker_provider.served import Log, Made
from tests.support.docker_provider.values import Properties, Value, flag, group, table, text, texts

INPUTS = "__inputs"
"""Under this name the state keeps the inputs, which are what a diff compares."""


class Images:
    """The resource `Image`; `log` gets the builder's lines."""

    stable: tuple[str, ...] = ()

    def __init__(self, log: Log) -> None:
        self.handler = self
        self._log = log

    def check(self, logical: str, seed: bytes, olds: Properties, news: Properties) -> tuple[Properties, list[str]]:
        """Return the inputs with their defaults and the digest of what is built from."""
        del logical, seed, olds
        build = group(news, "build")
        context = text(build, "context") or "."
        dockerfile = text(build, "dockerfile") or str(Path(context) / "Dockerfile")
        if not Path(dockerfile).is_file():
            raise Failed(f'could not open dockerfile at relative path "{dockerfile}"')
        build = {
            **build,
            "context": context,
            "dockerfile": dockerfile,
            "platform": text(build, "platform") or f"linux/{_ARCHITECTURES.get(platform.machine(), 'amd64')}",
            "contextDigest": _digest(Path(context), Path(dockerfile)),
        }
        return {"buildOnPreview": False, "skipPush": False, **news, "build": build}, []

    def diff(self, state: Properties, inputs: Properties) -> Difference:
        """Compare the inputs, each as a whole: whatever differs is an update."""
        old = group(state, INPUTS)
        changes = tuple(
            Change(name, "add" if name not in old else "delete" if name not in inputs else "update", replaces=False)
            for name in sorted({*old} | {*inputs})
            if old.get(name) != inputs.get(name)
        )
        return Difference(changes, deletes_first=False, by_name=False)

    def preview(self, state: Properties, inputs: Properties) -> Properties:
        """Return what is known before the build: the inputs."""
        del state
        return inputs

    def create(self, engine: APIClient, inputs: Properties) -> Made:
        """Build the image."""
        return Made(text(inputs, "imageName"), self._built(engine, inputs))

    def read(self, engine: APIClient, identity: str, state: Properties) -> tuple[str, Properties] | None:
        """Return what is known already: upstream does not look."""
        del engine
        return identity, state

    def update(self, engine: APIClient, identity: str, state: Properties, inputs: Properties) -> Properties:
        """Build the image anew."""
        del identity, state
        return self._built(engine, inputs)

    def delete(self, engine: APIClient, identity: str, state: Properties) -> None:
        """Leave the image where it is, as upstream does."""
        del engine, identity, state

    def _built(self, engine: APIClient, inputs: Properties) -> Properties:
        name, build = text(inputs, "imageName"), group(inputs, "build")
        if not flag(inputs, "skipPush"):
            raise Failed("the stand-in provider pushes nothing: say skip_push=True")
        with told("error building image"):
            for line in engine.build(
                path=text(build, "context"),
                dockerfile=str(Path(text(build, "dockerfile")).resolve()),
                tag=name,
                buildargs=table(build, "args"),
                target=text(build, "target") or None,
                platform=text(build, "platform"),
                network_mode=text(build, "network") or None,
                extra_hosts=dict(_host(one) for one in texts(build, "addHosts")),
                rm=text(build, "builderVersion") != "BuilderV1",
                decode=True,
            ):
                self._heard(line)
        identity = str(inspected(engine, name)["Id"])
        return {
            "dockerfile": text(build, "dockerfile"),
            "context": text(build, "context"),
            "baseImageName": name,
            "registryServer": text(group(inputs, "registry"), "server"),
            "imageName": name,
            "platform": text(build, "platform"),
            "repoDigest": identity,
            INPUTS: dict(inputs),
        }

    def _heard(self, line: Mapping[str, Value]) -> None:
        if line.get("error"):
            raise Failed(f"error reading build output: {line['error']}")
        if said := str(line.get("stream") or "").strip():
            self._log("info", said)


_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _host(line: str) -> tuple[str, str]:
    name, _, address = line.partition(":")
    return name, address


def _digest(context: Path, dockerfile: Path) -> str:
    """Return one digest over the names, modes and contents of what the builder is sent."""
    ignored = context / ".dockerignore"
    patterns = ignored.read_text().splitlines() if ignored.is_file() else []
    digest = hashlib.sha256(dockerfile.read_bytes())
    for name in sorted(exclude_paths(str(context), [line for line in patterns if line and not line.startswith("#")])):
        path = context / name
        if path.is_file():
            digest.update(f"{name}\0{path.stat().st_mode}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
