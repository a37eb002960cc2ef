"""Getting a certificate by ACME in a deploy: what the site is meanwhile, and why none was issued. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crm.errors import HostError
from playbooks.kinds.certificate import found
from playbooks.lan.acme import Acme, challenge_root, site_file
from playbooks.lan.layout import Layout
from playbooks.shell import Sh, sh


@dataclass(frozen=True, slots=True)
class Present:
    """What the contract's site on the server is now. answers: it lets the authority ask for this very name.

    secured: it speaks TLS. lost: its certificate is gone, so that nginx starts with no site any more, and it does not
    let the authority ask.
    """

    answers: bool
    secured: bool
    lost: bool


def present(layout: Layout, acme: Acme) -> Sh:
    """Return shell that says what the contract's site on the server is now."""
    return sh(
        """\
f={file}; a=no
if grep -qsF {location} "$f" && grep -qsF {name} "$f" && systemctl is-active --quiet nginx; then a=yes; echo answers; fi
if grep -qs '^ *ssl_certificate ' "$f"; then echo secured; fi
if [ "$a" = no ] && [ ! -s {certificate} ] && grep -qsF {certificate} "$f"; then echo lost; fi""",
        file=f"/etc/nginx/conf.d/crmhost-{layout.contract}.conf",
        certificate=site_file(layout),
        location=f"root {challenge_root(layout)};",
        name=f"server_name {acme.host};",
    )


def read_site(text: str) -> Present:
    """Return what `present` said."""
    words = text.split()
    return Present("answers" in words, "secured" in words, "lost" in words)


def refused(acme: Acme, failure: HostError) -> HostError:
    """Return the error of a certificate that was not issued, from what the unit printed: what was found, what to do."""
    told = found(failure.what)
    sort, words = told or ("", failure.what)
    remedy = next((text for pattern, text in _REMEDIES if re.search(pattern, sort or words)), _LOOK)
    what = f"{acme.host}: no certificate was issued by {acme.directory}: {sort}{': ' if sort else ''}{words}"
    return HostError(what, f"{remedy.format(host=acme.host)} What serves was left as it is; deploy again then.")


_LOOK = "Mend what it complains of."
_REMEDIES = (
    (r"^dns$", "Let the customer's DNS send {host} to this server."),
    (r"^connection$", "Let the authority reach port 80 of {host}: in every firewall and router before the server."),
    (r"^unauthorized$", "Something else answers for {host} at port 80: let its name lead to this server alone."),
    (r"^caa$", "Let the CAA record of {host} in the DNS name this authority, or write another target.acme.directory."),
    (r"too many|rateLimited", "Wait as long as it says: the authority has limits."),
    (
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed",
        "Name the certificate that the authority is believed by: target.acme.root.",
    ),
    (
        r"ConnectionError|ConnectTimeout|NewConnectionError|NameResolutionError|Max retries exceeded",
        "Let the server reach the authority (target.acme.directory): its DNS, its gateway, its firewall.",
    ),
)
