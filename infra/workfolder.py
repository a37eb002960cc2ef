"""The folder that a stack keeps on this machine: with it, plain `pulumi up` there does what was recorded, and no more.

`Pulumi.yaml` and `__main__.py` are the same for every stack but for where the state is; `Pulumi.<stack>.yaml` holds the
rollout, how the host is reached, and the contents of secret files, sealed; of a host's own stack what its ingress is
(written as JSON, which is YAML and quickly read). Each is written whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm.errors import CrmhostError
from infra.backend import PROJECT
from infra.engine.reach import Reach

ROLLOUT, REACH, SEALED = f"{PROJECT}:rollout", f"{PROJECT}:reach", f"{PROJECT}:sealed"
HOST = f"{PROJECT}:host"
_PROGRAM = (
    '"""What `pulumi` runs here: the rollout that crmhost recorded."""\n\nfrom infra.byhand import main\n\nmain()\n'
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a stack was last asked to hold: JSON texts, the sealed one encrypted."""

    rollout: str
    reach: Reach
    sealed: str


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """The folder of one stack. backend: where its state is (`file:///…`, `s3://…`, `postgres://…`)."""

    path: Path
    stack: str
    backend: str

    @property
    def configuration(self) -> Path:
        """Return the file with what is recorded."""
        return self.path / f"Pulumi.{self.stack}.yaml"

    def prepare(self) -> None:
        """Make the folder what `pulumi` wants to find; what is right already is not touched."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, text in (("Pulumi.yaml", self._project()), ("__main__.py", _PROGRAM)):
            path = self.path / name
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                write_whole(path, text)

    def read(self) -> Recorded | None:
        """Return what is recorded, or None; raises CrmhostError for what crmhost did not write."""
        config = self._settings().get("config") or {}
        return None if ROLLOUT not in config else _recorded(config, str(self.configuration))

    def write(self, recorded: Recorded) -> None:
        """Record what the stack is asked to hold; Pulumi's own lines in the file stay."""
        self._keep(_config(recorded))

    def write_host(self, text: str) -> None:
        """Record what a host's own stack is asked to hold: `infra.hostrecord` has its form."""
        self._keep({HOST: text})

    def read_host(self) -> str | None:
        """Return what is recorded of a host's own stack, or None."""
        found = (self._settings().get("config") or {}).get(HOST)
        return None if found is None else str(found)

    def _keep(self, config: Mapping[str, str]) -> None:
        settings = dict(self._settings())
        settings["config"] = {**(settings.get("config") or {}), **config}
        text = json.dumps(settings, indent=1, sort_keys=True) + "\n"
        if not self.configuration.exists() or self.configuration.read_text(encoding="utf-8") != text:
            write_whole(self.configuration, text)

    @property
    def begun(self) -> bool:
        """Tell whether what was asked of Pulumi last has not been reached."""
        return self._mark.exists()

    def begin(self) -> None:
        """Remember that Pulumi is asked for something, until `end`; outlives a kill of anybody."""
        self._mark.touch(mode=0o600)

    def end(self) -> None:
        """Remember that Pulumi has reached what it was asked for."""
        self._mark.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def _mark(self) -> Path:
        return self.path / ".begun"

    def _settings(self) -> Mapping[str, Any]:
        try:
            text = self.configuration.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        try:
            settings = _parse(text)
        except ValueError as error:
            raise CrmhostError(
                f"{self.configuration}: cannot be read: it is damaged ({error})",
                "Take it from a backup, or remove it and deploy again.",
            ) from error
        return settings

    def _project(self) -> str:
        lines = [
            f"name: {PROJECT}",
            f"description: {json.dumps(f'What crmhost recorded of {self.stack}; crmhost writes this file')}",
            "runtime:",
            "  name: python",
            f"backend: {json.dumps({'url': self.backend})}",
        ]
        if sys.prefix != sys.base_prefix:
            lines[4:4] = [f"  options: {json.dumps({'virtualenv': sys.prefix})}"]
        return "\n".join(lines) + "\n"


def recorded_to(recorded: Recorded) -> str:
    """Return what is recorded as one JSON text."""
    return json.dumps(_config(recorded), sort_keys=True)


def recorded_from(text: str, where: str) -> Recorded:
    """Return what `recorded_to` wrote; raises CrmhostError that names `where` for anything else."""
    try:
        config = dict(json.loads(text))
    except (TypeError, ValueError):
        config = {}
    return _recorded(config, where)


def reach_to(reach: Reach) -> str:
    """Return how a host is reached, as JSON. Names of files, not what is in them."""
    paths = {name: getattr(reach, name) for name in ("key_file", "known_hosts", "tls")}
    given = {name: str(path) for name, path in paths.items() if path is not None}
    return json.dumps({"url": reach.url, **given}, sort_keys=True)


def reach_from(text: str) -> Reach:
    """Return what `reach_to` wrote; raises ValueError or KeyError for anything else."""
    raw = json.loads(text)
    url = raw.pop("url")
    return Reach(url, **{name: Path(path) for name, path in raw.items()})


def _config(recorded: Recorded) -> dict[str, str]:
    return {ROLLOUT: recorded.rollout, REACH: reach_to(recorded.reach), SEALED: recorded.sealed}


def _recorded(config: Mapping[str, Any], where: str) -> Recorded:
    try:
        return Recorded(str(config[ROLLOUT]), reach_from(config[REACH]), str(config[SEALED]))
    except (KeyError, TypeError, ValueError) as error:
        raise CrmhostError(
            f"{where}: is not what crmhost wrote ({type(error).__name__}: {error})",
            "Take it from a backup, or remove it and deploy again.",
        ) from error


def _parse(text: str) -> Mapping[str, Any]:
    """Return the settings in a file of crmhost's, which is JSON, or of Pulumi's, which is YAML."""
    if text.startswith("{"):
        return dict(json.loads(text))
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return dict(YAML(typ="safe", pure=True).load(text) or {})
    except YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from error


def write_whole(path: Path, text: str) -> None:
    """Write a file that is its owner's alone, and that nobody ever finds half-written."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
