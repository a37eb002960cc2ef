"""Which databases that hosts gave are one and the same. Pure, and light enough to be asked again before a deed."""

from ipaddress import ip_address


def same_database(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Tell whether two databases, each a host and a name, must be taken for one.

    Ports say nothing: on `localhost` a socket is asked, whatever port is written. Neither does the case of a name,
    which some servers tell apart and others do not.
    """
    return _host(one[0]) == _host(other[0]) and one[1].casefold() == other[1].casefold()


def _host(name: str) -> str:
    """Return a host's name in the one form that all its spellings share; the machine itself is `localhost`."""
    plain = name.strip("[]").rstrip(".").casefold()
    try:
        address = ip_address(plain)
    except ValueError:
        return "localhost" if plain == "localhost.localdomain" else plain
    return "localhost" if address.is_loopback else str(address)
