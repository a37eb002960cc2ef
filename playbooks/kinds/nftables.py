"""What a host lets in, as nftables reads it, and the unit that loads it. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Opening:
    """A port that is let in. sources: addresses or networks that it is open to; none: everybody."""

    port: int
    protocol: Literal["tcp", "udp"] = "tcp"
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no port or network; raises ValueError."""
        if not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is no port; they go from 1 to 65535")
        _ = self.networks

    @property
    def networks(self) -> tuple[Network, ...]:
        """Return the sources without what others contain, IPv4 first."""
        parsed = [ipaddress.ip_network(source) for source in self.sources]
        four = ipaddress.collapse_addresses(one for one in parsed if isinstance(one, ipaddress.IPv4Network))
        six = ipaddress.collapse_addresses(one for one in parsed if isinstance(one, ipaddress.IPv6Network))
        return (*four, *six)

    def lets_in(self, client: str) -> bool:
        """Tell whether this address may use it."""
        address = ipaddress.ip_address(client.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return not self.sources or any(address in network for network in self.networks)

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.protocol} {self.port} from {', '.join(map(str, self.networks)) or 'everybody'}"


@dataclass(frozen=True, slots=True)
class FirewallWanted:
    """What is let in besides answers, the host itself and ICMP. All else is dropped; forwarding is not touched."""

    openings: tuple[Opening, ...]

    def text(self, table: str) -> str:
        """Return what nft loads."""
        rules = "".join(f"    {rule}\n" for opening in self.openings for rule in _rules(opening))
        return _TABLE.format(table=table, rules=rules)

    def digest(self, table: str) -> str:
        """Return the SHA-256 (hex) of what nft loads."""
        return hashlib.sha256(self.text(table).encode()).hexdigest()

    def lets_in(self, client: str, port: int) -> bool:
        """Tell whether this address may connect to this TCP port."""
        return any(o.protocol == "tcp" and o.port == port and o.lets_in(client) for o in self.openings)


def unit_text(table: str) -> str:
    """Return the unit that loads the table; it may do nothing but that."""
    return _UNIT.format(table=table)


def _rules(opening: Opening) -> Iterator[str]:
    accept = f"{opening.protocol} dport {opening.port} accept"
    if not opening.sources:
        yield accept
    for family, kind in (("ip", ipaddress.IPv4Network), ("ip6", ipaddress.IPv6Network)):
        networks = ", ".join(str(network) for network in opening.networks if isinstance(network, kind))
        if networks:
            yield f"{family} saddr {{ {networks} }} {accept}"


_TABLE = """\
add table inet {table}
delete table inet {table}
table inet {table} {{
  chain input {{
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    ct state invalid drop
    iif "lo" accept
    meta l4proto {{ icmp, ipv6-icmp }} accept
    ip6 saddr fe80::/10 udp dport 546 accept
{rules}  }}
}}
"""

_UNIT = """\
[Unit]
Description=What this host lets in (table inet {table})
DefaultDependencies=no
RequiresMountsFor=/etc
Wants=network-pre.target
Before=network-pre.target
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/{table}-firewall.nft
ExecReload=/usr/sbin/nft -f /etc/{table}-firewall.nft
ExecStop=-/usr/sbin/nft delete table inet {table}
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_NET_ADMIN
ProtectSystem=strict
ProtectHome=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
ProcSubset=pid
RestrictAddressFamilies=AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
MemoryDenyWriteExecute=yes
LockPersonality=yes
KeyringMode=private
IPAddressDeny=any
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target nftables.service
"""
