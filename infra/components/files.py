"""A volume with files, some of them secret, and the container that gives them to the user who may read them.

An upload arrives as root's, and into a read-only container there is none: so the files go into a volume, through a
container that runs once, as root, with three capabilities and no network. It exists for as long as the volume does, and
what depends on it starts when it has ended. Contents are secrets in Pulumi's state, and never in an environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import cast

import pulumi
import pulumi_docker as docker

from infra import naming
from infra.components.container import Mounted, Spec, container
from infra.rollout import Limits, UploadFile

_SCRIPT = "crmhost-own.sh"
_LIMITS = Limits(64, "1.0")


@dataclass(frozen=True, slots=True)
class Filled:
    """What goes into a volume of files: whose, where it is mounted, and the other folders that the owner writes to.

    rekeyed: how often the secrets among them were changed.
    """

    name: str
    contract: str
    role: str
    release: str | None
    image: str
    owner: str
    folder: str
    files: tuple[UploadFile, ...]
    writable: tuple[Mounted, ...] = ()
    rekeyed: int = 0


class Files(pulumi.ComponentResource):
    """A volume of files; `mounted` is how others mount it, `ready` what they depend on."""

    def __init__(self, filled: Filled, options: pulumi.ResourceOptions) -> None:
        super().__init__("crmhost:cloud:Files", filled.name, None, options)
        labels = naming.labels(filled.contract, filled.role, filled.release)
        child = pulumi.ResourceOptions(parent=self)
        self.volume = volume(filled.name, labels, child)
        self.mounted = Mounted(self.volume.name, filled.folder, read_only=True)
        keyed = naming.labels(filled.contract, filled.role, filled.release, filled.rekeyed)
        once = container(filled.name, _one_shot(filled, keyed, self.volume.name), child)
        once.exit_code.apply(lambda code: _check(filled.name, code))
        self.ready = once
        self.register_outputs({})


def volume(
    name: str, labels: dict[str, str], options: pulumi.ResourceOptions, *, protect: bool = False
) -> docker.Volume:
    """Declare a named volume. Its labels are as they were when it was made: another label would cost the data."""
    return docker.Volume(
        name,
        name=name,
        labels=[docker.VolumeLabelArgs(label=key, value=value) for key, value in sorted(labels.items())],
        opts=pulumi.ResourceOptions.merge(
            options, pulumi.ResourceOptions(protect=protect, ignore_changes=["labels"], delete_before_replace=True)
        ),
    )


def script(name: str) -> str:
    """Return the text of a script of this package: constant, with nothing of a customer in it."""
    return resources.files("infra.components").joinpath(name).read_text(encoding="utf-8")


def _one_shot(filled: Filled, labels: dict[str, str], volume_name: pulumi.Input[str]) -> Spec:
    path = f"{filled.folder}/{_SCRIPT}"
    return Spec(
        image=filled.image,
        argv=("sh", path, filled.owner, filled.folder, *(each.path for each in filled.writable)),
        user="0:0",
        limits=_LIMITS,
        labels=labels,
        networks=(),
        mounts=(Mounted(volume_name, filled.folder), *filled.writable),
        grace=10,
        add=("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"),
        once=True,
        uploads=_uploads(filled.folder, (UploadFile(_SCRIPT, 0o500, script("own.sh")), *filled.files)),
    )


def _uploads(folder: str, files: Sequence[UploadFile]) -> tuple[docker.ContainerUploadArgs, ...]:
    return tuple(
        docker.ContainerUploadArgs(
            file=f"{folder}/{file.path}",
            # The provider refuses an upload without content.
            content=cast(pulumi.Output[str | None], pulumi.Output.secret(file.content or "\n")),
            permissions=f"{file.mode:04o}",
        )
        for file in files
    )


def _check(name: str, code: int | None) -> None:
    if code:
        raise pulumi.RunError(f"{name} could not give its files to their owner: it ended with {code}; see its log")
