"""What the customers of a server ask of its firewall together. Pure.

There is one firewall, so it is made of all that they ask. Where nobody asks for one, none is touched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from playbooks.kinds.nftables import FirewallWanted, Opening


@dataclass(frozen=True, slots=True)
class Asked:
    """What one contract asks: networks from which SSH and the site are reached. asks: it wants a firewall at all.

    ports: SSH's, and those of the site; whoever asks for none lets everybody reach the site and nobody SSH.
    """

    ssh: int
    web: tuple[int, ...]
    ssh_from: tuple[str, ...] = ()
    web_from: tuple[str, ...] = ()
    asks: bool = False


def encode_asked(asked: Asked) -> str:
    """Return its text, which lies in the contract's folder for the deploys of the others."""
    return json.dumps(asdict(asked), sort_keys=True) + "\n"


def decode_asked(text: str, contract: str) -> Asked | None:
    """Return what another contract asks; None where it has not said yet. Raises ValueError for what is none of ours."""
    if not text.strip():
        return None
    raw = json.loads(text)
    try:
        return Asked(
            int(raw["ssh"]),
            tuple(int(port) for port in raw["web"]),
            tuple(str(one) for one in raw["ssh_from"]),
            tuple(str(one) for one in raw["web_from"]),
            bool(raw["asks"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{contract}: {text[:100]!r}") from error


def together(every: Iterable[Asked]) -> FirewallWanted | None:
    """Return the firewall that lets in what each of them asks; None where nobody asks for one."""
    asked = tuple(every)
    if not any(one.asks for one in asked):
        return None
    sources: dict[int, set[str] | None] = {}  # None: everybody
    for one in asked:
        if one.asks:
            _open(sources, one.ssh, one.ssh_from)
        for port in one.web:
            _open(sources, port, one.web_from if one.asks else ())
    return FirewallWanted(
        tuple(Opening(port, sources=tuple(sorted(nets or ()))) for port, nets in sorted(sources.items()))
    )


def _open(sources: dict[int, set[str] | None], port: int, networks: tuple[str, ...]) -> None:
    if not networks:
        sources[port] = None
        return
    known = sources.setdefault(port, set())
    if known is not None:
        known.update(networks)
