"""Promises that a contract can make and this version of crmhost does not keep: warnings, never silence."""

from collections.abc import Iterator

from contract.explain import Finding
from contract.sections import Sections
from contract.target import Cloud, Lan, Target, WebHost

_BACKUP = "data-protection.backup"
_PROMISES: tuple[tuple[str, str], ...] = (
    ("installation.how", "it installs over SSH alone"),
    ("installation.acceptance", "it keeps no acceptance records"),
    ("support.ticket-answer", "it does not time tickets"),
    ("support.complaint", "it does not time complaints"),
    ("support.channels", "it has no help desk"),
    ("support.emergencies", "it calls nobody"),
    ("support.packages", "it keeps no account of support time"),
    ("licence.users", "it does not count users"),
    ("licence.devices", "it does not count devices"),
    ("licence.regions", "it does not look where users are"),
    (_BACKUP, "it cannot copy what runs there"),
    ("data-protection.encrypt.at-rest", "it does not encrypt storage"),
    ("data-protection.encrypt.in-transit", "it sets up certificates on Docker hosts and servers with sudo alone"),
    ("data-protection.access", "it does not manage the hosting company's own access"),
    ("data-protection.breach", "it does not track breaches"),
    ("data-protection.used-for", "it cannot see what else data is used for"),
    ("data-protection.shared-with", "it cannot see whom data is passed to"),
    ("data-protection.kept", "it deletes nothing by itself"),
    ("care.updates", "it updates only when the file names another version"),
    ("care.update-notice", "it sends no notices"),
    ("care.checks", "it checks availability alone"),
    ("care.tuning", "it tunes nothing"),
    ("training", "it teaches nobody"),
    ("term.renewal-notice", "it sends no notices"),
    ("billing.payment", "it takes no payments"),
    ("billing.legal-invoice", "it writes no invoices"),
)
_KEPT_ON = {"data-protection.encrypt.in-transit": {"cloud", "lan"}}
"""Promises that are kept on some kinds of target and not on the others."""


def backed_up(target: Target) -> bool:
    """Tell whether crmhost makes backups of what runs there: wherever it deploys."""
    return isinstance(target, Cloud | Lan | WebHost)


def check(sections: Sections) -> Iterator[Finding]:
    """Yield the promises that are made and not kept yet."""
    target = sections.target
    kind = "" if target is None else target.kind
    for path, reason in _PROMISES:
        keys = path.split(".")
        kept = kind in _KEPT_ON.get(path, ()) or (path == _BACKUP and _backed_up(sections))
        if not kept and _promised(sections, keys):
            yield Finding(
                tuple(keys), "keep it by other means", f"a promise that crmhost does not keep yet: {reason}", "warning"
            )


def _backed_up(sections: Sections) -> bool:
    """Tell whether there are backups, or the mistakes of the target must be mended before it can be said."""
    target = sections.target
    return "target" in sections.broken if target is None else backed_up(target)


def _promised(sections: Sections, keys: list[str]) -> bool:
    """Return whether a promise is made: something is there, and it is not `false` or an empty list."""
    value: object = sections
    for key in keys:
        value = getattr(value, key.replace("-", "_"), None)
        if value is None:
            return False
    written = not isinstance(value, tuple) or keys == ["data-protection", "shared-with"] or bool(value)
    return value is not False and written
