"""The state of a container, as upstream reads it back: what it looks at, what it leaves, and in which form. Pure."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from tests.support.docker_provider.container_spec import MIB, Body
from tests.support.docker_provider.spans import written
from tests.support.docker_provider.values import Properties, Value, absent, flag, text


def state(known: Properties, found: Body) -> Properties:
    """Return the state after a look at the container.

    `known` is the state before, or the inputs. Environment, labels, uploads, volumes and networks are never read
    back: that is why a network that was taken away by hand is not noticed.
    """
    config, host = found["Config"], found["HostConfig"]
    read = {
        **known,
        **_config(config),
        **_host(host),
        **_only_where_asked(known, host),
        **_network(known, found),
        "name": found["Name"].lstrip("/"),
        "image": found["Image"] if text(known, "image").startswith("sha256:") else config["Image"],
        **_running(known, found["State"]),
    }
    return {name: value for name, value in read.items() if value is not None}


def _config(config: Body) -> Properties:
    health = config.get("Healthcheck")
    return {
        "hostname": config.get("Hostname"),
        "domainname": config.get("Domainname"),
        "command": config.get("Cmd") or [],
        "entrypoints": config.get("Entrypoint") or [],
        "user": config.get("User"),
        "workingDir": config.get("WorkingDir"),
        "tty": config.get("Tty"),
        "stdinOpen": config.get("OpenStdin"),
        "stopSignal": config.get("StopSignal"),
        "stopTimeout": config.get("StopTimeout"),
        **({"healthcheck": _healthcheck(health)} if health else {}),
    }


def _healthcheck(health: Body) -> Properties:
    return {
        "tests": health.get("Test"),
        "interval": written(health.get("Interval", 0)),
        "timeout": written(health.get("Timeout", 0)),
        "startPeriod": written(health.get("StartPeriod", 0)),
        "startInterval": written(health.get("StartInterval", 0)),
        "retries": health.get("Retries", 0),
    }


def _host(host: Body) -> Properties:
    swap = host.get("MemorySwap", 0)
    policy = host["RestartPolicy"]
    return {
        "rm": host["AutoRemove"],
        "readOnly": host["ReadonlyRootfs"],
        "privileged": host["Privileged"],
        "publishAllPorts": host["PublishAllPorts"],
        "restart": policy["Name"],
        "maxRetryCount": policy["MaximumRetryCount"],
        "init": bool(host.get("Init")),
        "dns": host.get("Dns"),
        "dnsOpts": host.get("DnsOptions"),
        "dnsSearches": host.get("DnsSearch"),
        "securityOpts": host.get("SecurityOpt"),
        "runtime": host.get("Runtime"),
        "mounts": [_mount(mount) for mount in host.get("Mounts") or []],
        "tmpfs": host.get("Tmpfs"),
        "hosts": [_extra(line) for line in host.get("ExtraHosts") or []],
        "memory": host.get("Memory", 0) // MIB,
        "memoryReservation": host.get("MemoryReservation", 0) // MIB,
        "memorySwap": swap // MIB if swap > 0 else swap,
        "shmSize": host.get("ShmSize", 0) // MIB,
        "cpuShares": host.get("CpuShares", 0),
        "cpuSet": host.get("CpusetCpus"),
        "logDriver": host["LogConfig"]["Type"],
        "storageOpts": host.get("StorageOpt"),
        "networkMode": host.get("NetworkMode"),
        "usernsMode": host.get("UsernsMode"),
        "sysctls": host.get("Sysctls"),
        "ipcMode": host.get("IpcMode"),
        "groupAdds": host.get("GroupAdd"),
    }


def _only_where_asked(known: Properties, host: Body) -> Properties:
    """Return what is read only where there is, or was, something."""
    read: Properties = {}
    if host.get("CapAdd") or host.get("CapDrop"):
        read["capabilities"] = {"adds": host.get("CapAdd") or [], "drops": host.get("CapDrop") or []}
    if host.get("NanoCpus"):
        read["cpus"] = decimal(host["NanoCpus"])
    if not absent(known.get("ulimits")):
        read["ulimits"] = [
            {"name": limit["Name"], "soft": limit["Soft"], "hard": limit["Hard"]} for limit in host.get("Ulimits") or []
        ]
    if not absent(known.get("pidMode")):
        read["pidMode"] = host.get("PidMode")
    if not absent(known.get("logOpts")):
        read["logOpts"] = host["LogConfig"].get("Config")
    return read


def decimal(nanos: int) -> str:
    """Write billionths of a processor as upstream does: 1.0 for one, and 0.1 for a twentieth."""
    exact = f"{Decimal(nanos) / 10**9:.9f}"
    if exact.count("0") == 9:
        return str(Decimal(exact).quantize(Decimal("0.1"), ROUND_HALF_UP))
    return exact.rstrip("0")


def _network(known: Properties, found: Body) -> Properties:
    settings = found["NetworkSettings"]
    read: Properties = {
        "bridge": settings.get("Bridge"),
        "networkDatas": [_membership(name, data) for name, data in sorted(settings["Networks"].items())],
    }
    if not absent(known.get("ports")) and (found["State"]["Running"] or flag(known, "mustRun")):
        read["ports"] = _ports(settings.get("Ports") or {})
    return read


def _membership(name: str, data: Body) -> Value:
    return {
        "networkName": name,
        "ipAddress": data["IPAddress"],
        "ipPrefixLength": data["IPPrefixLen"],
        "gateway": data["Gateway"],
        "globalIpv6Address": data["GlobalIPv6Address"],
        "globalIpv6PrefixLength": data["GlobalIPv6PrefixLen"],
        "ipv6Gateway": data["IPv6Gateway"],
        "macAddress": data["MacAddress"],
    }


def _ports(published: Body) -> list[Value]:
    def number(key: str) -> int:
        return int(key.partition("/")[0])

    return [
        {
            "internal": number(key),
            "external": int(binding["HostPort"]),
            "ip": binding["HostIp"],
            "protocol": key.split("/")[1],
        }
        for key in sorted(published, key=number)
        for binding in published[key] or []
    ]


def _mount(mount: Body) -> Value:
    read: Properties = {
        "target": mount["Target"],
        "source": mount.get("Source"),
        "type": mount["Type"],
        "readOnly": mount.get("ReadOnly"),
    }
    if options := mount.get("BindOptions"):
        read["bindOptions"] = {"propagation": options.get("Propagation")}
    if options := mount.get("TmpfsOptions"):
        read["tmpfsOptions"] = {"sizeBytes": options.get("SizeBytes"), "mode": options.get("Mode")}
    return {name: value for name, value in read.items() if value is not None}


def _extra(line: str) -> Value:
    host, _, address = line.partition(":")
    return {"host": host, "ip": address}


def _running(known: Properties, found: Body) -> Properties:
    """Tell of a stopped container that it must not run, so that the plan starts it."""
    if found["Running"]:
        return {}
    return {"exitCode": found["ExitCode"], **({"mustRun": False} if flag(known, "mustRun") else {})}
