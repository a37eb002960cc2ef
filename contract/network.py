"""Networks, as a firewall lets them in."""

import ipaddress
from typing import Annotated, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from contract.base import wrong
from contract.scalar import ask_text


def network(value: object) -> str:
    """Return an address or a network in CIDR form, IPv4 or IPv6."""
    remedy = "write an address or a network, as in 10.0.0.0/8"
    written = ask_text(value, remedy)
    try:
        found = ipaddress.ip_network(written)
    except ValueError:
        try:
            inside = ipaddress.ip_network(written, strict=False)
        except ValueError:
            raise wrong(remedy) from None
        raise wrong(f"write the network itself, {inside}, or one address, {written.partition('/')[0]}") from None
    return str(found.network_address) if found.num_addresses == 1 else str(found)


Network: TypeAlias = Annotated[
    str,
    PlainValidator(network),
    WithJsonSchema(
        {
            "type": "string",
            "description": "An address or a network",
            "examples": ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"],
            "pattern": "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$",
        }
    ),
]
