"""What Pulumi and the Docker provider say when they fail, as one error with a remedy. Pure: text in, error out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from crm.errors import CrmhostError, HostError, Refused
from infra.backend import StateDamaged
from infra.engine.reach import Reach

_LONGEST = 400
_NOISE = re.compile(r"^(update|preview) failed$|^stdout:|: provider=docker@|^an unhandled error occurred:")
_PREFIX = re.compile(r"^(\d+ errors? occurred:|\* |stderr: |error: |Preview failed: )+")


@dataclass(frozen=True, slots=True)
class Where:
    """What the error is about: the stack, and the host that it is on."""

    stack: str
    reach: Reach
    folder: str = ""

    @property
    def docker(self) -> str:
        """Return how to ask this host by hand."""
        return f"docker -H {self.reach.url}"


class Protected(Refused):
    """What was asked would delete what must not be deleted."""


_Answer: TypeAlias = Callable[["re.Match[str]", Where], CrmhostError]


def explain(texts: Sequence[str], where: Where) -> CrmhostError:
    """Return the error for what was printed: the first text that is understood, else the most telling line."""
    for pattern, answer in _RULES:
        for text in texts:
            found = pattern.search(text)
            if found is not None:
                return answer(found, where)
    return HostError(
        f"{where.stack}: Pulumi failed: {telling(texts)}",
        f"The same command again goes on where it stopped; by hand: cd {where.folder} && pulumi preview --diff",
    )


def telling(texts: Sequence[str]) -> str:
    """Return the line that says what happened, without what surrounds it."""
    daemon = re.search(r"Error response from daemon: (.+)", "\n".join(texts))
    if daemon is not None:
        return re.sub(r": provider=docker@\S+$", "", daemon[1])[:_LONGEST]
    lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
    told = [_PREFIX.sub("", line) for line in lines if not _NOISE.search(line)]
    told = [line for line in told if line and not line.startswith("code: ")]
    return (told[0] if told else "without a word")[:_LONGEST]


def _killed(found: re.Match[str], where: Where) -> CrmhostError:
    return HostError(
        f"{where.stack}: pulumi was killed in the middle of its work (signal {found[1]})",
        "The same command again mends what it left and goes on; see whether this machine ran out of memory.",
    )


def _passphrase(_: re.Match[str], where: Where) -> CrmhostError:
    return CrmhostError(
        f"{where.stack}: the passphrase is not the one that the stack's state is encrypted with",
        "Use the fleet whose secrets/ the stack was made with; a backup of that folder holds it.",
    )


def _no_passphrase(_: re.Match[str], where: Where) -> CrmhostError:
    return CrmhostError(
        f"{where.stack}: the passphrase of the stack's state is missing",
        "Let crmhost read it from the fleet's secrets, or set PULUMI_CONFIG_PASSPHRASE.",
    )


def _torn(_: re.Match[str], where: Where) -> CrmhostError:
    return StateDamaged(
        f"{where.stack}: the stack's state is damaged",
        "crmhost takes the copy that Pulumi keeps; where there is none, restore .crmhost/pulumi from a backup.",
    )


def _newer(found: re.Match[str], where: Where) -> CrmhostError:
    return CrmhostError(
        f"{where.stack}: the stack's state was written by a newer Pulumi ({found[0]})",
        "Use that Pulumi, or a newer one: crmhost doctor says which one is found here.",
    )


def _integrity(found: re.Match[str], where: Where) -> CrmhostError:
    return CrmhostError(
        f"{where.stack}: the stack's state contradicts itself: {found[1].strip()[:_LONGEST]}",
        f"cd {where.folder} && pulumi state repair",
    )


def _unreachable(found: re.Match[str], where: Where) -> CrmhostError:
    said = found.groupdict().get("said") or ""
    if where.reach.scheme == "ssh" and said:
        from infra.engine.complaints import explain as explain_ssh

        return explain_ssh(where.reach, said)
    return HostError(
        f"{where.reach.url}: the Docker engine does not answer", f"Start it, or mend the way to it: {where.docker} info"
    )


def _no_provider(_: re.Match[str], where: Where) -> CrmhostError:
    return CrmhostError(
        f"{where.stack}: Pulumi's Docker provider (pulumi-resource-docker) is missing and could not be downloaded",
        "crmhost doctor says how to get it: pulumi plugin install resource docker, or put the program on PATH.",
    )


def _other_provider(found: re.Match[str], where: Where) -> CrmhostError:
    return CrmhostError(
        f"{where.stack}: the pulumi-resource-docker on PATH is version {found['has']}; {found['wants']} is needed",
        "Put the right one on PATH, or take it off PATH and let Pulumi install it.",
    )


def _image(found: re.Match[str], where: Where) -> CrmhostError:
    return HostError(
        f"{where.reach.url}: the image {found['image']} is not there and cannot be pulled",
        "Build or load it on the host, or name one that its registry has: images: in crmhost.yaml.",
    )


def _port(found: re.Match[str], where: Where) -> CrmhostError:
    return HostError(
        f"{where.reach.url}: {found['bind']} is taken by another program",
        f"End what listens there ({where.docker} ps names containers), or set other ports: ingress: in crmhost.yaml.",
    )


def _name(found: re.Match[str], where: Where) -> CrmhostError:
    return HostError(
        f"{where.reach.url}: there is a container {found['name']} that this stack did not make",
        f"Look at it, then remove it: {where.docker} rm -f {found['name']}",
    )


def _network(found: re.Match[str], where: Where) -> CrmhostError:
    return HostError(
        f"{where.reach.url}: there is a network {found['name']} that this stack did not make",
        f"Look at it, then remove it: {where.docker} network rm {found['name']}",
    )


def _no_subnet(_: re.Match[str], where: Where) -> CrmhostError:
    return HostError(
        f"{where.reach.url}: the Docker engine has no address range left for another customer's network",
        'Give it more in /etc/docker/daemon.json: "default-address-pools": [{"base": "10.128.0.0/10", "size": 26}]',
    )


def _two_networks(found: re.Match[str], where: Where) -> CrmhostError:
    return HostError(
        f"{where.reach.url}: there are two networks called {found['name']}",
        f"Remove the one that nothing is on: {where.docker} network ls, then network rm ID",
    )


def _no_edge(found: re.Match[str], where: Where) -> CrmhostError:
    return HostError(
        f"{where.reach.url}: the network {found['name']} is missing",
        f"The host's own stack makes it: crmhost host up {where.reach.url}",
    )


def _volume(found: re.Match[str], where: Where) -> CrmhostError:
    return HostError(
        f"{where.reach.url}: the volume {found['name']} is in use by a container that this stack did not make",
        f"{where.docker} ps -a --filter volume={found['name']} names it; remove it and try again.",
    )


def _disk(_: re.Match[str], where: Where) -> CrmhostError:
    return HostError(
        f"{where.reach.url}: the host's disk is full", f"Make room, such as by: {where.docker} image prune"
    )


def _protected(found: re.Match[str], where: Where) -> CrmhostError:
    return Protected(
        f"{where.stack}: {found['name']} would be deleted, and it is protected: it holds data or serves customers",
        f"crmhost destroy {where.stack} removes a customer; nothing was deleted.",
    )


def _files(found: re.Match[str], where: Where) -> CrmhostError:
    return HostError(f"{where.reach.url}: {found[0]}", f"{where.docker} logs {found['name']}")


_RULES: tuple[tuple[re.Pattern[str], _Answer], ...] = tuple(
    (re.compile(pattern, re.DOTALL if "(?s)" in pattern else 0), answer)
    for pattern, answer in (
        (r"(?m)^\s*code: -(\d+)$", _killed),
        (r"incorrect passphrase", _passphrase),
        (r"passphrase must be set", _no_passphrase),
        (r"failed to load checkpoint.*(unexpected end of JSON|invalid character|cannot unmarshal|: EOF)", _torn),
        (r"unsupported (checkpoint|deployment) version \d+|unsupported features?: \S+|is newer than", _newer),
        (r"snapshot integrity failure[^:]*:(.*)", _integrity),
        (r"(?s)Error pinging Docker server.*?stderr=(?P<said>.*)", _unreachable),
        (
            r"Error pinging Docker server|failed to connect to any docker daemon|Cannot connect to the Docker",
            _unreachable,
        ),
        (r"no resource plugin '?pulumi-resource-docker|Could not automatically download and install", _no_provider),
        (r"unable to pull image (?P<image>\S+?):? ", _image),
        (r"No such image: (?P<image>\S+)", _image),
        (r"Bind for (?P<bind>\S+) failed: port is already allocated", _port),
        (r"(?:listen|failed to bind).*?(?P<bind>[\d.]+:\d+).*?address already in use", _port),
        (r'The container name "/?(?P<name>[^"]+)" is already in use', _name),
        (r"network with name (?P<name>\S+) already exists", _network),
        (r"could not find an available, non-overlapping IPv4 address pool|all predefined address pools", _no_subnet),
        (r"network (?P<name>crmhost-edge) not found", _no_edge),
        (r"network (?P<name>\S+) is ambiguous", _two_networks),
        (r"remove (?P<name>\S+): volume is in use", _volume),
        (r"no space left on device", _disk),
        (r"::(?P<name>[^:\"' ]+)\"? cannot be deleted", _protected),
        (r"unable to replace resource \S+::(?P<name>[^:\"' ]+)", _protected),
        (r"(?P<name>\S+) could not give its files to their owner: it ended with \d+", _files),
        (r"expected to have version >=(?P<wants>\S+), but has (?P<has>[0-4]\.\S+?);", _other_provider),
    )
)
