"""What the engine is asked to create for a container's inputs. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias

from tests.support.docker_provider.failures import Failed
from tests.support.docker_provider.spans import nanoseconds
from tests.support.docker_provider.values import Properties, flag, group, labels, rows, table, text, texts, whole

Body: TypeAlias = dict[str, Any]
"""JSON for the engine."""

MIB = 1024 * 1024


def refuse(inputs: Properties, version: str) -> None:
    """Raise Failed for inputs that upstream refuses by itself, or that an engine of that API version has not."""
    if _version(version) < (1, 44) and nanoseconds(text(group(inputs, "healthcheck"), "startInterval")):
        raise Failed(
            'Unable to create container: "specify health-check start interval" requires API version 1.44, '
            f"but the Docker daemon API version is {version}"
        )
    if _version(version) < (1, 45) and any(row.get("volumeOptions") for row in rows(inputs, "mounts")):
        raise Failed("Setting VolumeOptions.Subpath requires docker version 1.45 or higher")
    if "" in texts(inputs, "command"):
        raise Failed("values for command may not be empty")


def _version(text: str) -> tuple[int, ...]:
    """Read an API version, so that 1.9 comes before 1.45."""
    return tuple(map(int, text.split(".")))


def body(inputs: Properties) -> Body:
    """Return what the engine creates."""
    asked = {
        "Image": text(inputs, "image"),
        "Hostname": text(inputs, "hostname"),
        "Domainname": text(inputs, "domainname"),
        "User": text(inputs, "user"),
        "WorkingDir": text(inputs, "workingDir"),
        "Tty": flag(inputs, "tty"),
        "OpenStdin": flag(inputs, "stdinOpen"),
        "StopSignal": text(inputs, "stopSignal"),
        "StopTimeout": whole(inputs, "stopTimeout") or None,
        "Env": texts(inputs, "envs"),
        "Cmd": texts(inputs, "command"),
        "Entrypoint": texts(inputs, "entrypoints"),
        "Labels": labels(inputs),
        "Healthcheck": _healthcheck(group(inputs, "healthcheck")),
        "ExposedPorts": {_port(row): {} for row in rows(inputs, "ports")},
        "Volumes": {text(row, "containerPath"): {} for row in rows(inputs, "volumes") if text(row, "containerPath")},
    }
    return {name: value for name, value in asked.items() if value not in ("", None, [], {})} | {
        "HostConfig": _host(inputs)
    }


def _host(inputs: Properties) -> Body:
    capabilities = group(inputs, "capabilities")
    options = texts(inputs, "securityOpts")
    unmasked = "systempaths=unconfined" in options
    asked = {
        **_limits(inputs),
        **_namespaces(inputs),
        "Binds": [bind for row in rows(inputs, "volumes") if (bind := _bind(row))],
        "VolumesFrom": [text(row, "fromContainer") for row in rows(inputs, "volumes") if text(row, "fromContainer")],
        "Mounts": [_mount(row) for row in rows(inputs, "mounts")],
        "Tmpfs": table(inputs, "tmpfs"),
        "PortBindings": _bindings(rows(inputs, "ports")),
        "CapAdd": _full_names(texts(capabilities, "adds")),
        "CapDrop": _full_names(texts(capabilities, "drops")),
        "SecurityOpt": [option for option in options if option != "systempaths=unconfined"],
        "LogConfig": {"Type": text(inputs, "logDriver"), "Config": table(inputs, "logOpts")},
        "StorageOpt": table(inputs, "storageOpts"),
    }
    switches = {
        "Privileged": flag(inputs, "privileged"),
        "PublishAllPorts": flag(inputs, "publishAllPorts"),
        "AutoRemove": flag(inputs, "rm"),
        "ReadonlyRootfs": flag(inputs, "readOnly"),
        "Init": flag(inputs, "init"),
        "RestartPolicy": {"Name": text(inputs, "restart"), "MaximumRetryCount": whole(inputs, "maxRetryCount")},
    }
    masks: Body = {"MaskedPaths": [], "ReadonlyPaths": []} if unmasked else {}
    return {name: value for name, value in asked.items() if value not in ("", 0, [], {})} | switches | masks


def _full_names(capabilities: list[str]) -> list[str]:
    """Write capabilities as upstream's client does, which is also how they are read back."""
    names = (name.upper() for name in capabilities)
    return [name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}" for name in names]


