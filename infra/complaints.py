"""What Pulumi and the Docker provider say when they fail, as one error with a remedy. Pure: text in, error out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crm.errors import CrmhostError, HostError, Refused
from infra.backend import StateDamaged
from infra.engine.reach import Reach

_LONGEST = 400
_NOISE = re.compile(r"^(update|preview) failed$|^stdout:|: provider=docker@|^an unhandled error occurred:")
_PREFIX = re.compile(
    r"^(\d+ errors? occurred:|\* |stderr: |error: |Preview failed: |(?:creating|updating|deleting) urn:\S+: )+"
)


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


@dataclass(frozen=True, slots=True)
class _Rule:
    """One complaint and its error.

    patterns: any of them tells it. what, remedy: texts in which Where's `{stack}`, `{url}`, `{folder}` and `{docker}`
    are filled in, and the patterns' named groups; in `what` also `{all}`, which is all that was found.
    """

    patterns: tuple[str, ...]
    kind: type[CrmhostError]
    what: str
    remedy: str

    def error(self, texts: Sequence[str], where: Where) -> CrmhostError | None:
        """Return the error for the first text that a pattern is found in, or None."""
        found = _first(self.patterns, texts)
        if found is None:
            return None
        known = {"stack": where.stack, "url": where.reach.url, "folder": where.folder, "docker": where.docker}
        known |= {name: (value or "").strip()[:_LONGEST] for name, value in found.groupdict().items()}
        return self.kind(self.what.format(all=found[0], **known), self.remedy.format(**known))


def explain(texts: Sequence[str], where: Where) -> CrmhostError:
    """Return the error for what was printed: the first text that is understood, else the most telling line."""
    lost = _lost(texts, where)
    if lost is not None:
        return lost
    for rule in _RULES:
        error = rule.error(texts, where)
        if error is not None:
            return error
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


def _lost(texts: Sequence[str], where: Where) -> CrmhostError | None:
    """Return what ssh says to it when it was ssh that did not reach the engine."""
    found = _first((r"(?s)Error pinging Docker server.*?stderr=(?P<said>.*)",), texts)
    if found is None or not found["said"] or where.reach.scheme != "ssh":
        return None
    from infra.engine.complaints import explain as explain_ssh

    return explain_ssh(where.reach, found["said"])


def _first(patterns: Sequence[str], texts: Sequence[str]) -> re.Match[str] | None:
    found = (re.search(pattern, text) for pattern in patterns for text in texts)
    return next((match for match in found if match is not None), None)


_RULES = (
    _Rule(
        (r"(?m)^\s*code: -(?P<signal>\d+)$",),
        HostError,
        "{stack}: pulumi was killed in the middle of its work (signal {signal})",
        "The same command again mends what it left and goes on; see whether this machine ran out of memory.",
    ),
    _Rule(
        (r"incorrect passphrase",),
        CrmhostError,
        "{stack}: the passphrase is not the one that the stack's state is encrypted with",
        "Use the fleet whose secrets/ the stack was made with; a backup of that folder holds it.",
    ),
    _Rule(
        (r"passphrase must be set",),
        CrmhostError,
        "{stack}: the passphrase of the stack's state is missing",
        "Let crmhost read it from the fleet's secrets, or set PULUMI_CONFIG_PASSPHRASE.",
    ),
    _Rule(
        (r"failed to load checkpoint.*(unexpected end of JSON|invalid character|cannot unmarshal|: EOF)",),
        StateDamaged,
        "{stack}: the stack's state is damaged",
        "crmhost takes the copy that Pulumi keeps; where there is none, restore .crmhost/pulumi from a backup.",
    ),
    _Rule(
        (r"unsupported (checkpoint|deployment) version \d+|unsupported features?: \S+|is newer than",),
        CrmhostError,
        "{stack}: the stack's state was written by a newer Pulumi ({all})",
        "Use that Pulumi, or a newer one: crmhost doctor says which one is found here.",
    ),
    _Rule(
        (r"snapshot integrity failure[^:]*:(?P<said>.*)",),
        CrmhostError,
        "{stack}: the stack's state contradicts itself: {said}",
        "cd {folder} && pulumi state repair",
    ),
    _Rule(
        (r"Error pinging Docker server|failed to connect to any docker daemon|Cannot connect to the Docker",),
        HostError,
        "{url}: the Docker engine does not answer",
        "Start it, or mend the way to it: {docker} info",
    ),
    _Rule(
        (
            r"no resource plugin '?pulumi-resource-docker|Could not automatically download and install",
            r"failed to download plugin: docker-",
        ),
        CrmhostError,
        "{stack}: Pulumi's Docker provider (pulumi-resource-docker) is missing and could not be downloaded",
        "crmhost doctor says how to get it: pulumi plugin install resource docker, or put the program on PATH.",
    ),
    _Rule(
        (r"unable to pull image (?P<image>\S+?):? ", r"No such image: (?P<image>\S+)"),
        HostError,
        "{url}: the image {image} is not there and cannot be pulled",
        "Build or load it on the host, or name one that its registry has: images: in crmhost.yaml.",
    ),
    _Rule(
        (
            r"Bind for (?P<bind>\S+) failed: port is already allocated",
            r"(?:listen|failed to bind).*?(?P<bind>[\d.]+:\d+).*?address already in use",
        ),
        HostError,
        "{url}: {bind} is taken by another program",
        "End what listens there ({docker} ps names containers), or set other ports: ingress: in crmhost.yaml.",
    ),
    _Rule(
        (r'The container name "/?(?P<name>[^"]+)" is already in use',),
        HostError,
        "{url}: there is a container {name} that this stack did not make",
        "Look at it, then remove it: {docker} rm -f {name}",
    ),
    _Rule(
        (r"network with name (?P<name>\S+) already exists",),
        HostError,
        "{url}: there is a network {name} that this stack did not make",
        "Look at it, then remove it: {docker} network rm {name}",
    ),
    _Rule(
        (r"could not find an available, non-overlapping IPv4 address pool|all predefined address pools",),
        HostError,
        "{url}: the Docker engine has no address range left for another customer's network",
        'Give it more in /etc/docker/daemon.json: "default-address-pools": [{{"base": "10.128.0.0/10", "size": 26}}]',
    ),
    _Rule(
        (r"network (?P<name>crmhost-edge) not found",),
        HostError,
        "{url}: the network {name} is missing",
        "The host's own stack makes it: crmhost host up {url}",
    ),
    _Rule(
        (r"network (?P<name>\S+) is ambiguous",),
        HostError,
        "{url}: there are two networks called {name}",
        "Remove the one that nothing is on: {docker} network ls, then network rm ID",
    ),
    _Rule(
        (
            r"remove (?P<name>\S+): volume is in use",
            r"deleting urn:\S+:Volume::(?P<name>\S+): [^']*'removed' \(last state: 'in_use'",
        ),
        HostError,
        "{url}: the volume {name} is in use by a container that this stack did not make",
        "{docker} ps -a --filter volume={name} names it; remove it and try again.",
    ),
    _Rule(
        (r"no space left on device",),
        HostError,
        "{url}: the host's disk is full",
        "Make room, such as by: {docker} image prune",
    ),
    _Rule(
        (
            r"::(?P<name>[^:\"' ]+)\"? cannot be deleted",
            r"unable to replace resource \S+::(?P<name>[^:\"' ]+)",
        ),
        Protected,
        "{stack}: {name} would be deleted, and it is protected: it holds data or serves customers",
        "crmhost destroy {stack} removes a customer; nothing was deleted.",
    ),
    _Rule(
        (r"(?P<name>\S+) could not give its files to their owner: it ended with \d+",),
        HostError,
        "{url}: {all}",
        "{docker} logs {name}",
    ),
    _Rule(
        (r"expected to have version >=(?P<wants>\S+), but has (?P<has>[0-4]\.\S+?);",),
        CrmhostError,
        "{stack}: the pulumi-resource-docker on PATH is version {has}; {wants} is needed",
        "Put the right one on PATH, or take it off PATH and let Pulumi install it.",
    ),
)
