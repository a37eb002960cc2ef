"""What runs on the host now."""

from __future__ import annotations

from dataclasses import replace

from crm.driver import Status
from crm.errors import HostError
from crm.plan import Want
from crm.recipe import Ask
from playbooks.sftponly.ask import Asker
from playbooks.sftponly.ground import Ground
from playbooks.sftponly.installer import Installer
from playbooks.sftponly.lock import holder
from playbooks.sftponly.place import look
from playbooks.sftponly.release import values


def status_of(ground: Ground, installer: Installer, want: Want, silence: float) -> Status:
    """Ask the host what serves, whether the site is up, how many people may log in, and who is at work there.

    silence: seconds without a sign of life after which nobody is.
    """
    files, spot, layout = ground.files, ground.spot, ground.spot.layout
    place = look(files, layout)
    kept = place.find(place.serving)
    at_work = holder(files, layout, installer.now()) if place.known else None
    known = replace(
        Status(layout.contract, place.serving, (), (), None, None), releases=tuple(k.id for k in place.kept)
    )
    known = replace(known, holder=None if at_work is None or at_work.idle > silence else str(at_work))
    if kept is None:
        return known
    release = kept.manifest.release
    home = str(installer.ask("look", extensions=[])["home"])
    known_values = values(want, release, home, spot.server)
    asker = Asker(spot.site, installer, spot.server, want, kept.folder, known_values)
    said = asker.text(want.recipe.ready)
    state = ("web", "up" if want.recipe.ready.holds(said) else "down", said.partition(" ")[0])
    page = (("maintenance", "up", "customers see it"),) if place.shut else ()
    return replace(known, processes=(*page, state), users=_users(asker, want))


def _users(asker: Asker, want: Want) -> int | None:
    """Return the number of active users, or None when the recipe's question has no such answer now."""
    ask = Ask(want.recipe.users.how, r"\d+\s*$")
    try:
        said = asker.text(ask)
    except HostError:
        return None
    words = said.split()
    return int(words[-1]) if ask.holds(said) and words[-1].isdecimal() else None
