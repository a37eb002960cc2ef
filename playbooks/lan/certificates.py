"""A site's certificate as resources: brought by a deploy, or got and renewed by the server itself. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from playbooks.kind import Resource
from playbooks.kinds.file import FileWanted
from playbooks.kinds.site import SiteKind, SiteWanted
from playbooks.lan import acme, sites
from playbooks.lan.acme import Acme
from playbooks.lan.layout import Layout
from playbooks.lan.server import Setup, file
from playbooks.lan.sites import Secured


def brought(layout: Layout, setup: Setup, salt: str) -> Sequence[Resource]:
    """Return the files of the site's certificate, or what the server gets it by itself with."""
    if setup.acme is not None:
        return _issued(layout, setup.acme, salt)
    if setup.certificate is None or setup.key is None:
        return ()
    found = [
        file(layout, salt, sites.chain_file(layout), _own(setup.certificate.chain)),
        file(layout, salt, sites.key_file(layout), replace(_own(setup.key), secret=True)),
    ]
    if setup.certificate.authority is not None:
        content = replace(_own(setup.certificate.authority), mode=0o644)
        found.append(file(layout, salt, sites.authority_file(layout), content))
    return found


def at_switch(layout: Layout, setup: Setup, salt: str) -> Sequence[Resource]:
    """Return what of the certificate comes with the site itself, since the one that serves has files of the same names.

    What the server gets by itself is there before: an authority may say no.
    """
    return () if setup.acme is not None else brought(layout, setup, salt)


def renewed(layout: Layout, certificate: Secured | None, needs: tuple[str, ...]) -> tuple[Resource, ...]:
    """Return what renews the site's certificate; the site of its first question is not wanted any more."""
    asked = certificate if isinstance(certificate, Acme) else None
    return (interim(layout, None, needs), *acme.renewing(layout, asked, needs))


def interim(layout: Layout, text: str | None, needs: tuple[str, ...] = ()) -> Resource:
    """Return the site at which an authority asks before the contract's own answers it; its file's name comes first."""
    wanted = None if text is None else SiteWanted(text)
    return Resource(SiteKind(), f"{layout.contract}.challenge", wanted, (*needs, "service:nginx"))


def stand_in(layout: Layout, text: str) -> Resource:
    """Return a site in the place of the contract's own, which nginx cannot start with; nothing serves then anyway."""
    return Resource(SiteKind(), layout.contract, SiteWanted(text, layout.aside))


def _issued(layout: Layout, asked: Acme, salt: str) -> Sequence[Resource]:
    """Return what gets the certificate, and the certificate itself."""
    renew = file(layout, salt, *acme.renew_file(layout, asked))
    if asked.root is None:
        return renew, *acme.issued(layout, asked, renew)
    believed = FileWanted(asked.root.encode(), 0o644, owner="root", group="root")
    return file(layout, salt, acme.root_file(layout), believed), renew, *acme.issued(layout, asked, renew)


def _own(text: str) -> FileWanted:
    return FileWanted(text.encode(), 0o600, owner="root", group="root", drawn=True)
