"""The resources that the stand-in knows, as upstream's schema has them."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.docker_provider.schema import Field, Kind, fixed, nested

_LABELS = nested("bag", label=fixed("text", required=True), value=fixed("text", required=True))
_PROPAGATION = "^(private|rprivate|shared|rshared|slave|rslave)$"
_SPAN = Field("text", default="0s", pattern=r"^(0|([0-9.]+(ns|us|µs|ms|s|m|h))+)$", otherwise="is not a valid duration")

_HEALTHCHECK = Field(
    "object",
    kept=True,
    fields={
        "tests": Field("list"),
        "interval": _SPAN,
        "timeout": _SPAN,
        "startPeriod": _SPAN,
        "startInterval": _SPAN,
        "retries": Field("whole", least=0),
    },
)

_MOUNTS = nested(
    "bag",
    target=Field("text", required=True),
    type=Field("text", required=True, pattern="^(bind|volume|tmpfs)$"),
    source=Field("text"),
    readOnly=Field("flag"),
    bindOptions=Field(
        "object", fields={"propagation": Field("text", pattern="^(private|rprivate|shared|rshared|slave|rslave)$")}
    ),
    volumeOptions=Field(
        "object",
        fields={
            "noCopy": Field("flag"),
            "labels": Field("bag", fields=_LABELS.fields),
            "driverName": Field("text"),
            "driverOptions": Field("table"),
            "subpath": fixed("text"),
        },
    ),
    tmpfsOptions=nested("object", sizeBytes=Field("whole"), mode=Field("whole")),
)

_NETWORKS = nested(
    "bag",
    name=fixed("text", required=True),
    aliases=fixed("set"),
    ipv4Address=fixed("text"),
    ipv6Address=fixed("text"),
    linkLocalIps=fixed("set"),
    macAddress=fixed("text"),
    driverOpts=fixed("set"),
    gwPriority=fixed("whole"),
)

_UPLOADS = nested(
    "bag",
    file=fixed("text", required=True),
    content=fixed("text"),
    contentBase64=fixed("text"),
    executable=fixed("flag"),
    permissions=Field("text", replaces=True, pattern="^0[0-7]{3}$"),
    source=fixed("text"),
    sourceHash=fixed("text"),
)

_PORTS = nested(
    "rows",
    internal=fixed("whole", required=True),
    external=fixed("whole", kept=True),
    ip=fixed("text", default="0.0.0.0"),  # noqa: S104 - the word for "every address" in the provider's schema
    protocol=fixed("text", default="tcp"),
)

_VOLUMES = nested(
    "bag",
    containerPath=fixed("text"),
    fromContainer=fixed("text"),
    hostPath=Field("text", replaces=True, pattern="^/", otherwise="must be an absolute path"),
    volumeName=fixed("text"),
    readOnly=fixed("flag"),
    selinuxRelabel=Field("text", replaces=True, pattern="^(z|Z)$"),
)

_CONTAINER: dict[str, Field] = {
    "name": fixed("text"),
    "image": fixed("text", required=True),
    "command": fixed("list", kept=True),
    "entrypoints": fixed("list", kept=True),
    "envs": fixed("set", kept=True),
    "labels": nested("bag", kept=True, **_LABELS.fields),
    "uploads": _UPLOADS,
    "volumes": _VOLUMES,
    "mounts": _MOUNTS,
    "tmpfs": Field("table"),
    "ports": _PORTS,
    "publishAllPorts": fixed("flag"),
    "networksAdvanced": _NETWORKS,
    "networkMode": fixed("text", default="bridge"),
    "hostname": fixed("text", kept=True),
    "domainname": fixed("text"),
    "hosts": nested("bag", host=fixed("text", required=True), ip=fixed("text", required=True)),
    "dns": fixed("set"),
    "dnsOpts": fixed("set"),
    "dnsSearches": fixed("set"),
    "user": fixed("text", kept=True),
    "workingDir": fixed("text", kept=True),
    "groupAdds": fixed("set"),
    "privileged": fixed("flag"),
    "readOnly": fixed("flag"),
    "capabilities": nested("object", adds=fixed("set"), drops=fixed("set")),
    "securityOpts": fixed("set", kept=True),
    "usernsMode": fixed("text"),
    "pidMode": fixed("text"),
    "ipcMode": fixed("text", kept=True),
    "cgroupnsMode": fixed("text"),
    "cgroupParent": fixed("text"),
    "runtime": fixed("text", kept=True),
    "platform": fixed("text", kept=True),
    "sysctls": fixed("table"),
    "storageOpts": fixed("table"),
    "shmSize": Field("whole", replaces=True, kept=True, least=0),
    "ulimits": nested(
        "bag",
        name=fixed("text", required=True),
        soft=fixed("whole", required=True),
        hard=fixed("whole", required=True),
    ),
    "memory": Field("whole", least=0),
    "memorySwap": Field("whole", least=-1),
    "memoryReservation": Field("whole", least=0),
    "cpus": fixed("text"),
    "cpuShares": Field("whole", least=0),
    "cpuSet": Field("text", pattern=r"^\d+([,-]\d+)*$"),
    "cpuPeriod": Field("whole", least=0),
    "cpuQuota": Field("whole", least=0),
    "logDriver": fixed("text", kept=True),
    "logOpts": fixed("table"),
    "tty": fixed("flag"),
    "stdinOpen": fixed("flag"),
    "init": Field("flag", kept=True),
    "healthcheck": _HEALTHCHECK,
    "stopSignal": fixed("text", kept=True),
    "stopTimeout": fixed("whole", kept=True),
    "restart": Field("text", default="no", pattern="^(no|on-failure|always|unless-stopped)$"),
    "maxRetryCount": Field("whole"),
    "rm": Field("flag"),
    "start": Field("flag", default=True),
    "mustRun": Field("flag", default=True),
    "wait": Field("flag"),
    "waitTimeout": Field("whole", default=60),
    "attach": Field("flag"),
    "logs": Field("flag"),
    "removeVolumes": Field("flag", default=True),
    "destroyGraceSeconds": Field("whole"),
    "containerReadRefreshTimeoutMilliseconds": Field("whole", default=15000),
}

_NETWORK: dict[str, Field] = {
    "name": fixed("text"),
    "labels": _LABELS,
    "driver": fixed("text", kept=True),
    "options": fixed("table", kept=True),
    "internal": fixed("flag", kept=True),
    "attachable": fixed("flag"),
    "ingress": fixed("flag"),
    "ipv6": fixed("flag"),
    "ipamDriver": fixed("text", default="default"),
    "ipamOptions": fixed("table"),
    "ipamConfigs": nested(
        "bag",
        kept=True,
        subnet=fixed("text"),
        ipRange=fixed("text"),
        gateway=fixed("text"),
        auxAddress=fixed("table"),
    ),
}

_VOLUME: dict[str, Field] = {
    "name": fixed("text", kept=True),
    "labels": _LABELS,
    "driver": fixed("text", kept=True),
    "driverOpts": fixed("table"),
}

_REMOTE_IMAGE: dict[str, Field] = {
    "name": fixed("text", required=True),
    "keepLocally": Field("flag"),
    "forceRemove": Field("flag"),
    "pullTriggers": fixed("set"),
    "triggers": fixed("table"),
    "platform": fixed("text"),
}

_TAG: dict[str, Field] = {
    "sourceImage": fixed("text", required=True),
    "targetImage": fixed("text", required=True),
    "tagTriggers": fixed("set"),
}


def _told(*names: str) -> dict[str, Field]:
    return {name: Field("text", kept=True) for name in names}


KINDS: Mapping[str, Kind] = {
    "docker:index/container:Container": Kind(
        _CONTAINER,
        {**_told("bridge", "containerLogs", "exitCode"), "networkDatas": Field("list", kept=True)},
        named=True,
        deletes_first=True,
    ),
    "docker:index/network:Network": Kind(_NETWORK, _told("scope"), named=True),
    "docker:index/volume:Volume": Kind(_VOLUME, _told("mountpoint"), named=True),
    "docker:index/remoteImage:RemoteImage": Kind(_REMOTE_IMAGE, _told("imageId", "repoDigest")),
    "docker:index/tag:Tag": Kind(_TAG, _told("sourceImageId")),
}
"""By the type in a resource's URN; all but `docker:index/image:Image`, which upstream has written by itself."""
