"""Rules of a web host that gives SFTP alone: what is not there, and what must be said instead."""

from collections.abc import Iterator

from contract.explain import Finding
from contract.sections import Sections
from contract.target import WebHost


def check(sections: Sections) -> Iterator[Finding]:
    """Yield what a host without commands cannot do, or must be told."""
    target, crm = sections.target, sections.crm
    if not isinstance(target, WebHost) or target.access != "sftp":
        return
    if target.front != "php":
        yield Finding(
            ("target",),
            "add 'front: php': where no command runs, nothing but the host's own PHP serves",
            f"'access: sftp' and 'front: {target.front}'",
        )
    if target.front == "php" and target.database.kind != "mysql":
        yield Finding(
            ("target",),
            "add the database that the host gave: 'database: {kind: mysql, name: acme_crm, user: acme_crm}'",
            "'access: sftp' and no database of the host's",
        )
    if crm is not None and crm.url.startswith("http:"):
        yield Finding(
            ("crm", "url"),
            "what deploys the CRM there goes over HTTPS: have the control panel issue a certificate, and write an https"
            " URL",
        )
