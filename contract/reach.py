"""Rules of the way to a host: jump hosts that cannot be meant."""

from collections.abc import Iterator

from contract.explain import Finding
from contract.sections import Sections
from contract.target import Lan, WebHost

MOST = 8
"""How many jump hosts there may be: each costs a handshake, and nobody has more."""


def check(sections: Sections) -> Iterator[Finding]:
    """Yield what is wrong with the jump hosts of a target."""
    target = sections.target
    if not isinstance(target, WebHost | Lan):
        return
    if len(target.jump) > MOST:
        yield Finding(("target", "jump"), f"name at most {MOST} jump hosts", f"{len(target.jump)} jump hosts")
    seen: set[str] = set()
    for index, hop in enumerate(target.jump):
        place = hop.lower().removesuffix(":22")
        if place in seen:
            yield Finding(("target", "jump", index), "name each jump host once")
        seen.add(place)
        if place == _place(target):
            yield Finding(("target", "jump", index), "name the hosts on the way; the target itself is none of them")


def _place(target: WebHost | Lan) -> str:
    port = "" if target.port in {None, 22} else f":{target.port}"
    return f"{target.user}@{target.host}{port}".lower()
