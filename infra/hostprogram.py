"""The program of the host stack: what a Docker host has once, for all its customers. It decides nothing."""

from __future__ import annotations

import pulumi
import pulumi_docker as docker

from infra import naming
from infra.components.container import Attached, Mounted, Spec, container
from infra.components.files import Files, Filled, volume
from infra.ingress import configuration
from infra.ingress.configuration import HOST
from infra.program import provider
from infra.settings import HostSettings

GRACE = 20
"""Seconds in which the ingress ends the requests that are under way."""


def declare_host(settings: HostSettings) -> None:
    """Declare network, volumes and ingress; to be called inside a Pulumi program.

    The volumes of sites and of certificates are protected: without the first nobody is served, without the second
    every certificate has to be asked for again, which a public authority does only so often.
    """
    options = pulumi.ResourceOptions(provider=provider(settings.reach))
    edge = _edge(options)
    sites = volume(naming.SITES, naming.labels(HOST, "sites"), options, protect=True)
    data = volume(naming.INGRESS_DATA, naming.labels(HOST, "ingress-data"), options, protect=True)
    volume(naming.TEMPLATES, naming.labels(HOST, "templates"), options)
    writable = (Mounted(sites.name, configuration.SITES), Mounted(data.name, configuration.DATA))
    files = Files(
        Filled(
            name=configuration.FILES,
            contract=HOST,
            role="files",
            release=None,
            image=settings.images.ingress,
            owner=configuration.USER,
            folder=configuration.FOLDER,
            files=configuration.files(settings.ingress),
            writable=writable,
        ),
        options,
    )
    spec = Spec(
        image=settings.images.ingress,
        argv=configuration.ARGV,
        user=configuration.USER,
        limits=configuration.LIMITS,
        labels={**naming.labels(HOST, "ingress"), configuration.LABEL_CONFIG: configuration.digest(settings)},
        networks=(Attached(edge.name),),
        mounts=(files.mounted, *writable),
        env=configuration.environment(settings.ingress),
        grace=GRACE,
        # The official image's caddy may bind low ports; Linux does not start such a program where it may never do so.
        add=("CAP_NET_BIND_SERVICE",),
        ports=configuration.ports(settings.ingress),
    )
    container(
        naming.INGRESS, spec, pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=files.ready))
    )


def _edge(options: pulumi.ResourceOptions) -> docker.Network:
    labels = sorted(naming.labels(HOST, "edge").items())
    own = pulumi.ResourceOptions(delete_before_replace=True, ignore_changes=["labels"])
    return docker.Network(
        naming.EDGE,
        name=naming.EDGE,
        driver="bridge",
        labels=[docker.NetworkLabelArgs(label=key, value=value) for key, value in labels],
        opts=pulumi.ResourceOptions.merge(options, own),
    )