def _limits(inputs: Properties) -> Body:
    cpus = text(inputs, "cpus")
    by_period = {} if cpus else {"CpuPeriod": whole(inputs, "cpuPeriod"), "CpuQuota": whole(inputs, "cpuQuota")}
    return by_period | {
        "NanoCpus": int(Decimal(cpus) * 10**9) if cpus else 0,
        "CpuShares": whole(inputs, "cpuShares"),
        "CpusetCpus": text(inputs, "cpuSet"),
        "Memory": whole(inputs, "memory") * MIB,
        "MemoryReservation": whole(inputs, "memoryReservation") * MIB,
        "MemorySwap": swap(inputs),
        "ShmSize": whole(inputs, "shmSize") * MIB,
        "Ulimits": [
            {"Name": text(row, "name"), "Soft": whole(row, "soft"), "Hard": whole(row, "hard")}
            for row in rows(inputs, "ulimits")
        ],
    }


def swap(inputs: Properties) -> int:
    """Return memory and swap together in bytes; -1 is without a limit."""
    given = whole(inputs, "memorySwap")
    return given * MIB if given > 0 else given


def _namespaces(inputs: Properties) -> Body:
    return {
        "NetworkMode": text(inputs, "networkMode"),
        "ExtraHosts": [f"{text(row, 'host')}:{text(row, 'ip')}" for row in rows(inputs, "hosts")],
        "Dns": texts(inputs, "dns"),
        "DnsOptions": texts(inputs, "dnsOpts"),
        "DnsSearch": texts(inputs, "dnsSearches"),
        "GroupAdd": texts(inputs, "groupAdds"),
        "UsernsMode": text(inputs, "usernsMode"),
        "PidMode": text(inputs, "pidMode"),
        "IpcMode": text(inputs, "ipcMode"),
        "CgroupnsMode": text(inputs, "cgroupnsMode"),
        "CgroupParent": text(inputs, "cgroupParent"),
        "Runtime": text(inputs, "runtime"),
        "Sysctls": table(inputs, "sysctls"),
    }


def _healthcheck(given: Properties) -> Body:
    if not given:
        return {}
    names = {
        "interval": "Interval",
        "timeout": "Timeout",
        "startPeriod": "StartPeriod",
        "startInterval": "StartInterval",
    }
    spans = {theirs: nanoseconds(text(given, ours)) for ours, theirs in names.items()}
    return {"Test": texts(given, "tests"), "Retries": whole(given, "retries"), **spans}


def _port(row: Properties) -> str:
    return f"{whole(row, 'internal')}/{text(row, 'protocol') or 'tcp'}"


def _bindings(ports: list[Properties]) -> Body:
    found: Body = {}
    for row in ports:
        binding = {"HostIp": text(row, "ip"), "HostPort": str(whole(row, "external"))}
        found.setdefault(_port(row), []).append(binding)
    return found


def _bind(row: Properties) -> str:
    path, source = text(row, "containerPath"), text(row, "hostPath") or text(row, "volumeName")
    if bool(path) == bool(text(row, "fromContainer")):
        raise Failed("Unable to parse volumes: volume entry without container path or source container, or with both")
    options = ["ro" if flag(row, "readOnly") else "rw", *filter(None, [text(row, "selinuxRelabel")])]
    return f"{source}:{path}:{','.join(options)}" if source and path else ""


def _mount(row: Properties) -> Body:
    mount: Body = {
        "Type": text(row, "type"),
        "Target": text(row, "target"),
        "Source": text(row, "source"),
        "ReadOnly": flag(row, "readOnly"),
    }
    if volume := group(row, "volumeOptions"):
        mount["VolumeOptions"] = {"NoCopy": flag(volume, "noCopy"), "Subpath": text(volume, "subpath")}
    if bind := group(row, "bindOptions"):
        mount["BindOptions"] = {"Propagation": text(bind, "propagation")}
    if tmpfs := group(row, "tmpfsOptions"):
        mount["TmpfsOptions"] = {"SizeBytes": whole(tmpfs, "sizeBytes"), "Mode": whole(tmpfs, "mode")}
    return mount
