"""One release: its files, its folder for sockets, and a container for each of its processes."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra import naming
from infra.components.container import Attached, Health, Mounted, Spec, container
from infra.components.files import Files, Filled, volume
from infra.rollout import Placed, Runs

WEB = "web"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a release finds: the customer's network and data, and what must be there before its processes start."""

    network: pulumi.Input[str]
    data: Mounted
    before: tuple[pulumi.Resource, ...]


class ReleaseParts(pulumi.ComponentResource):
    """What runs of a release. The release is in every name, so a new one never touches the one that serves.

    protect: it serves while a candidate comes up beside it, so the engine may neither delete nor replace it.
    """

    def __init__(
        self,
        contract: str,
        placed: Placed,
        running: tuple[Runs, ...],
        surroundings: Surroundings,
        options: pulumi.ResourceOptions,
        *,
        protect: bool,
    ) -> None:
        super().__init__("crmhost:cloud:Release", f"crmhost-{contract}-{placed.tag}", None, options)
        child = pulumi.ResourceOptions(parent=self)
        owned = naming.labels(contract, "run", placed.release.id)
        run = volume(naming.release_volume(contract, placed.tag, "run"), owned, child)
        writable = (surroundings.data, Mounted(run.name, naming.RUN_FOLDER))
        files = Files(
            Filled(
                name=naming.release_volume(contract, placed.tag, "files"),
                contract=contract,
                role="files",
                release=placed.release.id,
                image=placed.image,
                owner=f"{naming.UID}:{naming.UID}",
                folder=naming.RELEASE_FOLDER,
                files=placed.files,
                writable=writable,
                rekeyed=placed.rekeyed,
            ),
            child,
        )
        ready = [files.ready, *surroundings.before]
        for process in running:
            container(
                naming.process(contract, placed.tag, process.name),
                process_spec(contract, placed, process, surroundings, (files.mounted, *writable)),
                pulumi.ResourceOptions(parent=self, depends_on=ready, protect=protect),
            )
        self.register_outputs({})


def process_spec(
    contract: str, placed: Placed, process: Runs, surroundings: Surroundings, mounts: tuple[Mounted, ...]
) -> Spec:
    """Return the container of a process: `web` is on the edge network too, where the ingress finds it by its slot."""
    own = Attached(surroundings.network)
    edge = Attached(naming.EDGE, (naming.web_alias(placed.slot, placed.host),))
    return Spec(
        image=placed.image,
        argv=process.argv,
        user=f"{naming.UID}:{naming.UID}",
        limits=process.limits,
        labels=naming.labels(contract, process.name, placed.release.id, placed.rekeyed),
        networks=(own, edge) if process.name == WEB else (own,),
        mounts=mounts,
        env=process.env,
        cwd=process.cwd,
        health=Health(placed.health),
        grace=process.stop,
    )
